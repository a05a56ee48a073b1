//! How much of their budgets municipalities use, and who is told when that is nearly all.
//!
//! Budgets are enforced in the kernel and need nobody here, but for flows that have expired: somebody must look.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use abi::budget::{BUCKETS, EVENTS, NEW_FLOWS, PACKETS, SMTP, of_refusal_slot};
use abi::{Limit, budget};
use control::line::{BudgetLine, Line};
use control::status::LimitStatus;
use dataplane::gateway::BudgetReading;
use policy::checked::{Budget, Budgets};
use telemetry::journal::Entry;
use telemetry::metrics::LimitReading;

use crate::daemon::{Current, Daemon};
use crate::log;

/// Between two readings.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Between two sweeps of the flow table; well below [`budget::SWEEP_OVERDUE_S`].
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// From this part of a budget on it is nearly used up.
const NEAR: f64 = 0.8;
/// Below this for [`CALM`] it no longer is.
const RELIEVED: f64 = 0.6;
const CALM: Duration = Duration::from_secs(10);

/// What was found at the last reading.
#[derive(Debug, Default)]
pub struct Usage {
    last: Option<(Instant, BTreeMap<u16, [u64; BUCKETS]>)>,
    /// By municipality number and budget: how much of it is used, 1 being all.
    ratios: BTreeMap<(u16, Budget), f64>,
    /// Budgets that are nearly used up, and when they last were.
    near: BTreeMap<(u16, Budget), Instant>,
}

/// A budget that is nearly used up, or no longer.
#[derive(Debug, PartialEq)]
struct Crossing {
    municipality: u16,
    budget: Budget,
    ratio: f64,
    near: bool,
}

impl Usage {
    fn update(&mut self, now: Instant, readings: &[BudgetReading], limits: &BTreeMap<u16, &Budgets>) -> Vec<Crossing> {
        let mut ratios = BTreeMap::new();
        if let Some((then, before)) = &self.last {
            let elapsed_ns = now.duration_since(*then).as_nanos().max(1) as f64;
            for reading in readings {
                let Some(budgets) = limits.get(&reading.municipality) else { continue };
                for (budget, most) in &budgets.0 {
                    let used = match (budget.limit, bucket(*budget), before.get(&reading.municipality)) {
                        (Limit::Flows, ..) => reading.flows as f64 / (*most).max(1) as f64,
                        (_, Some(bucket), Some(before)) => {
                            reading.drawn_ns[bucket].saturating_sub(before[bucket]) as f64 / elapsed_ns
                        }
                        _ => continue,
                    };
                    ratios.insert((reading.municipality, *budget), used);
                }
            }
        }
        self.last = Some((now, readings.iter().map(|reading| (reading.municipality, reading.drawn_ns)).collect()));
        self.ratios = ratios;
        self.crossings(now)
    }

    fn crossings(&mut self, now: Instant) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for (&(municipality, budget), &ratio) in &self.ratios {
            if ratio >= NEAR && self.near.insert((municipality, budget), now).is_none() {
                crossings.push(Crossing { municipality, budget, ratio, near: true });
            } else if ratio >= RELIEVED {
                self.near.entry((municipality, budget)).and_modify(|last| *last = now);
            }
        }
        self.near.retain(|&(municipality, budget), last| {
            let is_calm = now.duration_since(*last) >= CALM;
            if is_calm {
                let ratio = self.ratios.get(&(municipality, budget)).copied().unwrap_or(0.0);
                crossings.push(Crossing { municipality, budget, ratio, near: false });
            }
            !is_calm
        });
        crossings
    }
}

/// The bucket that a budget is taken out of; none: it is no rate of the municipality's own.
fn bucket(budget: Budget) -> Option<usize> {
    let way = budget.direction.map_or(0, |direction| direction as usize);
    match budget.limit {
        Limit::NewFlows => Some(NEW_FLOWS | way),
        Limit::Packets => Some(PACKETS | way),
        Limit::Bits => Some(budget::BYTES | way),
        Limit::Smtp => Some(SMTP),
        Limit::Events => Some(EVENTS),
        _ => None,
    }
}

/// Budgets of the policy in force by municipality number.
fn limits(current: &Current) -> BTreeMap<u16, &Budgets> {
    let numbers = &current.glossary.numbering.municipalities;
    let limited = current.policy().municipalities.iter().filter(|municipality| !municipality.limits.0.is_empty());
    limited.filter_map(|municipality| Some((*numbers.get(&municipality.id)?, &municipality.limits))).collect()
}

/// Reads what was used since the last time, and tells of crossings.
pub fn measure(daemon: &Daemon) {
    let Some(current) = daemon.current() else { return };
    let limits = limits(&current);
    let Ok(readings) = daemon.gateway().read_budgets(limits.keys().copied()) else { return };
    let mut usage = daemon.usage.lock().unwrap_or_else(PoisonError::into_inner);
    for crossing in usage.update(Instant::now(), &readings, &limits) {
        let Some(id) = current.glossary.municipality_name(crossing.municipality) else { continue };
        let most = limits.get(&crossing.municipality).and_then(|budgets| budgets.0.get(&crossing.budget));
        tell(daemon, current.generation, id, &crossing, most.copied());
    }
}

