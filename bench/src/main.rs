//! Packets per second, beside peers, in one run.
//!
//! Every figure is a median over rounds in which the contenders take turns; see [`measure`]. No test asserts a time.

mod bpf;
mod contender;
mod feeder;
mod flows;
mod frame;
mod instructions;
mod judging;
mod measure;
mod policies;
mod replay;
mod report;
mod stretch;
mod through;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

/// Measures the gateway beside the floor and beside peers.
#[derive(Parser)]
struct Arguments {
    /// Scenarios whose name contains this; all without it.
    scenario: Option<String>,
    /// Rounds that are counted.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where the figures go, one JSON object a line.
    #[arg(long, default_value = "bench/results.json")]
    json: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |name: &str| arguments.scenario.as_ref().is_none_or(|part| name.contains(part));
    let mut lines = Vec::new();
    report::print_head();
    let mut report = |line| {
        report::print(&line);
        lines.push(line);
    };
    let rounds = arguments.rounds.max(1);
    let outcome = judging::run(rounds, &wanted, &mut report).and_then(|()| through::run(rounds, &wanted, &mut report));
    // What was measured before something failed is worth keeping.
    report::write(&arguments.json, &lines)?;
    outcome
}
