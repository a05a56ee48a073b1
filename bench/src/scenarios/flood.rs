//! One municipality begins far more flows than the table holds, with every packet another. What does that cost, what does
//! an established packet of another municipality cost afterwards, and how many of its flows are still there? Beside the
//! kernel's LRU hash of as many entries under the same flood.

use std::os::fd::AsFd;

use abi::{Reason, Verdict};
use anyhow::Result;

use super::Bench;
use crate::bpf::{self, Kind};
use crate::feeder::Feeder;
use crate::flows::Numbered;
use crate::frame::{Flow, Frame};
use crate::judge::{Judge, Side, buckets};
use crate::measure::{Figure, Turns};
use crate::policies::{Size, TAGGED};
use crate::programs::{FLOW_KEY, FLOW_VALUE, bare_drop, flow_key, lru};
use crate::report::{COUNT, NS, Scenario};

/// Established flows of the municipality that is not attacked.
const VICTIMS: usize = 1 << 13;
/// Flows that the table is made for.
const ROOM: usize = 1 << 16;
/// New flows of one round.
const FLOOD: usize = 1 << 18;

/// The flood.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let size = Size { vlans: 2, ..TAGGED };
    let mut judge = match Judge::new(size, ROOM)? {
        Ok(judge) => judge,
        Err(why) => {
            bench.report.add(Scenario::new("flood/new-flow", NS, bench.rounds).note(why));
            return Ok(());
        }
    };
    let flows = Numbered::new(size);
    let victims: Vec<Flow> = (0..VICTIMS as u32).map(|number| flows.of(0, number)).collect();
    let feeder = |frames: Vec<Frame>| Feeder::new(&frames);
    let first = feeder(victims.iter().map(Flow::first).collect())?;
    let answers = feeder(victims.iter().map(Flow::inwards).collect())?;
    let later = feeder(victims.iter().map(Flow::outwards).cycle().take(FLOOD).collect())?;
    judge.judge(Side::Access, &victims[0].first())?;
    judge.run(&first)?;
    judge.judge(Side::Uplink, &victims[0].inwards())?;
    judge.run(&answers)?;
    judge.expect(Side::Access, &victims[0].outwards(), Verdict::Forward, Reason::Established)?;
    let before = Figure::of((0..bench.rounds).map(|_| judge.run(&later)).collect::<Result<_>>()?);

    let flood = feeder(flood_frames(&flows, 0))?;
    let drop = bare_drop()?;
    let round = std::cell::Cell::new(0);
    let mut turns = Turns::default();
    let floor = turns.add(|| flood.run(drop.as_fd()));
    let flooding = turns.add(|| {
        flood.refill(&flood_frames(&flows, round.get()))?;
        round.set(round.get() + 1);
        judge.run(&flood)
    });
    let after = turns.add(|| judge.run(&later));
    let figures = turns.run(bench.rounds)?;
    let named = |what: &str, unit| Scenario::new(format!("flood/{what}"), unit, bench.rounds);
    let (floor, flooding, after) = (figures[floor], figures[flooding], figures[after]);
    let of_lru = survivors_of_lru(&flows, &victims, &later, round.get())?;
    let survivors = survivors(&mut judge, &victims)?;
    bench.report.add(named("new-flow", NS).ours(flooding).floor(floor).note("the table is full most of the time"));
    bench
        .report
        .add(named("established-of-another", NS).ours(after).floor(floor).peer("ours, before the flood", before));
    let slots = buckets(ROOM) * abi::limits::BUCKET_FLOWS;
    let flooded = round.get() as usize * FLOOD;
    let note = format!("of {VICTIMS}, after {flooded} new flows of another in {slots} slots");
    bench.report.add(named("survivors", COUNT).ours(survivors).note(note).peer("kernel's LRU hash", of_lru));
    Ok(())
}

/// New flows of the attacker: in no round any that was there before.
fn flood_frames(flows: &Numbered, round: u32) -> Vec<Frame> {
    (0..FLOOD as u32).map(|number| flows.of(1, round * FLOOD as u32 + number).first()).collect()
}

/// Victims whose next packet is still that of an established flow.
fn survivors(judge: &mut Judge, victims: &[Flow]) -> Result<Figure> {
    let mut count = 0;
    for victim in victims {
        let (_, reason) = judge.judge(Side::Access, &victim.outwards())?;
        count += usize::from(reason == Some(Reason::Established));
    }
    Ok(once(count))
}

/// Victims that an LRU hash of as many entries still holds after the same flood and the same packets between its rounds.
fn survivors_of_lru(flows: &Numbered, victims: &[Flow], later: &Feeder, rounds: u32) -> Result<Figure> {
    let hash = bpf::map(Kind::LruHash, FLOW_KEY, FLOW_VALUE, buckets(ROOM) * abi::limits::BUCKET_FLOWS)?;
    let program = lru(hash.as_fd())?;
    let keys: Vec<_> = victims.iter().map(|victim| flow_key(&victim.first())).collect();
    let mut value = [0; FLOW_VALUE as usize];
    keys.iter().try_for_each(|key| bpf::update(hash.as_fd(), key, &value))?;
    later.run(program.as_fd())?;
    for round in 0..rounds {
        let flood: Vec<u8> = flood_frames(flows, round).iter().flat_map(|frame| flow_key(frame)).collect();
        bpf::update_many(hash.as_fd(), FLOOD as u32, &flood, &vec![0; FLOOD * FLOW_VALUE as usize])?;
        later.run(program.as_fd())?;
    }
    Ok(once(keys.iter().filter(|key| bpf::lookup(hash.as_fd(), &key[..], &mut value).is_ok()).count()))
}

fn once(count: usize) -> Figure {
    Figure::of(vec![count as f64])
}