/// Ends expired flows, where anybody's number of flows is limited.
pub fn sweep(daemon: &Daemon) {
    let limits_flows = |current: &Current| {
        let mut municipalities = current.policy().municipalities.iter();
        municipalities.any(|municipality| municipality.limits.0.contains_key(&Budget::whole(Limit::Flows)))
    };
    if daemon.current().is_some_and(|current| limits_flows(&current))
        && let Err(error) = daemon.gateway().sweep_flows()
    {
        log(&format!("expired flows cannot be ended: {error}"));
    }
}

fn tell(daemon: &Daemon, generation: u64, id: &str, crossing: &Crossing, most: Option<u64>) {
    let state = if crossing.near { "near" } else { "relieved" };
    let line = Line {
        time: Some(telemetry::time::now()),
        verdict: "warning".into(),
        reason: "budget".into(),
        limit: Some(crossing.budget.limit.name().into()),
        municipality: Some(id.to_owned()),
        generation: generation as u32,
        direction: way(crossing.budget),
        budget: Some(BudgetLine { state: state.into(), used_ratio: rounded(crossing.ratio), most }),
        ..Line::default()
    };
    match serde_json::to_string(&line) {
        Ok(text) => daemon.journal.record(Entry { municipality: Some(id.to_owned()), text }),
        Err(error) => log(&format!("an event cannot be written: {error}")),
    }
}

/// A limit without direction is for both.
fn way(budget: Budget) -> String {
    budget.direction.map_or("both", |direction| direction.name()).into()
}

fn rounded(ratio: f64) -> f64 {
    (ratio * 1_000.0).round() / 1_000.0
}

/// Of one municipality, for `status`: what it may use, and what of that it does.
pub fn status(daemon: &Daemon, number: u16, budgets: &Budgets, readings: &[BudgetReading]) -> Vec<LimitStatus> {
    let usage = daemon.usage.lock().unwrap_or_else(PoisonError::into_inner);
    let reading = readings.iter().find(|reading| reading.municipality == number);
    let refused = |budget: Budget| {
        let slots = reading.into_iter().flat_map(|reading| reading.refused.iter().enumerate());
        let counts = slots.filter(|(slot, _)| {
            of_refusal_slot(*slot).is_some_and(|(limit, direction)| {
                limit == budget.limit && budget.direction.is_none_or(|said| said == direction)
            })
        });
        counts.map(|(_, count)| count).sum()
    };
    let one = |(budget, most): (&Budget, &u64)| LimitStatus {
        limit: budget.limit.name().into(),
        direction: way(*budget),
        most: *most,
        used_ratio: usage.ratios.get(&(number, *budget)).copied().map(rounded),
        limited_packets: refused(*budget),
    };
    budgets.0.iter().map(one).collect()
}

/// Of all municipalities, for metrics.
pub fn metrics(daemon: &Daemon, readings: &[BudgetReading]) -> LimitReading {
    let words = daemon.words();
    let name = |number: u16| words.latest().municipality_name(number).map(str::to_owned);
    let usage = daemon.usage.lock().unwrap_or_else(PoisonError::into_inner);
    let mut metrics = LimitReading::default();
    for reading in readings {
        let Some(id) = name(reading.municipality) else { continue };
        for (slot, count) in reading.refused.iter().enumerate().filter(|(_, count)| **count != 0) {
            if let Some((limit, direction)) = of_refusal_slot(slot) {
                metrics.limited.push((id.clone(), limit, direction, *count));
            }
        }
    }
    for ((number, budget), ratio) in &usage.ratios {
        if let Some(id) = name(*number) {
            metrics.used.push((id, budget.limit, way(*budget), *ratio));
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use abi::Direction;

    use super::*;

    const OUT: Budget = Budget::way(Limit::Packets, Direction::Egress);

    fn reading(drawn_ms: u64, flows: u64) -> BudgetReading {
        let mut drawn_ns = [0; BUCKETS];
        drawn_ns[PACKETS] = drawn_ms * 1_000_000;
        BudgetReading { municipality: 7, drawn_ns, refused: [0; budget::REFUSAL_SLOTS], flows }
    }

    #[test]
    fn near_the_end_is_told_once_and_relief_after_a_while() {
        let budgets = Budgets([(OUT, 1_000), (Budget::whole(Limit::Flows), 10)].into());
        let limits = BTreeMap::from([(7, &budgets)]);
        let start = Instant::now();
        let mut usage = Usage::default();
        let mut drawn = 0;
        let mut told = Vec::new();
        // Most of a second, then a rest at seven tenths, then hardly anything.
        for (second, used) in [0, 900, 850, 700, 900].into_iter().chain([100; 14]).enumerate() {
            drawn += used;
            let now = start + Duration::from_secs(second as u64);
            let crossings = usage.update(now, &[reading(drawn, 3)], &limits);
            told.extend(crossings.into_iter().map(|it| (second, it.near, it.budget, rounded(it.ratio))));
        }
        assert_eq!(told, [(1, true, OUT, 0.9), (14, false, OUT, 0.1)]);
        assert_eq!(usage.ratios[&(7, Budget::whole(Limit::Flows))], 0.3);
    }
}
