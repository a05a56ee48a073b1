//! What the harness costs when nobody judges: the least that every other figure contains. And how much of a program the
//! verifier has to walk through.

use std::os::fd::AsFd;

use anyhow::Result;

use super::Bench;
use crate::bpf;
use crate::contender::Contender;
use crate::feeder::Feeder;
use crate::flows;
use crate::frame::{Flow, Frame};
use crate::judge::{Judge, Side};
use crate::measure::{Figure, Turns};
use crate::policies::UNTAGGED;
use crate::programs::{Family, bare_drop, fetch_key, fib_redirect};
use crate::report::{INSTRUCTIONS, MPPS, NS, Scenario};
use crate::stretch::Far;

const FRAMES: usize = 1 << 17;

/// Dropping, and forwarding without a question.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let frames: Vec<Frame> = flows::distinct(UNTAGGED, FRAMES).iter().map(Flow::outwards).collect();
    let feeder = Feeder::new(&frames)?;
    let (drop, fetch) = (bare_drop()?, fetch_key(Family::V4)?);
    let far = Far::new()?;
    let dropping = Contender::program(&far, "bare drop", "floor", &drop)?;
    let routing = Contender::program(&far, "route and redirect", "fib", &fib_redirect()?)?;
    let to_drop = dropping.sender(Side::Access, &frames)?;
    let to_route = routing.sender(Side::Access, &frames)?;
    let mut turns = Turns::default();
    let fed = turns.add(|| feeder.run(drop.as_fd()));
    let fetched = turns.add(|| feeder.run(fetch.as_fd()));
    let dropped = turns.add(|| dropping.stopped(Side::Access, &to_drop));
    let routed = turns.add(|| routing.delivered(Side::Access, &to_route));
    let figures = turns.run(bench.rounds)?;
    let named = |what: &str, unit| Scenario::new(format!("floor/{what}"), unit, bench.rounds);
    if let Ok(judge) = Judge::new(UNTAGGED, 1_000)? {
        let count = Figure::of(vec![f64::from(bpf::verified_instructions(judge.program.as_fd())?)]);
        bench.report.add(named("verified-instructions", INSTRUCTIONS).ours(count));
    }
    bench.report.add(named("run-and-drop", NS).floor(figures[fed]));
    bench.report.add(named("fetch-key-and-drop", NS).floor(figures[fetched]));
    bench.report.add(named("live-drop", MPPS).floor(figures[dropped]));
    bench.report.add(named("live-route-and-redirect", MPPS).floor(figures[routed]));
    Ok(())
}
