//! The one exit: every packet is counted once, and told of if it was dropped or began a flow.

use abi::control::CounterRow;
use abi::event::{Event, NEW_FLOW};
use abi::limits::EVENTS_PER_SECOND;
use abi::{Reason, Verdict};

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
        tell(&mut packet.event, packet.now_s);
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

/// Sends the event if this second's budget and the ring have room; otherwise counts the loss. In a flood nearly every
/// event is over the budget, so only sending is a call.
#[inline(always)]
fn tell(event: &mut Event, now_s: u32) {
    let Some(losses) = EVENT_LOSSES.get_ptr_mut(event.municipality as u32) else { return };
    // SAFETY: the value is this CPU's own.
    let losses = unsafe { &mut *losses };
    if losses.second != now_s {
        losses.second = now_s;
        losses.sent_in_second = 0;
    }
    if losses.sent_in_second >= EVENTS_PER_SECOND {
        losses.over_budget = losses.over_budget.wrapping_add(1);
        return;
    }
    losses.sent_in_second += 1;
    if send(event) != 0 {
        losses.ring_full = losses.ring_full.wrapping_add(1);
    }
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
