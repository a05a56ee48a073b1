//! Frames through whole gateways out of a second port, by live frames counted at the far end: this one, nftables with the
//! same policy, written line by line and at its best, the kernel forwarding without any, and a program that does no more
//! than ask for the route and redirect.

use anyhow::Result;
use rand::Rng;

use super::Bench;
use crate::contender::Contender;
use crate::flows;
use crate::frame::{Flow, Frame, UDP};
use crate::judge::Side;
use crate::policies::{Size, UNTAGGED};
use crate::prefixes::random;
use crate::programs::{bare_drop, fib_redirect};
use crate::race::{Fate, Lane, race, willing};
use crate::report::{MPPS, Scenario};
use crate::stretch::Far;
use crate::{imix, nftables, replay};

/// Frames of one round.
const FRAMES: usize = 1 << 17;
/// New flows of one round. All rounds together stay below what the kernel's connection tracking holds by default.
const NEW_FLOWS: usize = 1 << 13;
/// Established flows.
const LIVE: usize = 10_000;
/// Passes of the captured frames that make one round.
const REPLAYS: usize = 8;
const RULES: [usize; 4] = [10, 100, 1_000, 10_000];
/// The policy that established flows are forwarded under: a set of 100,000 prefixes, a thousand rules.
const LARGE: Size = Size { rules: 1_000, blocked: 100_000, ..UNTAGGED };

/// The names of peers; the plot and the aims look for them.
pub const LINES: &str = "nftables, rules one by one";
/// Likewise.
pub const BEST: &str = "nftables at its best: maps of verdicts";
/// Likewise.
pub const UNTRANSLATED: &str = "ours, untranslated";
/// Likewise.
pub const FIB: &str = "XDP program: route and redirect";
const FLOWTABLE: &str = "nftables flowtable";

/// First packets.
pub fn first(bench: &mut Bench<'_>) -> Result<()> {
    RULES.iter().try_for_each(|rules| first_packets(bench, *rules))
}

fn first_packets(bench: &mut Bench<'_>, rules: usize) -> Result<()> {
    eprintln!("   {rules} rules");
    let far = Far::new()?;
    let size = Size { rules, ..UNTAGGED };
    let frames: Vec<_> = flows::distinct(size, (bench.rounds + 1) * NEW_FLOWS).iter().map(Flow::first).collect();
    let batches: Vec<_> = frames.chunks(NEW_FLOWS).collect();
    let lane = |contender| Lane::new(contender, Side::Access, &batches, Fate::Delivered);
    let ours = willing(Contender::ours(&far, size, abi::limits::FLOW_BUCKETS)?, lane)?;
    let lines = willing(Contender::nftables(&far, LINES, "lines", &nftables::plain(size))?, lane)?;
    let best = willing(Contender::nftables(&far, BEST, "best", &nftables::best(size))?, lane)?;
    let floor = floor(&far, |contender| Lane::new(contender, Side::Access, &batches, Fate::Stopped))?;
    let scenario = Scenario::new(format!("forwarding/first/{rules}"), MPPS, bench.rounds);
    bench.report.add(race(scenario, bench.rounds, ours, &floor, &[(LINES, lines), (BEST, best)])?);
    Ok(())
}

/// Established flows, by the smallest frames and by a mix of sizes.
pub fn established(bench: &mut Bench<'_>) -> Result<()> {
    let flows = flows::distinct(LARGE, LIVE);
    let mut random = random(11);
    let mut any = || flows[random.random_range(0..flows.len())].outwards();
    let frames: Vec<_> = (0..FRAMES).map(|_| any()).collect();
    forward(bench, "forwarding/established/10000", &flows, &Load::Short(&frames))?;
    forward(bench, "forwarding/imix/10000", &flows, &Load::Mixed(&imix::frames(&flows)))
}

/// Established flows that are translated, beside the same flows untranslated; both are gateways of ours.
pub fn translated(bench: &mut Bench<'_>) -> Result<()> {
    let far = Far::new()?;
    // What they do not hear an answer to, TCP's clients would not go on with.
    let is_udp = |flow: &Flow| flow.protocol == UDP;
    let flows: Vec<_> = flows::distinct(LARGE, 8 * LIVE).into_iter().filter(is_udp).take(LIVE).collect();
    let mut random = random(11);
    let frames: Vec<_> = (0..FRAMES).map(|_| flows[random.random_range(0..flows.len())].outwards()).collect();
    let size = Size { translated: true, ..LARGE };
    let ours = willing(Contender::ours(&far, size, abi::limits::FLOW_BUCKETS)?, |it| known(it, &flows, &frames))?;
    let bare = Contender::ours_as_well(&far, UNTRANSLATED, "bare", LARGE, abi::limits::FLOW_BUCKETS)?;
    let bare = willing(bare, |it| known(it, &flows, &frames))?;
    let floor = floor(&far, |contender| Lane::new(contender, Side::Access, &[&*frames], Fate::Stopped))?;
    let scenario = Scenario::new(format!("forwarding/translated/{LIVE}"), MPPS, bench.rounds);
    bench.report.add(race(scenario, bench.rounds, ours, &floor, &[(UNTRANSLATED, bare)])?);
    Ok(())
}

