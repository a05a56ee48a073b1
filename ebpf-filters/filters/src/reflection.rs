//! Stage: floods by reflection. From the Internet, a datagram from the port of an amplifier that belongs to no flow was asked
//! for by nobody. Servers of one kind that talk to each other have the same port at both ends: of those the rules decide.

use abi::Reason;
use abi::reflection::is_amplifier;
use abi::tables::municipality;

use crate::decision::{Stage, drop, go_on};
use crate::packet::{Packet, protocol};

/// Drops it before the rules are asked: that must stay cheap.
#[inline(always)]
pub const fn reflection(packet: &Packet) -> Stage {
    let (from, to) = (packet.event.source_port, packet.event.destination_port);
    if packet.municipality_flags & municipality::NO_REFLECTION != 0
        && !packet.is_egress()
        && packet.event.protocol == protocol::UDP
        && from != to
        && is_amplifier(from)
    {
        return drop(Reason::Reflection);
    }
    go_on()
}
