//! What is measured: a file for each group of scenarios, run in this order.

mod addresses;
mod apply_under_flood;
pub mod compile;
pub mod dropping;
mod flood;
mod floor;
mod flows;
pub mod forwarding;
pub mod inspected;
pub mod neighbour;
mod policy_size;
mod spliced;

use anyhow::Result;

use crate::report::Report;

/// What every group is given.
pub struct Bench<'r> {
    /// Rounds that are counted.
    pub rounds: usize,
    /// Where figures go.
    pub report: &'r mut Report,
}

/// A group of scenarios.
type Group = fn(&mut Bench<'_>) -> Result<()>;

/// By name.
const GROUPS: [(&str, Group); 21] = [
    ("floor", floor::run),
    ("addresses", addresses::run),
    ("rules", policy_size::rules),
    ("municipalities", policy_size::municipalities),
    ("flows", flows::run),
    ("flood", flood::run),
    ("neighbour", neighbour::run),
    ("dropping", dropping::run),
    ("forwarding-first", forwarding::first),
    ("forwarding-established", forwarding::established),
    ("forwarding-translated", forwarding::translated),
    ("forwarding-captures", forwarding::captures),
    ("compile", compile::run),
    ("apply-under-flood", apply_under_flood::run),
    ("inspected-new", inspected::connections),
    ("inspected-bodies", inspected::bodies),
    ("inspected-requests", inspected::requests),
    ("inspected-waiting", inspected::waiting),
    ("inspected-latency", inspected::latency),
    ("spliced-bodies", spliced::bodies),
    ("spliced-new", spliced::connections),
];

/// Those whose name contains `wanted`; all without it. One that fails does not keep the others from running.
pub fn run(rounds: usize, wanted: Option<&str>, report: &mut Report) -> Result<()> {
    let mut outcome = Ok(());
    for (name, group) in GROUPS.iter().filter(|(name, _)| wanted.is_none_or(|part| name.contains(part))) {
        eprintln!("── {name}");
        let begun = std::time::Instant::now();
        if let Err(error) = group(&mut Bench { rounds, report }) {
            eprintln!("── {name} failed: {error:#}");
            outcome = Err(error.context(format!("the scenarios `{name}`")));
        }
        eprintln!("── {name}: {:.0} s", begun.elapsed().as_secs_f64());
    }
    outcome
}
