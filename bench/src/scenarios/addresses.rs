//! What an address costs among so many prefixes: judging a packet whose source is blocked, the look-up alone, and the
//! kernel's trie with the same prefixes. All sizes of a family take turns in the same rounds.
//!
//! Sources out of the prefixes are more spread the more prefixes there are, so they cost more whatever the table is made
//! of. Sources out of the whole address space are the same for every size: what grows with these is the table.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use abi::{Reason, Verdict};
use anyhow::{Result, ensure};
use rand::Rng;

use super::Bench;
use crate::bpf::{self, Kind};
use crate::feeder::Feeder;
use crate::flows;
use crate::frame::{Flow, Frame, LENGTH, inwards_v6};
use crate::instructions::XDP_DROP;
use crate::judge::{Judge, Side};
use crate::lookup;
use crate::measure::{Turn, Turns};
use crate::policies::{Fit, Size, TAGGED};
use crate::prefixes::{self, random};
use crate::programs::{self, Family};
use crate::report::{NS, Scenario};

/// Packets of one run.
const PACKETS: usize = 1 << 18;
const V4: [usize; 5] = [10, 10_000, 100_000, 500_000, 1_000_000];
const V6: [usize; 2] = [10_000, 300_000];
const TRIE: &str = "kernel's LPM trie, the look-up alone";

/// Both families.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    family(bench, Family::V4, &V4)?;
    family(bench, Family::V6, &V6)
}

/// One size.
struct Case {
    feeder: Feeder,
    /// Sources out of the whole address space; of IPv4 only.
    anywhere: Option<Feeder>,
    ours: Fit<Judge>,
    lookup: Option<OwnedFd>,
    trie: OwnedFd,
}

fn family(bench: &mut Bench<'_>, family: Family, sizes: &[usize]) -> Result<()> {
    let cases = sizes.iter().map(|count| Case::new(family, *count)).collect::<Result<Vec<_>>>()?;
    let (drop, fetch) = (programs::bare_drop()?, programs::fetch_key(family)?);
    let mut turns = Turns::default();
    let floor = turns.add(|| cases[0].feeder.run(drop.as_fd()));
    let fetched = turns.add(|| cases[0].feeder.run(fetch.as_fd()));
    let mut turn_of = Vec::new();
    for case in &cases {
        let ours: Fit<Turn> =
            case.ours.as_ref().map(|judge| turns.add(|| judge.run(&case.feeder))).map_err(Clone::clone);
        let trie = turns.add(|| case.feeder.run(case.trie.as_fd()));
        let [lookup, lookup_anywhere] = [Some(&case.feeder), case.anywhere.as_ref()].map(|feeder| {
            let (program, feeder) = (case.lookup.as_ref()?, feeder?);
            Some(turns.add(|| feeder.run(program.as_fd())))
        });
        let trie_anywhere = case.anywhere.as_ref().map(|feeder| turns.add(|| feeder.run(case.trie.as_fd())));
        turn_of.push((ours, lookup, trie, lookup_anywhere, trie_anywhere));
    }
    let figures = turns.run(bench.rounds)?;
    let (floor, fetched) = (figures[floor], figures[fetched]);
    let name = if family == Family::V4 { "v4" } else { "v6" };
    for (count, (ours, lookup, trie, lookup_anywhere, trie_anywhere)) in sizes.iter().zip(turn_of) {
        let named =
            |what: &str| Scenario::new(format!("addresses/{what}-{name}/{count}"), NS, bench.rounds).floor(floor);
        bench.report.add(match &ours {
            Ok(turn) => named("judged").ours(figures[*turn]).peer(TRIE, figures[trie]),
            Err(why) => named("judged").note(why).peer(TRIE, figures[trie]),
        });
        for (what, lookup, trie) in [("looked-up", lookup, Some(trie)), ("anywhere", lookup_anywhere, trie_anywhere)] {
            if let (Some(lookup), Some(trie)) = (lookup, trie) {
                bench.report.add(named(what).ours(figures[lookup]).net_peer(TRIE, figures[trie], fetched));
            }
        }
    }
    Ok(())
}

