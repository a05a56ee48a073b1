//! Stage "flow": does the packet belong to something already judged, and does it fit. What an older policy judged is
//! judged again by the rules before it goes on.

use std::net::IpAddr;
use std::ops::ControlFlow;

use abi::{Direction, Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::dns;
use super::flows::{Flow, Flows, Key, Progress};
use super::isolation;
use super::limits;
use super::packet::{EchoKind, Packet, Quote, Transport};
use super::prefecture::Municipality;
use super::rules::{self, Call, Decision};
use super::syn_cookies::{self, Redeemed};
use super::tcp::{Opinion, Side};
use super::trace::Stage;

/// The flow that a packet may begin.
pub(crate) struct Beginning {
    /// The key that it would have.
    pub(crate) key: Key,
    /// The cookie that the packet brought back.
    pub(crate) redeemed: Option<Redeemed>,
}

/// Decides for packets of known flows; lets pass what may begin a flow.
pub(crate) fn flow(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    flows: &mut Flows,
) -> ControlFlow<Exit, Beginning> {
    match &packet.transport {
        Transport::LaterFragment => fragment(x, municipality, packet, flows),
        Transport::IcmpError(quote) => related(x, municipality, packet, quote.as_ref(), flows),
        _ => whole(x, municipality, packet, flows),
    }
}

fn whole(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    flows: &mut Flows,
) -> ControlFlow<Exit, Beginning> {
    let key = Key::of_packet(&municipality.id, packet, x.direction);
    let Some((own, found)) = flows.find(&key, x.direction, x.now_s) else {
        return beginning(x, municipality, packet, key);
    };
    of_sender(x, &own, found)?;
    behind_translation(x, municipality, packet, &own, found)?;
    match fit(found, x.direction, packet) {
        Opinion::Fits => {}
        Opinion::Reopens => {
            flows.free(&own, x.now_s);
            // A translated flow may have hidden one of the very addresses, which is over as well.
            flows.free(&key, x.now_s);
            return beginning(x, municipality, packet, key);
        }
        Opinion::Refused(why) => return refuse(x, || format!("{}: {why}", describe(&own))),
    }
    judge_again(x, municipality, &own, flows)?;
    // Before the budgets: a packet has moved its flow's state, and is its latest sign of life, also if it goes no further.
    flows.keep(&own, x.now_s);
    let (rule, origin) = flows.get(&own).map_or((None, x.direction), |flow| (flow.rule.clone(), flow.origin));
    if origin == Direction::Ingress {
        dns::guard(x, municipality, packet, rule.as_ref())?;
    }
    limits::meter(x, municipality, packet, rule.as_ref())?;
    flows.record(packet, x.direction, &own, x.now_s);
    goes_on(x, &own, flows, Reason::Established, Refresh::LastSeen)
}

/// A packet of no flow: only some may begin one.
fn beginning(x: &mut Crossing, municipality: &Municipality, packet: &Packet, key: Key) -> ControlFlow<Exit, Beginning> {
    if let Transport::Tcp(ports, segment) = &packet.transport
        && let Some(redeemed) = syn_cookies::redeem(x, municipality, packet, *ports, segment)
    {
        let looked_at =
            || format!("{}: no such flow; cookie {:#010x}", describe(&key), segment.acknowledgement.wrapping_sub(1));
        return match redeemed {
            Ok(redeemed) => {
                x.pass(Stage::Flow, || (looked_at(), format!("good, for the SYN with number {}", redeemed.start)));
                ControlFlow::Continue(Beginning { key, redeemed: Some(redeemed) })
            }
            Err(reason) => x.stop(Stage::Flow, Exit::drop(reason), looked_at),
        };
    }
    let refusal = match &packet.transport {
        Transport::Tcp(_, segment) if !segment.syn || segment.ack => Some("only a SYN begins a TCP connection"),
        Transport::Echo { kind: EchoKind::Reply, .. } => Some("an echo reply answers a request"),
        _ => None,
    };
    if let Some(why) = refusal {
        return refuse(x, || format!("{}: no such flow; {why}", describe(&key)));
    }
    x.pass(Stage::Flow, || (describe(&key), "no such flow; this packet may begin it".into()));
    ControlFlow::Continue(Beginning { key, redeemed: None })
}

/// Whether the packet fits the flow, which moves on if so.
fn fit(flow: &mut Flow, direction: Direction, packet: &Packet) -> Opinion {
    let side = flow.side(direction);
    let is_inspected = flow.verdict == Verdict::Inspect;
    match (&mut flow.progress, &packet.transport) {
        (Progress::Tcp(connection), Transport::Tcp(_, segment)) if is_inspected => {
            connection.receive_inspected(segment)
        }
        (Progress::Tcp(connection), Transport::Tcp(_, segment)) => connection.receive(side, segment),
        (_, Transport::Echo { kind: EchoKind::Request, .. }) if side == Side::Responder => {
            Opinion::Refused("echo request from the side that was asked")
        }
        (_, Transport::Echo { kind: EchoKind::Reply, .. }) if side == Side::Originator => {
            Opinion::Refused("echo reply from the side that asked")
        }
        (progress, _) => {
            if side == Side::Responder {
                *progress = Progress::TwoWay;
            }
            Opinion::Fits
        }
    }
}

/// A later fragment belongs to the flow of its datagram's first.
fn fragment(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    flows: &mut Flows,
) -> ControlFlow<Exit, Beginning> {
    let Some((own, found)) = flows.find_datagram(&municipality.id, packet, x.direction, x.now_s) else {
        return x.stop(Stage::Flow, Exit::drop(Reason::FragmentUnmatched), || {
            format!("later fragment, {} > {}", packet.source, packet.destination)
        });
    };
    of_sender(x, &own, found)?;
    behind_translation(x, municipality, packet, &own, found)?;
    judge_again(x, municipality, &own, flows)?;
    flows.keep(&own, x.now_s);
    limits::meter(x, municipality, packet, flows.get(&own).and_then(|flow| flow.rule.as_ref()))?;
    goes_on(x, &own, flows, Reason::Fragment, Refresh::LastSeen)
}

/// An ICMP error belongs to the flow of the packet that it quotes, and must come towards who sent that packet.
fn related(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    quote: Option<&Quote>,
    flows: &mut Flows,
) -> ControlFlow<Exit, Beginning> {
    let Some(quote) = quote else {
        return refuse(x, || "ICMP error whose quoted packet cannot be read".into());
    };
    let is_towards_sender = match x.direction {
        Direction::Ingress => packet.destination == quote.source,
        Direction::Egress => packet.source == quote.destination,
    };
    if !is_towards_sender {
        return refuse(x, || "ICMP error about a packet of somebody else".into());
    }
    let key = Key::of_quote(&municipality.id, quote, x.direction);
    let Some((own, found)) = flows.find(&key, x.direction, x.now_s) else {
        return refuse(x, || format!("{}, quoted by an ICMP error: no such flow", describe(&key)));
    };
    of_sender(x, &own, found)?;
    behind_translation(x, municipality, packet, &own, found)?;
    judge_again(x, municipality, &own, flows)?;
    limits::meter(x, municipality, packet, flows.get(&own).and_then(|flow| flow.rule.as_ref()))?;
    flows.record(packet, x.direction, &own, x.now_s);
    goes_on(x, &own, flows, Reason::Related, Refresh::Nothing)
}

/// Egress packets go on flows of their own kind: an inspector's on its own, a client's on the others. Addresses that
/// change hands with a policy may make keys of both the same.
fn of_sender(x: &mut Crossing, own: &Key, flow: &Flow) -> ControlFlow<Exit> {
    if x.direction == Direction::Ingress || flow.is_inspectors == x.sender.is_inspector() {
        return ControlFlow::Continue(());
    }
    let whose = if flow.is_inspectors { "the inspector's" } else { "not the inspector's" };
    refuse(x, || format!("{}, which is {whose}", describe(own)))
}

fn behind_translation(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    own: &Key,
    flow: &Flow,
) -> ControlFlow<Exit> {
    x.effects.translation = flow.translation;
    match (x.direction, flow.translation) {
        (Direction::Ingress, Some(_)) => isolation::behind_translation(x, municipality, packet, own.inside),
        _ => ControlFlow::Continue(()),
    }
}

/// A flow that another generation judged must pass this generation's rules, by its own key and origin; an inspector's
/// lives on for as long as the gateway has its address.
fn judge_again(x: &mut Crossing, municipality: &Municipality, own: &Key, flows: &mut Flows) -> ControlFlow<Exit> {
    let Some(flow) = flows.get(own) else {
        return ControlFlow::Break(Exit::drop(Reason::Internal));
    };
    if flow.generation == x.generation {
        return ControlFlow::Continue(());
    }
    let Decision { verdict, reason, rule } = match flow.is_inspectors {
        true if municipality.gateway.contains(own.inside) => rules::of_inspector(),
        true => Decision { verdict: Verdict::Drop, reason: Reason::BadState, rule: None },
        false => rules::decide(x, municipality, &Call::of_flow(own, flow.translation, flow.origin)),
    };
    match (verdict, flow.verdict) {
        (Verdict::Drop, _) => {
            flows.free(own, x.now_s);
            let exit = Exit { rule, ..Exit::drop(reason) };
            x.stop(Stage::Flow, exit, || format!("{}, judged again", describe(own)))
        }
        // A connection that is under way cannot be handed to the inspector.
        (Verdict::Inspect, Verdict::Forward) => {
            flows.free(own, x.now_s);
            refuse(x, || format!("{}, judged again: to be inspected from now on", describe(own)))
        }
        _ => {
            flow.generation = x.generation;
            flow.rule = rule;
            ControlFlow::Continue(())
        }
    }
}

/// Whether passing a packet keeps its flow alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    LastSeen,
    Nothing,
}

