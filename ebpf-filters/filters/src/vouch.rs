//! A flow is vouched for when every stage before its own passes its packets, in both directions, under one generation.
//! What those stages say depends on nothing but the generation, the municipality and the addresses, which a flow has for
//! good: a packet of a flow that is vouched for needs none of their tables.
//!
//! The generation is kept as a whole: a CPU that still judges by an older policy stores another true statement, never
//! half of one. Whatever is not vouched for goes through the stages, in their order.

use abi::Address;
use abi::flow::{Flow, VOUCHED_METERED, flags};
use abi::tables::{class, municipality, view};

use crate::decision::Stage;
use crate::flow::{find, is_senders};
use crate::flows;
use crate::packet::{Packet, note, subprogram};
use crate::tables;

/// Whether the packet can belong to a flow that is vouched for. What comes from a blocked address cannot, and must stay
/// cheap: that is what a flood is. Towards the Internet the flow is looked for first: who is vouched for there needs no
/// class at all.
#[inline(always)]
pub const fn is_candidate(packet: &Packet) -> bool {
    let blocked = !packet.is_egress() && packet.source_about.blocked != 0;
    !blocked && !packet.is(note::ICMP_ERROR | note::LATER_FRAGMENT)
}

/// Looks for the packet's flow: whether it is vouched for. By the hairpin comes nobody of the Internet, with whom alone flows
/// are.
#[inline(always)]
pub fn look(packet: &mut Packet) -> bool {
    packet.flow = find(packet);
    if let Some(flow) = flows::at(packet.flow)
        && flow.vouched & !VOUCHED_METERED == packet.event.generation
        && flow.generation == packet.event.generation
        && is_senders(packet, flow)
        && !packet.is(note::HAIRPIN)
    {
        packet.notes |= note::VOUCHED;
        if flow.vouched & VOUCHED_METERED != 0 {
            packet.notes |= note::METERED;
        }
        return true;
    }
    false
}

/// Vouches for a flow whose packet has passed every stage, if the way back would pass them as well.
#[inline(always)]
pub fn vouch(packet: &Packet, flow: &mut Flow) {
    if flow.vouched & !VOUCHED_METERED != packet.event.generation && passes_both_ways(flow, packet.half) != 0 {
        let metered = if packet.is(note::METERED) { VOUCHED_METERED } else { 0 };
        flow.vouched = packet.event.generation | metered;
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn passes_both_ways(flow: *mut Flow, half: u32) -> u32 {
    subprogram(flow, 0, |flow| matches!(passes(flow, half), Stage::Continue(true)) as u32)
}

#[inline(always)]
fn passes(flow: &Flow, half: u32) -> Stage<bool> {
    let owner = tables::municipality(half, flow.municipality)?;
    let (inside, outside) = (tables::class_of(half, &flow.inside), tables::class_of(half, &flow.outside));
    // From the uplink a translated flow is seen by its public address.
    let public = match flow.public_address {
        0 => inside,
        word => tables::class_of(half, &Address::from_v4_word(word)),
    };
    // Flags are the same in both directions' views.
    let seen_inside = tables::view(half, owner.views[0], inside)?.flags;
    let seen_public = tables::view(half, owner.views[0], public)?.flags;
    let seen_outside = tables::view(half, owner.views[0], outside)?.flags;
    let outside = tables::class(half, outside)?;
    let blocked = tables::class(half, inside)?.blocked | tables::class(half, public)?.blocked | outside.blocked;
    let isolated =
        owner.flags & municipality::ISOLATED != 0 || view::is_isolated(seen_inside) || view::is_isolated(seen_public);
    let may_send = if flow.flags & flags::INSPECTOR != 0 {
        seen_inside & view::GATEWAY != 0
    } else {
        view::is_clients(seen_inside)
    };
    Stage::Continue(
        owner.flags & municipality::PRESENT != 0
            && may_send
            && seen_outside & view::GATEWAY == 0
            && outside.flags & class::OURS == 0
            && blocked == 0
            && (!isolated || outside.flags & class::ESSENTIAL != 0),
    )
}
