//! Stage "sanity": addresses, fragments and flags that no honest sender produces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

use abi::Reason;

use super::crossing::{Crossing, Exit};
use super::packet::{Fragment, Packet, Segment, Transport};
use super::prefecture::Sender;
use super::trace::Stage;

/// Drops what is not sane.
pub(crate) fn sanity(x: &mut Crossing, packet: &Packet) -> ControlFlow<Exit> {
    let looked_at = || format!("{} > {}, {}", packet.source, packet.destination, shape(packet));
    if let Some(reason) = unsound(packet, x.sender) {
        return x.stop(Stage::Sanity, Exit::drop(reason), looked_at);
    }
    x.pass(Stage::Sanity, || (looked_at(), "sound".into()));
    ControlFlow::Continue(())
}

fn unsound(packet: &Packet, sender: Sender) -> Option<Reason> {
    if is_no_unicast(packet.source) {
        return Some(Reason::BadSource);
    }
    if is_no_unicast(packet.destination) {
        return Some(Reason::BadDestination);
    }
    // By the hairpin, clients behind a public address may call what is mapped there.
    if packet.source == packet.destination && !matches!(sender, Sender::Hairpin) {
        return Some(Reason::Land);
    }
    if packet.source_route {
        return Some(Reason::RoutingHeader);
    }
    if packet.fragment.is_some_and(|fragment| is_bad_fragment(fragment, packet.protocol)) {
        return Some(Reason::BadFragment);
    }
    match &packet.transport {
        Transport::Tcp(_, segment) if has_bad_flags(segment) => Some(Reason::BadFlags),
        _ => None,
    }
}

/// Addresses that no packet between hosts on different links may carry.
pub(crate) fn is_no_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_no_unicast_v4(v4),
        IpAddr::V6(v6) => is_no_unicast_v6(v6),
    }
}

fn is_no_unicast_v4(address: Ipv4Addr) -> bool {
    // This network, loopback, link-local, multicast, and class E with broadcast.
    matches!(address.octets(), [0 | 127 | 224..=255, ..] | [169, 254, ..])
}

fn is_no_unicast_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified()
        || address.is_loopback()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || address.to_ipv4_mapped().is_some()
}

fn is_bad_fragment(fragment: Fragment, protocol: u8) -> bool {
    let beyond_datagram = fragment.offset_bytes + fragment.payload_len > 65_535;
    let odd_middle = fragment.more && !fragment.payload_len.is_multiple_of(8);
    // Would overwrite the flags of a TCP header (RFC 3128).
    let overwrites_tcp = protocol == 6 && fragment.offset_bytes == 8;
    beyond_datagram || odd_middle || overwrites_tcp
}

fn has_bad_flags(segment: &Segment) -> bool {
    let &Segment { syn, ack, fin, rst, .. } = segment;
    let none = !(syn || ack || fin || rst);
    none || (syn && fin) || (syn && rst) || (fin && rst) || (fin && !ack)
}

fn shape(packet: &Packet) -> String {
    let mut text = match &packet.transport {
        Transport::Tcp(_, segment) => format!("TCP flags {}", flags(segment)),
        _ => format!("protocol {}", packet.protocol),
    };
    if let Some(fragment) = packet.fragment {
        text.push_str(&format!(", fragment at byte {}", fragment.offset_bytes));
    }
    text
}

/// `syn`, `syn+ack`, …
pub(crate) fn flags(segment: &Segment) -> String {
    let named = [(segment.syn, "syn"), (segment.ack, "ack"), (segment.fin, "fin"), (segment.rst, "rst")];
    let set: Vec<&str> = named.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect();
    if set.is_empty() { "none".into() } else { set.join("+") }
}
