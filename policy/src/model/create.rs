//! Stage "create": a passed packet that begins a flow is translated if need be, and its flow remembered.

use std::net::IpAddr;
use std::ops::ControlFlow;

use abi::{Direction, Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::flow::Beginning;
use super::flows::{Flow, Flows, Key, Progress};
use super::nat::{Nat, nat};
use super::packet::{Packet, Transport};
use super::prefecture::Municipality;
use super::rules::Decision;
use super::tcp::Connection;
use super::trace::Stage;

/// Remembers the flow, whose inside end is the server's if one is mapped. The verdict stands unless the pool has no address
/// for it.
pub(crate) fn create(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    Beginning { key, redeemed }: Beginning,
    server: Option<Key>,
    decision: Decision,
    flows: &mut Flows,
) -> ControlFlow<Exit, Exit> {
    let Decision { verdict, reason, rule } = decision;
    let chosen = match (&server, key.inside) {
        (Some(_), IpAddr::V4(public)) => Nat::Public(public, key.inside_port),
        _ => nat(x, municipality, packet, &key, verdict, flows),
    };
    let key = server.unwrap_or(key);
    let translation = match chosen {
        Nat::Untranslated => None,
        Nat::Public(address, port) => Some((address, port)),
        Nat::Exhausted => {
            let pool = municipality.pool.len();
            let (blocks, ports) = (municipality.blocks.per_client, municipality.blocks.ports);
            // The rule that let it through is told: whose service suffers is what the operator asks first.
            let exit = Exit { rule, ..Exit::drop(Reason::NatExhausted) };
            return x.stop(Stage::Create, exit, || {
                format!("pool of {pool} addresses, {blocks} blocks of {ports} ports a client")
            });
        }
    };
    let progress = match (&packet.transport, verdict) {
        (Transport::Tcp(..), _) if let Some(redeemed) = redeemed => Progress::Tcp(Connection::redeemed(redeemed)),
        (Transport::Tcp(_, segment), Verdict::Inspect) => Progress::Tcp(Connection::inspected(segment)),
        (Transport::Tcp(_, segment), _) => Progress::Tcp(Connection::opened_by(segment)),
        // Answers come from the inspector, and do not pass here.
        (_, Verdict::Inspect) => Progress::TwoWay,
        _ => Progress::OneWay,
    };
    let flow = Flow {
        number: 0,
        last_seen_s: x.now_s,
        kept_state: progress.state(),
        generation: x.generation,
        origin: x.direction,
        is_inspectors: x.sender.is_inspector(),
        verdict,
        rule: rule.clone(),
        progress,
        translation,
    };
    flows.insert(key.clone(), flow);
    flows.record(packet, x.direction, &key, x.now_s);
    x.effects.new_flow = true;
    x.effects.translation = translation;
    let is_inbound = x.direction == Direction::Ingress;
    x.pass(Stage::Create, || {
        let public = match translation {
            Some((address, port)) if is_inbound => {
                format!("{address}:{port} for {}", std::net::SocketAddr::new(key.inside, key.inside_port))
            }
            Some((address, port)) if key.protocol == 6 || key.protocol == 17 => format!("as {address}:{port}"),
            Some((address, _)) => format!("as {address}"),
            None => "untranslated".into(),
        };
        (format!("{} > {}", packet.source, packet.destination), format!("new flow, {public}"))
    });
    ControlFlow::Continue(Exit { rule, ..Exit::new(verdict, reason) })
}
