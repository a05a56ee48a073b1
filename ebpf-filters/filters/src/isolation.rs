//! Stage: a municipality, section or terminal that is cut off reaches essential services and nothing else.

use abi::tables::{class, municipality, view};
use abi::{Address, Reason};

use crate::decision::{Stage, drop, go_on};
use crate::packet::Packet;
use crate::tables;

/// Checks the packet's own addresses.
#[inline(always)]
pub fn isolation(packet: &Packet) -> Stage {
    if packet.municipality_flags & (municipality::ISOLATED | municipality::ISOLATED_PARTS) == 0 {
        return go_on();
    }
    let inside = if packet.is_egress() { packet.source_class } else { packet.destination_class };
    let whole = packet.municipality_flags & municipality::ISOLATED != 0;
    if whole || view::is_isolated(tables::view(packet.half, packet.views, inside)?.flags) {
        unless_essential(packet)?;
    }
    go_on()
}

/// Checks the inside address that address translation found behind a public one.
#[inline(always)]
pub fn translated(packet: &Packet, inside: &Address) -> Stage {
    if packet.municipality_flags & municipality::ISOLATED_PARTS == 0 || packet.is_egress() {
        return go_on();
    }
    let class = tables::class_of(packet.half, inside);
    if view::is_isolated(tables::view(packet.half, packet.views, class)?.flags) {
        unless_essential(packet)?;
    }
    go_on()
}

#[inline(always)]
const fn unless_essential(packet: &Packet) -> Stage {
    if packet.outside_about().flags & class::ESSENTIAL == 0 { drop(Reason::Isolated) } else { go_on() }
}
