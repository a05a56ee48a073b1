//! What packets and connections cost, beside peers, in one run.
//!
//! Every figure is a median over rounds in which the contenders take turns; see [`measure`]. No test asserts a time.

mod bpf;
mod contender;
mod cpus;
mod feeder;
mod flows;
mod frame;
mod gaps;
mod goals;
mod imix;
mod instructions;
mod judge;
mod list;
mod lookup;
mod measure;
mod nftables;
mod passage;
mod plot;
mod policies;
mod prefixes;
mod programs;
mod race;
mod readme;
mod replay;
mod report;
mod rules;
mod scenarios;
mod sender;
mod stretch;
mod xdp_filter;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;

use crate::report::Report;

/// Measures the gateway beside the floor and beside peers.
#[derive(Parser)]
struct Arguments {
    /// Groups of scenarios whose name contains this; all without it.
    group: Option<String>,
    /// Rounds that are counted.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where the figures go, one JSON object a line; a run of all scenarios writes `bench/results.json` without it.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures nothing: draws the picture and writes the README's table again from figures of an earlier run.
    #[arg(long, conflicts_with = "group")]
    from: Option<PathBuf>,
}

const RESULTS: &str = "bench/results.json";
const PICTURE: &str = "bench/cost.svg";
const README: &str = "README.md";

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.group.as_deref() == Some(scenarios::compile::ROUND) {
        return scenarios::compile::round();
    }
    if let Some(path) = arguments.from {
        return publish(&Report::read(&path)?);
    }
    let mut report = Report::begin();
    let outcome = scenarios::run(arguments.rounds.max(1), arguments.group.as_deref(), &mut report);
    goals::print(&report);
    // What was measured before something failed is worth keeping.
    if let Some(path) = &arguments.json {
        report.write(path)?;
    } else if arguments.group.is_none() {
        report.write(Path::new(RESULTS))?;
        publish(&report)?;
    }
    outcome
}

/// The picture, and the table in the README.
fn publish(report: &Report) -> Result<()> {
    plot::draw(report, Path::new(PICTURE))?;
    readme::write(report, Path::new(README))
}
