//! Stage: the prefecture's block sets, for both ends of every packet in both directions.

use abi::Reason;

use crate::decision::{Stage, drop, go_on};
use crate::packet::Packet;
use crate::tables;

/// Drops what comes from or goes to a member of a block set; the source's set is named first.
#[inline(always)]
pub fn block(packet: &mut Packet) -> Stage {
    let source = tables::class(packet.half, packet.source_class)?.blocked;
    let set = if source != 0 { source } else { tables::class(packet.half, packet.destination_class)?.blocked };
    if set == 0 {
        return go_on();
    }
    packet.event.set = set;
    drop(Reason::Blocked)
}
