//! The one exit: every packet is counted once, and told of if it was dropped or began a flow.

use abi::budget;
use abi::control::CounterRow;
use abi::event::{Event, NEW_FLOW};
use abi::{Reason, Verdict};

use crate::limits;
use crate::maps::{COUNTERS, EVENT_LOSSES, EVENTS, JUDGEMENT, REPLAY, SET_HITS};
use crate::packet::{Packet, subprogram};

/// Counts the packet by its event's verdict and reason.
#[inline(always)]
pub fn account(packet: &mut Packet) {
    count(&packet.event);
    let telling = packet.event.verdict == Verdict::Drop as u8 || packet.event.flags & NEW_FLOW != 0;
    if REPLAY.load() != 0 {
        judgement(&packet.event);
    } else if telling {
        tell(packet);
    }
}

#[inline(always)]
fn count(event: &Event) {
    if let Some(row) = COUNTERS.get_ptr_mut(event.municipality as u32) {
        let slot = CounterRow::slot(event.direction, event.verdict, event.reason);
        // SAFETY: `slot` is below the row's length by its masks; the value is this CPU's own.
        let counter = unsafe { &mut *(&raw mut (*row).counters).cast::<abi::control::Counter>().add(slot) };
        counter.packets = counter.packets.wrapping_add(1);
        counter.bytes = counter.bytes.wrapping_add(event.length as u64);
    }
    if event.reason == Reason::Blocked as u16
        && let Some(hits) = SET_HITS.get_ptr_mut(event.set as u32)
    {
        // SAFETY: the value is this CPU's own.
        unsafe { *hits = (*hits).wrapping_add(1) };
    }
}

/// Sends the event if the municipality's budget and the ring have room; otherwise counts the loss. In a flood nearly every
/// event is over the budget, so that is looked at once a tick of the clock.
#[inline(always)]
fn tell(packet: &mut Packet) {
    let Some(losses) = EVENT_LOSSES.get_ptr_mut(packet.event.municipality as u32) else { return };
    // SAFETY: the value is this CPU's own.
    let losses = unsafe { &mut *losses };
    if losses.refused_at_ns == packet.event.time_ns {
        losses.over_budget = losses.over_budget.wrapping_add(1);
        return;
    }
    if may_tell(packet) == 0 {
        losses.refused_at_ns = packet.event.time_ns;
        losses.over_budget = losses.over_budget.wrapping_add(1);
        return;
    }
    if send(&mut packet.event) != 0 {
        losses.ring_full = losses.ring_full.wrapping_add(1);
    }
}

#[inline(always)]
fn may_tell(packet: &Packet) -> u32 {
    let cost = limits::event_cost(packet.half, packet.event.municipality);
    limits::spend_budget(packet.event.municipality as u32, budget::EVENTS as u32, cost, packet.event.time_ns)
}

/// 0: it is in the ring.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn send(event: *mut Event) -> u32 {
    subprogram(event, 1, |event| EVENTS.output(&*event, 0).is_err() as u32)
}

#[inline(always)]
fn judgement(event: &Event) {
    if let Some(entry) = JUDGEMENT.get_ptr_mut(0) {
        // SAFETY: the replay runs one packet at a time.
        unsafe { entry.write(*event) };
    }
}
