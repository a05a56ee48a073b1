//! Stage: the prefecture's block sets, for both ends of every packet in both directions.

use abi::Reason;

use crate::decision::{Stage, drop, go_on};
use crate::packet::Packet;

/// Drops what comes from or goes to a member of a block set; the source's set is named first.
#[inline(always)]
pub const fn block(packet: &mut Packet) -> Stage {
    let source = packet.source_about.blocked;
    let set = if source != 0 { source } else { packet.destination_about.blocked };
    if set == 0 {
        return go_on();
    }
    packet.event.set = set;
    drop(Reason::Blocked)
}
