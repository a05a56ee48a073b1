//! Frames through whole gateways, counted at the far end: this one, nftables with the same policy, and the kernel
//! forwarding without any, each on a stretch of its own, in turns. Sending and receiving share one CPU, so a figure is
//! what one CPU carries, harness included; the floor is a port that only drops.

use anyhow::{Result, bail};

use crate::contender::{Contender, Floor, Nftables, Ours, Plain};
use crate::feeder::Sender;
use crate::flows::{any_blocked, distinct_flows, random};
use crate::frame::{Flow, Frame};
use crate::measure::{Figure, alternate};
use crate::policies::{Size, UNTAGGED};
use crate::replay;
use crate::report::{Line, MPPS};
use crate::stretch::Far;

/// Frames of one round.
const FRAMES: usize = 1 << 17;
/// New flows of one round. All rounds together stay below what the kernel's connection tracking holds by default.
const NEW_FLOWS: usize = 1 << 14;
/// Passes of the captured frames that make one round.
const REPLAYS: u64 = 16;
const NFTABLES: &str = "nftables, same policy";
const PLAIN: &str = "kernel forwarding, no policy";

/// Every scenario, by name.
pub fn run(rounds: usize, wanted: &dyn Fn(&str) -> bool, report: &mut dyn FnMut(Line)) -> Result<()> {
    if wanted("through-blocked") {
        report(blocked(rounds)?);
    }
    for rules in [10, 1_000] {
        if wanted("through-first") {
            report(first_packet(rounds, rules)?);
        }
    }
    for live in [1 << 10, FRAMES] {
        if wanted("through-established") {
            established(rounds, live, report)?;
        }
    }
    if wanted("through-replay") {
        match replay::frames()? {
            Some(frames) => report(capture(rounds, &frames)?),
            None => eprintln!("no captures here: through-replay is left out (BANGASA_CORPORA names their folder)"),
        }
    }
    Ok(())
}

/// To an address in the block set: nothing arrives; what counts is how fast that is.
fn blocked(rounds: usize) -> Result<Line> {
    let far = Far::new()?;
    let (ours, nftables, floor) = (Ours::new(&far, UNTAGGED)?, Nftables::new(&far, UNTAGGED)?, Floor::new(&far)?);
    let mut random = random();
    let frames: Vec<_> = (0..FRAMES).map(|_| any_blocked(&mut random, UNTAGGED.blocked).outwards()).collect();
    let [ours, peer, floor] = alternate(
        rounds,
        [&mut || stopped(&ours, &frames), &mut || stopped(&nftables, &frames), &mut || stopped(&floor, &frames)],
    )?;
    let scenario = format!("through: blocked among {} prefixes, dropped", UNTAGGED.blocked);
    Ok(Line::new(scenario, MPPS, rounds, ours, Some(floor), Some((NFTABLES, peer))))
}

/// Every frame begins a flow.
fn first_packet(rounds: usize, rules: u32) -> Result<Line> {
    let far = Far::new()?;
    let size = Size { rules, ..UNTAGGED };
    let (ours, nftables, floor) = (Ours::new(&far, size)?, Nftables::new(&far, size)?, Floor::new(&far)?);
    let frames: Vec<_> = distinct_flows((rounds + 1) * NEW_FLOWS, rules).iter().map(Flow::outwards).collect();
    let fresh = || frames.chunks(NEW_FLOWS);
    let (mut first, mut second, mut third) = (fresh(), fresh(), fresh());
    let next = |chunks: &mut std::slice::Chunks<'_, Frame>| chunks.next().map(<[Frame]>::to_vec).unwrap_or_default();
    let [ours, peer, floor] = alternate(
        rounds,
        [&mut || delivered(&ours, &next(&mut first)), &mut || delivered(&nftables, &next(&mut second)), &mut || {
            stopped(&floor, &next(&mut third))
        }],
    )?;
    let scenario = format!("through: first packet of a flow, {rules} rules");
    Ok(Line::new(scenario, MPPS, rounds, ours, Some(floor), Some((NFTABLES, peer))))
}

