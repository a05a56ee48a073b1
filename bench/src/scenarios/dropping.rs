//! How fast frames from blocked sources go, by live frames on a real port: nothing arrives, what counts is how long that
//! takes. Beside a port that only drops, nftables at its earliest hook, a program with the kernel's trie, and xdp-filter,
//! which knows single addresses.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use anyhow::Result;
use rand::Rng;

use super::Bench;
use super::addresses::{blocked_frames, kernel_trie};
use crate::contender::Contender;
use crate::flows;
use crate::frame::Flow;
use crate::judge::Side;
use crate::nftables;
use crate::policies::{Size, UNTAGGED};
use crate::prefixes::{self, random};
use crate::programs::{self, Family, bare_drop};
use crate::race::{Fate, Lane, race, willing};
use crate::report::{MPPS, Scenario};
use crate::stretch::Far;

/// Frames of one round.
const FRAMES: usize = 1 << 17;
const PREFIXES: [usize; 4] = [10, 10_000, 100_000, 1_000_000];
/// Single addresses: xdp-filter is told one a process.
const EXACT: usize = 1_000;
/// The names of peers; the plot looks for them.
pub const NFTABLES: &str = "nftables at its best: interval set at ingress";
/// Likewise.
pub const TRIE: &str = "XDP program with the kernel's LPM trie";

/// All sizes.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    PREFIXES.iter().try_for_each(|count| size(bench, *count))?;
    exact(bench)
}

fn size(bench: &mut Bench<'_>, count: usize) -> Result<()> {
    eprintln!("   {count} prefixes");
    let far = Far::new()?;
    let size = Size { blocked: count, ..UNTAGGED };
    let ours = Contender::ours(&far, size, abi::limits::FLOW_BUCKETS)?;
    let nftables = Contender::nftables(&far, NFTABLES, "nft", &nftables::best(size))?;
    let trie = programs::trie(Family::V4, kernel_trie(Family::V4, count)?.as_fd())?;
    let trie = Contender::program(&far, TRIE, "trie", &trie)?;
    let frames = blocked_frames(Family::V4, count, FRAMES);
    let scenario = Scenario::new(format!("dropping/{count}"), MPPS, bench.rounds);
    let lane = |contender| Lane::new(contender, Side::Uplink, &[&frames], Fate::Stopped);
    let floor = lane(Contender::program(&far, "bare drop", "floor", &bare_drop()?)?)?;
    let ours = willing(ours, lane)?;
    let nftables = willing(nftables, lane)?;
    let peers = [(NFTABLES, nftables), (TRIE, Ok(lane(trie)?))];
    bench.report.add(race(scenario, bench.rounds, ours, &floor, &peers)?);
    Ok(())
}

/// Single addresses, the same for ours and for xdp-filter.
fn exact(bench: &mut Bench<'_>) -> Result<()> {
    eprintln!("   {EXACT} single addresses");
    let far = Far::new()?;
    let size = Size { exact: true, blocked: EXACT, ..UNTAGGED };
    let addresses: Vec<_> = prefixes::exact(EXACT).iter().map(|prefix| Ipv4Addr::from(prefix.base)).collect();
    let mut random = random(8);
    let flows = flows::distinct(UNTAGGED, FRAMES);
    let any = |flow: &Flow| Flow { outside: addresses[random.random_range(0..addresses.len())], ..*flow }.inwards();
    let frames: Vec<_> = flows.iter().map(any).collect();
    let lane = |contender| Lane::new(contender, Side::Uplink, &[&frames], Fate::Stopped);
    let ours = Contender::ours(&far, size, abi::limits::FLOW_BUCKETS)?;
    let ours = willing(ours, lane)?;
    let floor = lane(Contender::program(&far, "bare drop", "floor", &bare_drop()?)?)?;
    let peer = Contender::xdp_filter(&far, &addresses)?;
    let peer = willing(peer, lane)?;
    let scenario = Scenario::new(format!("dropping/exact/{EXACT}"), MPPS, bench.rounds);
    bench.report.add(race(scenario, bench.rounds, ours, &floor, &[("xdp-filter", peer)])?);
    Ok(())
}
