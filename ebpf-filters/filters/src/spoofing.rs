//! Stage: a source address must belong to the side that the packet came from. Echo to the gateway ends here.
//!
//! The gateway's own addresses are the inspector's: a client that used them could ride on its flows.

use abi::Reason;
use abi::tables::{class, view};

use crate::decision::{Stage, drop, go_on, local};
use crate::packet::{Packet, note};
use crate::tables;

/// Checks the source, then takes echo requests for the gateway's own addresses aside.
#[inline(always)]
pub fn spoofing(packet: &Packet) -> Stage {
    if !packet.is_egress() {
        // By the hairpin only what is ours, and shown to the Internet.
        let ours = packet.source_about.flags & (class::OURS | class::PUBLIC);
        let expected = if packet.is(note::HAIRPIN) { class::OURS | class::PUBLIC } else { 0 };
        let honest = if expected == 0 { ours & class::OURS == 0 } else { ours == expected };
        return if honest { go_on() } else { drop(Reason::SpoofedSource) };
    }
    let source = tables::view(packet.half, packet.views, packet.source_class)?.flags;
    if packet.is(note::INSPECTOR) {
        return if source & view::GATEWAY == 0 { drop(Reason::SpoofedSource) } else { go_on() };
    }
    if !view::is_clients(source) {
        return drop(Reason::SpoofedSource);
    }
    let whole_echo_request = packet.is(note::ECHO_REQUEST) && !packet.is(note::FIRST_FRAGMENT);
    if whole_echo_request
        && tables::view(packet.half, packet.views, packet.destination_class)?.flags & view::GATEWAY != 0
    {
        return local(Reason::GatewayAddress);
    }
    go_on()
}