/// Flows that have seen an answer, each as likely as any other; a line for each peer.
fn established(rounds: usize, live: usize, report: &mut dyn FnMut(Line)) -> Result<()> {
    use rand::Rng;
    let far = Far::new()?;
    let size = Size { rules: 100, ..UNTAGGED };
    let (ours, nftables) = (Ours::new(&far, size)?, Nftables::new(&far, size)?);
    let (plain, floor) = (Plain::new(&far)?, Floor::new(&far)?);
    let flows = distinct_flows(live, size.rules);
    let (outwards, inwards): (Vec<_>, Vec<_>) = flows.iter().map(|flow| (flow.outwards(), flow.inwards())).unzip();
    for contender in [&ours as &dyn Contender, &nftables] {
        contender.stretch().pass(&contender.stretch().outwards(&outwards)?)?;
        contender.stretch().pass(&contender.stretch().inwards(&inwards)?)?;
    }
    let mut random = random();
    let frames: Vec<_> = (0..FRAMES).map(|_| outwards[random.random_range(0..live)]).collect();
    let [ours, peer, plain, floor] = alternate(
        rounds,
        [
            &mut || delivered(&ours, &frames),
            &mut || delivered(&nftables, &frames),
            &mut || delivered(&plain, &frames),
            &mut || stopped(&floor, &frames),
        ],
    )?;
    let scenario = format!("through: established flow out of {live}, uniform");
    report(Line::new(scenario.clone(), MPPS, rounds, ours, Some(floor), Some((NFTABLES, peer))));
    report(Line::new(scenario, MPPS, rounds, ours, Some(floor), Some((PLAIN, plain))));
    Ok(())
}

/// Frames of real captures, as they are; most of them belong to nobody here and are dropped.
fn capture(rounds: usize, captured: &[Vec<u8>]) -> Result<Line> {
    let far = Far::new()?;
    let (ours, floor) = (Ours::new(&far, UNTAGGED)?, Floor::new(&far)?);
    let rate = |contender: &dyn Contender| -> Result<f64> {
        let stretch = contender.stretch();
        let sender = Sender::of_captured(captured, stretch.lan())?;
        let frames = sender.frames() as u64;
        let mut seconds = 0.0;
        for _ in 0..REPLAYS {
            seconds += stretch.pass(&sender)?.seconds;
        }
        Ok(mpps(frames * REPLAYS, seconds))
    };
    let [ours, floor]: [Figure; 2] = alternate(rounds, [&mut || rate(&ours), &mut || rate(&floor)])?;
    let bytes: usize = captured.iter().map(Vec::len).sum();
    let scenario = format!("through: real captures, {} B a frame on average, judged", bytes / captured.len());
    Ok(Line::new(scenario, MPPS, rounds, ours, Some(floor), None))
}

/// Frames that arrive. A gateway that loses many would look fast: that is a failure.
fn delivered(contender: &dyn Contender, frames: &[Frame]) -> Result<f64> {
    let stretch = contender.stretch();
    let passed = stretch.pass(&stretch.outwards(frames)?)?;
    if passed.delivered < frames.len() as u64 * 9 / 10 {
        bail!("{}: only {} of {} frames arrived", contender.name(), passed.delivered, frames.len());
    }
    Ok(mpps(passed.delivered, passed.seconds))
}

/// Frames of which none may arrive.
fn stopped(contender: &dyn Contender, frames: &[Frame]) -> Result<f64> {
    let stretch = contender.stretch();
    let passed = stretch.pass(&stretch.outwards(frames)?)?;
    if passed.delivered != 0 {
        bail!("{}: {} of {} frames arrived that must not", contender.name(), passed.delivered, frames.len());
    }
    Ok(mpps(frames.len() as u64, passed.seconds))
}

fn mpps(frames: u64, seconds: f64) -> f64 {
    frames as f64 / seconds / 1e6
}
