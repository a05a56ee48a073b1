//! The largest policy is applied while frames come at the full rate: how many get lost, and the largest gap between two at
//! the far end, beside the same flood without an apply. What the machine itself does, a hypervisor's pauses among it, is in
//! both; only what is beyond the latter is ours.
//!
//! An apply is all that a daemon does of it: check, compile, install. It has a CPU of its own, and so has the flood with
//! everything on its way. The sender is a thread: another one that the scheduler lets run in its place for a few
//! milliseconds would be a gap, though it cannot hold a NIC's interrupts back. While an apply keeps the other CPU busy,
//! whatever else runs on the machine would come to the sender's, so the sender has real-time priority. The next frames
//! are sent when those before have arrived, so
//! that no queue of the cables can overflow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use dataplane::Gateway;
use lab::process;
use nix::unistd::gettid;
use policy::{Numbering, Source};
use rand::Rng;

use super::Bench;
use super::compile::LARGEST;
use crate::contender::Contender;
use crate::frame::{Flow, Frame};
use crate::gaps::{Arrived, Gaps, LONGER_THAN_NS};
use crate::judge::Side;
use crate::measure::Figure;
use crate::policies;
use crate::prefixes::random;
use crate::report::{FRAMES, MPPS, MS, Scenario};
use crate::sender::Sender;
use crate::stretch::Far;
use crate::{cpus, flows};

/// Established flows; an apply has each of them judged again.
const LIVE: usize = 10_000;
/// Frames of the list that is sent again and again.
const LIST: usize = 1 << 17;
/// Passes of the list without a break.
const PASSES: u32 = 8;
/// Every so-manieth line of a feed differs between the policies that take turns.
const ONE_IN: usize = 100;

/// What one turn came to.
#[derive(Clone, Copy, Debug)]
struct Turn {
    sent: u64,
    arrived: Arrived,
    seconds: f64,
    /// How often the list was sent [`PASSES`] times.
    bursts: usize,
}

impl Turn {
    fn lost(&self) -> f64 {
        self.sent as f64 - self.arrived.frames as f64
    }

    fn mpps(&self) -> f64 {
        self.arrived.frames as f64 / self.seconds / 1e6
    }

    fn largest_ms(&self) -> f64 {
        self.arrived.largest_ns as f64 / 1e6
    }
}

/// All rounds.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let named = |what: &str, unit| Scenario::new(format!("apply-under-flood/{what}"), unit, bench.rounds);
    let Some(cpus) = cpus::two()? else {
        bench.report.add(named("lost", FRAMES).note("left out: needs two CPUs"));
        return Ok(());
    };
    let far = Far::new()?;
    let mut ours = match Contender::ours(&far, LARGEST, abi::limits::FLOW_BUCKETS)? {
        Ok(ours) => ours,
        Err(why) => {
            bench.report.add(named("lost", FRAMES).note(why));
            return Ok(());
        }
    };
    let sender = begun(&ours)?;
    let gaps = Gaps::new()?;
    ours.stretch.watch(gaps.program())?;
    let mut gateway = ours.adopt(abi::limits::FLOW_BUCKETS)?;
    let mut changed = policies::source(LARGEST);
    policies::change_feeds(&mut changed, ONE_IN);
    let sources = [changed, policies::source(LARGEST)];

    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..=bench.rounds {
        let applying = during_an_apply(&ours, cpus, (&sender, &gaps), &mut gateway, &sources[round % 2])?;
        let bursts = applying.bursts;
        let alone = flood(&ours, cpus[0], (&sender, &gaps), |sent| sent < bursts)?;
        // The first round warms up.
        if round > 0 {
            with.push(applying);
            without.push(alone);
        }
    }
    let figure = |turns: &[Turn], of: fn(&Turn) -> f64| Figure::of(turns.iter().map(of).collect());
    let sum = |turns: &[Turn], of: fn(&Turn) -> f64| Figure::of(vec![turns.iter().map(of).sum()]);
    let sent: u64 = with.iter().map(|turn| turn.sent).sum();
    let note = format!("of {sent} sent during {} applies, all rounds together", with.len());
    bench.report.add(named("lost", FRAMES).ours(sum(&with, Turn::lost)).floor(sum(&without, Turn::lost)).note(note));
    let note = format!("gaps above {}; floor: without an apply", longer(&with, &without));
    let gap = named("largest-gap", MS).ours(figure(&with, Turn::largest_ms));
    bench.report.add(gap.floor(figure(&without, Turn::largest_ms)).note(note));
    let note = "floor: without an apply";
    let rate = named("rate", MPPS).ours(figure(&with, Turn::mpps)).floor(figure(&without, Turn::mpps));
    bench.report.add(rate.note(note));
    Ok(())
}