/// First packets alone, and then those of the flows that they began.
fn known<'f>(contender: Contender<'f>, flows: &[Flow], frames: &[Frame]) -> Result<Lane<'f>> {
    let count = flows.len().next_power_of_two();
    contender.send(Side::Access, &flows.iter().cycle().take(count).map(Flow::first).collect::<Vec<_>>())?;
    Lane::new(contender, Side::Access, &[frames], Fate::Delivered)
}

/// What is sent, round by round the same.
enum Load<'l> {
    /// The smallest frames.
    Short(&'l [Frame]),
    /// Of any length.
    Mixed(&'l [Vec<u8>]),
}

impl Load<'_> {
    fn lane<'f>(&self, contender: Contender<'f>, fate: Fate) -> Result<Lane<'f>> {
        match self {
            Self::Short(frames) => Lane::new(contender, Side::Access, &[*frames], fate),
            Self::Mixed(frames) => Lane::of_captured(contender, Side::Access, frames, fate),
        }
    }
}

/// Everybody's way to forward these flows.
fn forward(bench: &mut Bench<'_>, name: &str, flows: &[Flow], load: &Load<'_>) -> Result<()> {
    eprintln!("   {name}");
    let far = Far::new()?;
    let begun = |contender| begun(contender, flows, load);
    let ours = willing(Contender::ours(&far, LARGE, abi::limits::FLOW_BUCKETS)?, begun)?;
    let lines = willing(Contender::nftables(&far, LINES, "lines", &nftables::plain(LARGE))?, begun)?;
    let best = willing(Contender::nftables(&far, BEST, "best", &nftables::best(LARGE))?, begun)?;
    let table = willing(Contender::nftables(&far, FLOWTABLE, "table", &nftables::flowtable())?, begun)?;
    let plain = load.lane(Contender::plain(&far)?, Fate::Delivered)?;
    let fib = load.lane(Contender::program(&far, FIB, "fib", &fib_redirect()?)?, Fate::Delivered)?;
    let floor = floor(&far, |contender| load.lane(contender, Fate::Stopped))?;
    let peers = [
        (FIB, Ok(fib)),
        (BEST, best),
        (LINES, lines),
        (FLOWTABLE, table.map_err(|why| format!("not in this kernel: {why}"))),
        ("kernel forwarding, no policy", Ok(plain)),
    ];
    let scenario = Scenario::new(name, MPPS, bench.rounds);
    bench.report.add(race(scenario, bench.rounds, ours, &floor, &peers)?);
    Ok(())
}

/// First packets and their answers, so that everyone knows the flows.
fn begun<'f>(contender: Contender<'f>, flows: &[Flow], load: &Load<'_>) -> Result<Lane<'f>> {
    // Senders take a power of two of frames; some flows begin twice, which changes nothing.
    let count = flows.len().next_power_of_two();
    let frames = |frame: fn(&Flow) -> Frame| flows.iter().cycle().take(count).map(frame).collect::<Vec<_>>();
    contender.send(Side::Access, &frames(Flow::first))?;
    contender.send(Side::Uplink, &frames(Flow::inwards))?;
    contender.send(Side::Access, &frames(Flow::outwards))?;
    load.lane(contender, Fate::Delivered)
}

fn floor<'f>(far: &'f Far, lane: impl FnOnce(Contender<'f>) -> Result<Lane<'f>>) -> Result<Lane<'f>> {
    lane(Contender::program(far, "bare drop", "floor", &bare_drop()?)?)
}

/// Frames of real captures, as they are; most of them belong to nobody here and are dropped.
pub fn captures(bench: &mut Bench<'_>) -> Result<()> {
    let scenario = Scenario::new("forwarding/captures", MPPS, bench.rounds);
    let Some(frames) = replay::frames()? else {
        bench.report.add(scenario.note("left out: no captures here; BANGASA_CORPORA names their folder"));
        return Ok(());
    };
    let far = Far::new()?;
    // One pass would be over before it can be measured.
    let again = [&*frames; REPLAYS].concat();
    let lane = |contender| Lane::of_captured(contender, Side::Access, &again, Fate::Any);
    let ours = willing(Contender::ours(&far, UNTAGGED, abi::limits::FLOW_BUCKETS)?, lane)?;
    let floor = floor(&far, lane)?;
    let bytes: usize = frames.iter().map(Vec::len).sum();
    let note = format!("{} frames, {} B each on average", frames.len(), bytes / frames.len());
    bench.report.add(race(scenario.note(note), bench.rounds, ours, &floor, &[])?);
    Ok(())
}
