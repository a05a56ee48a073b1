//! Stage "inbound": does a port of a public address stand for an inside server's. Rules judge the packet as it came. Only
//! where something is mapped.

use std::net::IpAddr;
use std::ops::ControlFlow;

use abi::{Direction, Reason};

use super::crossing::{Crossing, Exit};
use super::flows::{Flows, Key};
use super::isolation;
use super::packet::{Packet, Transport};
use super::prefecture::Municipality;
use super::trace::Stage;

/// The key, with the server as its inside end, of the flow that the packet may begin; none: it is for the very address.
/// A client behind that address may call what is mapped there, by the hairpin; nobody else is behind it.
pub(crate) fn inbound(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    key: &Key,
    flows: &mut Flows,
) -> ControlFlow<Exit, Option<Key>> {
    let server = server(x, municipality, packet, key, flows)?;
    if server.is_none() && packet.source == packet.destination {
        return x.stop(Stage::Inbound, Exit::drop(Reason::Land), || format!("{} calls itself", packet.source));
    }
    ControlFlow::Continue(server)
}

fn server(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    key: &Key,
    flows: &mut Flows,
) -> ControlFlow<Exit, Option<Key>> {
    let (Transport::Tcp(ports, _) | Transport::Udp(ports)) = packet.transport else {
        return ControlFlow::Continue(None);
    };
    let mut mapped = municipality.inbound.iter().filter(|it| IpAddr::V4(it.public) == packet.destination).peekable();
    if x.direction != Direction::Ingress || mapped.peek().is_none() {
        return ControlFlow::Continue(None);
    }
    let looked_at = || format!("port {} of {}, protocol {}", ports.destination, packet.destination, packet.protocol);
    let server =
        mapped.find_map(|it| Some((it, IpAddr::V4(it.inside), it.inside_port(packet.protocol, ports.destination)?)));
    let Some((mapping, address, port)) = server else {
        x.pass(Stage::Inbound, || (looked_at(), "not mapped".into()));
        return ControlFlow::Continue(None);
    };
    isolation::behind_translation(x, municipality, packet, address)?;
    let own = Key { inside: address, inside_port: port, ..key.clone() };
    if flows.find(&own, Direction::Egress, x.now_s).is_some() {
        return x.stop(Stage::Inbound, Exit::drop(Reason::BadState), || {
            format!("{}: {address} port {port} is in a flow with the same outside already", looked_at())
        });
    }
    x.pass(Stage::Inbound, || {
        let place = format!("{}:{}", mapping.location.file, mapping.location.line);
        (looked_at(), format!("mapping `{}` ({place}): {address} port {port}", mapping.name))
    });
    ControlFlow::Continue(Some(own))
}