/// How many gaps were long, with an apply and without.
fn longer(with: &[Turn], without: &[Turn]) -> String {
    let count = |turns: &[Turn], at: usize| turns.iter().map(|turn| turn.arrived.longer[at]).sum::<u64>();
    let each = LONGER_THAN_NS
        .iter()
        .enumerate()
        .map(|(at, ns)| format!("{} ms: {} and {} without", *ns as f64 / 1e6, count(with, at), count(without, at)));
    each.collect::<Vec<_>>().join(", ")
}

/// Begins the flows; what sends their frames.
fn begun(ours: &Contender<'_>) -> Result<Sender> {
    let flows = flows::distinct(LARGEST, LIVE);
    // Senders take a power of two of frames; some flows begin twice, which changes nothing.
    let count = flows.len().next_power_of_two();
    let frames = |frame: fn(&Flow) -> Frame| flows.iter().cycle().take(count).map(frame).collect::<Vec<_>>();
    ours.send(Side::Access, &frames(Flow::first))?;
    ours.send(Side::Uplink, &frames(Flow::inwards))?;
    ours.send(Side::Access, &frames(Flow::outwards))?;
    let mut random = random(12);
    let frames: Vec<_> = (0..LIST).map(|_| flows[random.random_range(0..flows.len())].outwards()).collect();
    ours.sender(Side::Access, &frames)
}

/// Floods for as long as one apply takes.
fn during_an_apply(
    ours: &Contender<'_>,
    [flooding, applying]: [usize; 2],
    harness: (&Sender, &Gaps),
    gateway: &mut Gateway,
    source: &Source,
) -> Result<Turn> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let apply = scope.spawn(|| {
            let outcome = cpus::pin(applying).and_then(|()| apply(gateway, source));
            is_over.store(true, Ordering::Relaxed);
            outcome
        });
        let turn = flood(ours, flooding, harness, |_| !is_over.load(Ordering::Relaxed));
        apply.join().unwrap_or_else(|_| Err(anyhow!("an apply panicked")))?;
        turn
    })
}

fn apply(gateway: &mut Gateway, source: &Source) -> Result<()> {
    let policy = policies::checked(source).map_err(|why| anyhow!(why))?;
    let compiled = policy::compile(&policy, &Numbering::default())?;
    gateway.install(&compiled, gateway.generation() + 1)?;
    Ok(())
}

/// Sends bursts for as long as `goes_on` says so, given how many were sent.
fn flood(
    ours: &Contender<'_>,
    cpu: usize,
    (sender, gaps): (&Sender, &Gaps),
    goes_on: impl Fn(usize) -> bool + Sync,
) -> Result<Turn> {
    let turn = ours.stretch.far().enter(|| {
        cpus::pin(cpu)?;
        outrank()?;
        gaps.begin()?;
        let (mut bursts, mut seconds) = (0, 0.0);
        while goes_on(bursts) {
            // The kernel needs a while to prepare a run and to tidy up: that is no gap, and no time of the flood.
            gaps.pause()?;
            let begun = Instant::now();
            sender.run_again(PASSES)?;
            seconds += begun.elapsed().as_secs_f64();
            bursts += 1;
        }
        let sent = bursts as u64 * sender.frames() as u64 * u64::from(PASSES);
        Ok(Turn { sent, arrived: gaps.arrived()?, seconds, bursts })
    })?;
    ensure!(turn.arrived.frames > turn.sent / 2, "only {} of {} frames arrived", turn.arrived.frames, turn.sent);
    Ok(turn)
}

/// Lets no thread of ordinary priority run in the place of the calling one.
fn outrank() -> Result<()> {
    let thread = gettid().to_string();
    process::run(&mut process::command("chrt", ["--fifo", "--pid", "1", &thread])).map(drop)
}