fn goes_on(
    x: &mut Crossing,
    own: &Key,
    flows: &mut Flows,
    reason: Reason,
    refresh: Refresh,
) -> ControlFlow<Exit, Beginning> {
    if refresh == Refresh::LastSeen {
        flows.keep(own, x.now_s);
    }
    let Some(flow) = flows.get(own) else {
        return ControlFlow::Break(Exit::drop(Reason::Internal));
    };
    let exit = Exit { rule: flow.rule.clone(), ..Exit::new(flow.verdict, reason) };
    x.stop(Stage::Flow, exit, || describe(own))
}

fn refuse<T>(x: &mut Crossing, looked_at: impl FnOnce() -> String) -> ControlFlow<Exit, T> {
    x.stop(Stage::Flow, Exit::drop(Reason::BadState), looked_at)
}

fn describe(key: &Key) -> String {
    let end = |address: IpAddr, port: u16| match (key.protocol, address) {
        (6 | 17, _) => std::net::SocketAddr::new(address, port).to_string(),
        (1 | 58, _) if port != 0 => format!("{address} (identifier {port})"),
        _ => address.to_string(),
    };
    let inside = end(key.inside, key.inside_port);
    let outside = end(key.outside, key.outside_port);
    format!("{}, protocol {}, {inside} with {outside}", key.municipality, key.protocol)
}
