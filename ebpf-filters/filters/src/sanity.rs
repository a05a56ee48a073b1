//! Stage: what no honest packet looks like, whoever sends it. Needs no policy.

use abi::{Address, Reason};

use crate::decision::{Stage, drop, go_on};
use crate::packet::{Packet, note, protocol, same, tcp_flag};

/// Checks addresses, source routes, fragments and TCP flags, in this order.
#[inline(always)]
pub fn sanity(packet: &Packet) -> Stage {
    if is_not_forwardable(&packet.event.source, packet.is(note::V4)) {
        return drop(Reason::BadSource);
    }
    if is_not_forwardable(&packet.event.destination, packet.is(note::V4)) {
        return drop(Reason::BadDestination);
    }
    // By the hairpin, clients behind a public address may call what is published there: see `inbound`.
    if same(&packet.event.source, &packet.event.destination) && !packet.is(note::HAIRPIN) {
        return drop(Reason::Land);
    }
    if packet.is(note::SOURCE_ROUTE) {
        return drop(Reason::RoutingHeader);
    }
    if is_bad_fragment(packet) {
        return drop(Reason::BadFragment);
    }
    if packet.event.protocol == protocol::TCP && !packet.is(note::LATER_FRAGMENT) && is_bad(packet.event.tcp_flags) {
        return drop(Reason::BadFlags);
    }
    go_on()
}

/// Unspecified, loopback, link-local, multicast, reserved; and IPv4 in IPv6's clothes.
#[inline(always)]
fn is_not_forwardable(address: &Address, is_v4: bool) -> bool {
    if is_v4 {
        let word = u32::from_be(address.v4_word());
        let first = word >> 24;
        return first == 0 || first == 127 || first >= 224 || word >> 16 == 0xa9fe;
    }
    let [a, b, c, d] = address.0.map(u32::from_be);
    let unspecified_or_loopback = a == 0 && b == 0 && c == 0 && d <= 1;
    unspecified_or_loopback || a >> 22 == 0xfe80 >> 6 || a >> 24 == 0xff || address.is_v4()
}

#[inline(always)]
fn is_bad_fragment(packet: &Packet) -> bool {
    if !packet.is(note::FIRST_FRAGMENT | note::LATER_FRAGMENT) {
        return false;
    }
    let too_far = packet.fragment_offset as u32 * 8 + packet.fragment_length > 65_535;
    let ragged = packet.is(note::MORE_FRAGMENTS) && packet.fragment_length & 7 != 0;
    // RFC 3128: a fragment at offset 8 could overwrite the flags that were judged.
    let overwrites_flags = packet.event.protocol == protocol::TCP && packet.fragment_offset == 1;
    too_far || ragged || overwrites_flags
}

#[inline(always)]
const fn is_bad(flags: u8) -> bool {
    const fn all(flags: u8, wanted: u8) -> bool {
        flags & wanted == wanted
    }
    use tcp_flag::{ACK, FIN, RST, SYN};
    flags & (SYN | ACK | RST | FIN) == 0
        || all(flags, SYN | FIN)
        || all(flags, SYN | RST)
        || all(flags, FIN | RST)
        || flags & (FIN | ACK) == FIN
}
