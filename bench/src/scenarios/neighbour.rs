//! What one municipality's flood costs another: its established frames and its new flows on one CPU, while on the other CPU
//! a municipality that has no budget left floods the same gateway with new flows. Beside the same without a flood, and beside
//! the same flood into a program of its own that drops it: what two CPUs of a machine take from each other anyway is in the
//! latter as well.

use std::cell::RefCell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};
use rand::Rng;

use super::Bench;
use crate::contender::Contender;
use crate::cpus;
use crate::flows::Numbered;
use crate::frame::{Flow, Frame};
use crate::judge::Side;
use crate::measure::{Figure, Turns};
use crate::policies::{Size, TAGGED};
use crate::prefixes::random;
use crate::programs::bare_drop;
use crate::race::{Fate, Lane};
use crate::report::{MPPS, Scenario};
use crate::sender::Sender;
use crate::stretch::Far;

/// The one that has no budget is the second of two.
const TWO: Size = Size { vlans: 2, starved: Some(FLOODING), ..TAGGED };
const CALM: u32 = 0;
const FLOODING: u32 = 1;
/// Established flows of the other.
const LIVE: u32 = 10_000;
/// Frames of one round, and new flows of one round.
const FRAMES: usize = 1 << 17;
const NEW_FLOWS: usize = 1 << 13;
/// New flows of the flood, again and again.
const FLOOD: u32 = 1 << 17;

/// The names of peers; the aims look for them.
pub const ALONE: &str = "ours, without a flood";
const APART: &str = "ours, beside the same flood into a bare drop";

/// Both, one after the other.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    // A thread of its own, which is kept on one CPU and gone afterwards.
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            let Some(cpus) = cpus::two()? else {
                let scenario = Scenario::new("neighbour/established", MPPS, bench.rounds);
                bench.report.add(scenario.note("left out: needs two CPUs"));
                return Ok(());
            };
            cpus::pin(cpus[0])?;
            measure(bench, "neighbour/established", established, cpus[1])?;
            measure(bench, "neighbour/first", first, cpus[1])
        });
        measured.join().unwrap_or_else(|_| Err(anyhow!("the measuring thread panicked")))
    })
}

/// What the calm municipality sends, round by round.
type Load = for<'f> fn(Contender<'f>, &Numbered, usize) -> Result<Lane<'f>>;

/// Frames of flows that the gateway knows.
fn established<'f>(contender: Contender<'f>, flows: &Numbered, _rounds: usize) -> Result<Lane<'f>> {
    let flows: Vec<Flow> = (0..LIVE).map(|number| flows.of(CALM, number)).collect();
    // Senders take a power of two of frames; some flows begin twice, which changes nothing.
    let count = flows.len().next_power_of_two();
    let frames = |frame: fn(&Flow) -> Frame| flows.iter().cycle().take(count).map(frame).collect::<Vec<_>>();
    contender.send(Side::Access, &frames(Flow::first))?;
    contender.send(Side::Uplink, &frames(Flow::inwards))?;
    let mut random = random(13);
    let frames: Vec<_> = (0..FRAMES).map(|_| flows[random.random_range(0..flows.len())].outwards()).collect();
    Lane::new(contender, Side::Access, &[&*frames], Fate::Delivered)
}

/// First packets, of other flows in every round.
fn first<'f>(contender: Contender<'f>, flows: &Numbered, rounds: usize) -> Result<Lane<'f>> {
    // Three turns a round, and one round that warms up.
    let count = 3 * (rounds + 1) * NEW_FLOWS;
    let frames: Vec<_> = (0..count as u32).map(|number| flows.of(CALM, number).first()).collect();
    Lane::new(contender, Side::Access, &frames.chunks(NEW_FLOWS).collect::<Vec<_>>(), Fate::Delivered)
}

fn measure(bench: &mut Bench<'_>, name: &str, load: Load, flooding_cpu: usize) -> Result<()> {
    eprintln!("   {name}");
    let scenario = Scenario::new(name, MPPS, bench.rounds);
    let far = Far::new()?;
    let ours = match Contender::ours(&far, TWO, abi::limits::FLOW_BUCKETS)? {
        Ok(ours) => ours,
        Err(why) => {
            bench.report.add(scenario.note(why));
            return Ok(());
        }
    };
    let flows = Numbered::new(TWO);
    let flood: Vec<_> = (0..FLOOD).map(|number| flows.of(FLOODING, number).first()).collect();
    let into_ours = ours.sender(Side::Access, &flood)?;
    let bare = Contender::program(&far, "bare drop", "floor", &bare_drop()?)?;
    let into_bare = bare.sender(Side::Access, &flood)?;
    let lane = load(ours, &flows, bench.rounds)?;
    let rate = RefCell::new(Vec::new());
    let during = |flood: &Sender, rate: &RefCell<Vec<f64>>| {
        let (is_over, begins) = (AtomicBool::new(false), Barrier::new(2));
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| {
                far.enter(|| {
                    begins.wait();
                    cpus::pin(flooding_cpu)?;
                    let (began, mut sent) = (Instant::now(), 0);
                    while !is_over.load(Ordering::Relaxed) {
                        flood.run_again(1)?;
                        sent += flood.frames();
                    }
                    Ok(sent as f64 / began.elapsed().as_secs_f64() / 1e6)
                })
            });
            begins.wait();
            let figure = lane.run();
            is_over.store(true, Ordering::Relaxed);
            rate.borrow_mut().push(flooding.join().unwrap_or_else(|_| Err(anyhow!("the flood panicked")))?);
            figure
        })
    };
    let mut turns = Turns::default();
    let flooded = turns.add(|| during(&into_ours, &rate));
    let alone = turns.add(|| lane.run());
    let apart = turns.add(|| during(&into_bare, &RefCell::default()));
    let figures = turns.run(bench.rounds)?;
    let scenario = scenario.ours(figures[flooded]).peer(ALONE, figures[alone]).peer(APART, figures[apart]);
    let rate = Figure::of(rate.into_inner()).median;
    let note = format!("ours: while another municipality, without budget, floods by the other CPU at {rate:.2} Mpps");
    bench.report.add(scenario.note(note));
    Ok(())
}