impl Case {
    fn new(family: Family, count: usize) -> Result<Self> {
        eprintln!("   {count} prefixes");
        let size = match family {
            Family::V4 => Size { blocked: count, ..TAGGED },
            Family::V6 => Size { blocked: 10, blocked_v6: count, ..TAGGED },
        };
        let frames = blocked_frames(family, count, PACKETS);
        let mut ours = Judge::new(size, 1_000)?;
        let mut lookup = None;
        if let Ok(judge) = &mut ours {
            judge.expect(Side::Uplink, &frames[0], Verdict::Drop, Reason::Blocked)?;
            if family == Family::V4 {
                let program = lookup::v4(judge.program.as_fd())?;
                expect_drops(&program, &frames)?;
                lookup = Some(program);
            }
        }
        let trie = programs::trie(family, kernel_trie(family, count)?.as_fd())?;
        expect_drops(&trie, &frames)?;
        let anywhere = if family == Family::V4 { Some(Feeder::new(&frames_from_anywhere())?) } else { None };
        Ok(Self { feeder: Feeder::new(&frames)?, anywhere, ours, lookup, trie })
    }
}

/// Frames from the Internet whose sources are blocked, to clients of all municipalities.
pub fn blocked_frames(family: Family, prefixes: usize, count: usize) -> Vec<Frame> {
    let mut random = random(6);
    match family {
        Family::V4 => {
            let prefixes = prefixes::v4(prefixes);
            let flows = flows::distinct(Size { vlans: 1, ..TAGGED }, count.min(1 << 12));
            let frame = |number: usize| {
                let prefix = prefixes[random.random_range(0..prefixes.len())];
                let flow = flows[number % flows.len()];
                Flow { outside: prefix.any(&mut random), ..flow }.inwards()
            };
            (0..count).map(frame).collect()
        }
        Family::V6 => {
            let prefixes = prefixes::v6(prefixes);
            let frame = |_| {
                let prefix = prefixes[random.random_range(0..prefixes.len())];
                let inside = 0x2001_0db8 << 96 | u128::from(random.random_range(2_u64..u64::MAX));
                inwards_v6(prefix.any(&mut random), inside.into())
            };
            (0..count).map(frame).collect()
        }
    }
}

/// Frames from anywhere in the Internet.
fn frames_from_anywhere() -> Vec<Frame> {
    let mut random = random(12);
    let flows = flows::distinct(Size { vlans: 1, ..TAGGED }, 1 << 12);
    let frame = |number: usize| {
        let outside = Ipv4Addr::from(random.random_range(0x0100_0000..0xe000_0000_u32));
        Flow { outside, ..flows[number % flows.len()] }.inwards()
    };
    (0..PACKETS).map(frame).collect()
}

/// The kernel's trie with that many prefixes.
pub fn kernel_trie(family: Family, count: usize) -> Result<OwnedFd> {
    let mut keys = Vec::new();
    let key_bytes = match family {
        Family::V4 => {
            for prefix in prefixes::v4(count) {
                keys.extend(u32::from(prefix.length).to_ne_bytes());
                keys.extend(prefix.base.to_be_bytes());
            }
            8
        }
        Family::V6 => {
            for prefix in prefixes::v6(count) {
                keys.extend(u32::from(prefix.length).to_ne_bytes());
                keys.extend(prefix.base.to_be_bytes());
            }
            20
        }
    };
    let trie = bpf::map(Kind::LpmTrie, key_bytes, 4, count as u32)?;
    let values = vec![1; count * 4];
    bpf::update_many(trie.as_fd(), count as u32, &keys, &values)?;
    Ok(trie)
}

/// A program that finds nothing would be fast.
fn expect_drops(program: &OwnedFd, frames: &[[u8; LENGTH]]) -> Result<()> {
    for frame in frames.iter().take(1_000) {
        let answer = bpf::ask(program.as_fd(), frame)?;
        ensure!(answer == XDP_DROP as u32, "a look-up finds nothing for {frame:02x?}");
    }
    Ok(())
}
