//! What an established packet costs among so many flows, each as likely as any other or with favourites, beside the
//! kernel's LRU hash with the same keys, that only finds the flow and notes the time. The same packets under a table of a
//! thousand flows tell what of it is the table.

use std::os::fd::AsFd;

use abi::{Reason, Verdict};
use anyhow::Result;

use super::Bench;
use crate::bpf::{self, Kind};
use crate::feeder::Feeder;
use crate::flows::{Numbered, Zipf};
use crate::frame::{Flow, Frame};
use crate::judge::{Judge, Side, buckets, demand_memory};
use crate::measure::Turns;
use crate::policies::TAGGED;
use crate::prefixes::random;
use crate::programs::{FLOW_KEY, FLOW_VALUE, bare_drop, flow_key, lru};
use crate::report::{NS, Scenario};

/// Packets of one run.
const PACKETS: usize = 1 << 20;
/// Flows that are begun at a time.
const BATCH: usize = 1 << 16;
const FLOWS: [usize; 3] = [10_000, 1_000_000, 10_000_000];
const DRAWS: [(&str, f64); 2] = [("uniform", 0.0), ("zipf-1.1", 1.1)];
const LRU: &str = "kernel's LRU hash, look-up and time stamp alone";
/// What an entry of an LRU hash of these sizes takes besides key and value.
const LRU_OVERHEAD: u64 = 64;

/// All sizes.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    FLOWS.iter().try_for_each(|count| size(bench, *count))
}

fn size(bench: &mut Bench<'_>, count: usize) -> Result<()> {
    eprintln!("   {count} flows");
    let name = |draw: &str| format!("flows/{draw}/{count}");
    let needed = u64::from(buckets(count)) * 512 + count as u64 * (u64::from(FLOW_KEY + FLOW_VALUE) + LRU_OVERHEAD);
    let skipped = |bench: &mut Bench<'_>, why: &str| {
        for (draw, _) in DRAWS {
            bench.report.add(Scenario::new(name(draw), NS, bench.rounds).note(why));
        }
        Ok(())
    };
    if let Err(why) = demand_memory(needed) {
        return skipped(bench, &why);
    }
    let mut judge = match Judge::new(TAGGED, count)? {
        Ok(judge) => judge,
        Err(why) => return skipped(bench, &why),
    };
    let flows = Numbered::new(TAGGED);
    begin(&mut judge, &flows, count)?;
    let held = judge.flows(None);
    let hash = bpf::map(Kind::LruHash, FLOW_KEY, FLOW_VALUE, count as u32)?;
    remember(&hash, &flows, count)?;
    let (drop, lru) = (bare_drop()?, lru(hash.as_fd())?);
    for (draw, exponent) in DRAWS {
        let (zipf, mut random) = (Zipf::new(count, exponent), random(7));
        let frames: Vec<_> = (0..PACKETS).map(|_| flows.of_all(zipf.next(&mut random)).outwards()).collect();
        let feeder = Feeder::new(&frames)?;
        judge.expect(Side::Access, &flows.of_all(0).outwards(), Verdict::Forward, Reason::Established)?;
        let mut turns = Turns::default();
        let floor = turns.add(|| feeder.run(drop.as_fd()));
        let ours = turns.add(|| judge.run(&feeder));
        let peer = turns.add(|| feeder.run(lru.as_fd()));
        let figures = turns.run(bench.rounds)?;
        let scenario = Scenario::new(name(draw), NS, bench.rounds).ours(figures[ours]).floor(figures[floor]);
        let scenario = if held < count { scenario.note(format!("the table took {held} flows")) } else { scenario };
        bench.report.add(scenario.peer(LRU, figures[peer]));
    }
    Ok(())
}

/// Begins flows and answers them.
pub fn begin(judge: &mut Judge, flows: &Numbered, count: usize) -> Result<()> {
    let mut feeder: Option<Feeder> = None;
    for (side, frame) in [(Side::Access, Flow::first as fn(&Flow) -> Frame), (Side::Uplink, Flow::inwards)] {
        // It tells the program where packets enter.
        judge.judge(side, &frame(&flows.of_all(0)))?;
        for start in (0..count).step_by(BATCH) {
            // The last batch begins some flows a second time, which changes nothing.
            let number = |offset: usize| ((start + offset) % count) as u32;
            let frames: Vec<_> = (0..BATCH).map(|offset| frame(&flows.of_all(number(offset)))).collect();
            let feeder = match &feeder {
                Some(feeder) => {
                    feeder.refill(&frames)?;
                    feeder
                }
                None => feeder.insert(Feeder::new(&frames)?),
            };
            judge.run(feeder)?;
        }
    }
    Ok(())
}

/// Puts flows into the kernel's hash.
pub fn remember(hash: &impl AsFd, flows: &Numbered, count: usize) -> Result<()> {
    let values = vec![0; BATCH * FLOW_VALUE as usize];
    for start in (0..count).step_by(BATCH) {
        let numbers = start..(start + BATCH).min(count);
        let keys: Vec<u8> = numbers.clone().flat_map(|number| flow_key(&flows.of_all(number as u32).first())).collect();
        bpf::update_many(hash.as_fd(), numbers.len() as u32, &keys, &values[..numbers.len() * FLOW_VALUE as usize])?;
    }
    Ok(())
}
