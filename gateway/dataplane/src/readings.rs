//! Everything that the kernel counts, read at one moment. The maps are pinned, so counts outlive the daemon.

use abi::control::{COUNTER_SLOTS, Counter};
use abi::flow::{Flow, slot, timeout_s};
use abi::{Direction, Reason, Verdict};

use crate::error::Error;
use crate::load::RunTimeMaps;
use crate::mmap::Mapping;

/// What was counted, summed over CPUs.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Every exit that was taken.
    pub exits: Vec<Exit>,
    /// Set number and the packets that it blocked, where there are any.
    pub set_hits: Vec<(u16, u64)>,
    /// Municipality number and the events that were not sent, where there are any.
    pub event_losses: Vec<EventLoss>,
    /// Frames that nothing had judged.
    pub guard_drops: u64,
}

/// One exit of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Municipality number; 0: none.
    pub municipality: u16,
    /// Which way.
    pub direction: Direction,
    /// What happened.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// How often.
    pub counter: Counter,
}

/// Events of a municipality that were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLoss {
    /// Municipality number; 0: none.
    pub municipality: u16,
    /// For want of room.
    pub ring_full: u64,
    /// For want of budget.
    pub over_budget: u64,
}

/// Reads all counters of municipalities up to this number and of sets up to that.
pub fn read(maps: &RunTimeMaps, municipalities: u16, sets: u16) -> Result<Readings, Error> {
    let mut readings = Readings::default();
    for municipality in 0..=u32::from(municipalities) {
        let rows = maps.counters.get(&municipality, 0).map_err(|error| Error::map("COUNTERS", error))?;
        let mut sums = [Counter::default(); COUNTER_SLOTS];
        for row in rows.iter() {
            for (sum, counter) in sums.iter_mut().zip(&row.0.counters) {
                sum.packets += counter.packets;
                sum.bytes += counter.bytes;
            }
        }
        let taken = sums.iter().enumerate().filter(|(_, counter)| counter.packets != 0);
        readings.exits.extend(taken.filter_map(|(slot, counter)| exit(municipality as u16, slot, *counter)));

        let losses = maps.event_losses.get(&municipality, 0).map_err(|error| Error::map("EVENT_LOSSES", error))?;
        let ring_full = losses.iter().map(|loss| loss.0.ring_full).sum();
        let over_budget = losses.iter().map(|loss| loss.0.over_budget).sum();
        if ring_full != 0 || over_budget != 0 {
            readings.event_losses.push(EventLoss { municipality: municipality as u16, ring_full, over_budget });
        }
    }
    for set in 1..=u32::from(sets) {
        let hits = maps.set_hits.get(&set, 0).map_err(|error| Error::map("SET_HITS", error))?;
        let hits = hits.iter().sum();
        if hits != 0 {
            readings.set_hits.push((set as u16, hits));
        }
    }
    let drops = maps.guard_drops.get(&0, 0).map_err(|error| Error::map("GUARD_DROPS", error))?;
    readings.guard_drops = drops.iter().sum();
    Ok(readings)
}

/// The inverse of [`abi::control::CounterRow::slot`].
fn exit(municipality: u16, slot: usize, counter: Counter) -> Option<Exit> {
    Some(Exit {
        municipality,
        direction: if slot >> 8 == 0 { Direction::Egress } else { Direction::Ingress },
        verdict: Verdict::from_number((slot >> 6) as u8 & 3)?,
        reason: Reason::from_number(slot as u16 & 63)?,
        counter,
    })
}

/// Live flows by municipality number: a walk through the whole table, a few milliseconds for each 100,000 slots.
pub fn count_flows(flows: &Mapping, now_s: u32) -> Vec<u64> {
    let mut counts = vec![0; abi::limits::MUNICIPALITIES as usize];
    for index in 0..flows.len() / size_of::<Flow>() {
        let at = index * size_of::<Flow>();
        if flows.get::<u32>(at) != slot::FLOW {
            continue;
        }
        let flow: Flow = flows.get(at);
        let expired = now_s.saturating_sub(flow.last_seen_s) > timeout_s(flow.protocol, flow.state);
        if !expired && let Some(count) = counts.get_mut(usize::from(flow.municipality)) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use abi::control::CounterRow;

    use super::*;

    #[test]
    fn every_slot_is_read_back_as_what_it_counts() {
        for direction in Direction::ALL {
            for verdict in Verdict::ALL {
                for reason in Reason::ALL {
                    let slot = CounterRow::slot(direction as u8, verdict as u8, *reason as u16);
                    let exit = exit(7, slot, Counter::default()).map(|e| (e.direction, e.verdict, e.reason));
                    assert_eq!(exit, Some((direction, verdict, *reason)));
                }
            }
        }
    }
}
