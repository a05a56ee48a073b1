//! Later fragments have no ports: they follow the flow that their datagram's first fragment was passed by.

use abi::Reason;
use abi::flow::{FRAGMENT_TIMEOUT_S, Flow, FragmentKey, FragmentOwner};

use crate::decision::{Stage, drop};
use crate::flows;
use crate::maps::FRAGMENTS;
use crate::packet::Packet;

/// The flow of a later fragment.
#[inline(always)]
pub fn owner(packet: &Packet) -> Stage<u32> {
    // SAFETY: the value is read before anything else is done with the map; a torn one fails the comparison below.
    let Some(owner) = (unsafe { FRAGMENTS.get(key(packet)) }) else {
        return drop(Reason::FragmentUnmatched);
    };
    let in_time = packet.now_s.saturating_sub(owner.seen_s) <= FRAGMENT_TIMEOUT_S;
    let Some(flow) = flows::alive_at(owner.flow, packet.now_s) else {
        return drop(Reason::FragmentUnmatched);
    };
    let same_flow = flow.inside_port == owner.inside_port
        && flow.outside_port == owner.outside_port
        && flow.created_s == owner.created_s
        && flow.municipality == packet.event.municipality;
    if in_time && same_flow { Stage::Continue(owner.flow) } else { drop(Reason::FragmentUnmatched) }
}

/// Keeps which flow a first fragment belongs to.
#[inline(always)]
pub fn remember(packet: &Packet, flow: &Flow, index: u32) {
    let owner = FragmentOwner {
        flow: index,
        seen_s: packet.now_s,
        inside_port: flow.inside_port,
        outside_port: flow.outside_port,
        created_s: flow.created_s,
    };
    // An LRU map makes room by itself; should it not, the later fragments are dropped as unmatched.
    let _ = FRAGMENTS.insert(key(packet), owner, 0);
}

#[inline(always)]
fn key(packet: &Packet) -> FragmentKey {
    FragmentKey {
        source: packet.event.source,
        destination: packet.event.destination,
        identification: packet.identification,
        municipality: packet.event.municipality,
        protocol: packet.fragment_protocol,
        direction: packet.event.direction,
    }
}
