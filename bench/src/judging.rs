//! What judging costs, one packet after the other on one CPU: the real program under `BPF_PROG_TEST_RUN`, loaded for
//! replay, so that it decides and remembers but does not forward. The floor is the same loop with a program that only
//! drops; both pay for the feeder.

use std::os::fd::{AsFd, OwnedFd};

use abi::ports::ROLE_ACCESS;
use abi::{Reason, Verdict};
use anyhow::{Context, Result, bail};
use dataplane::{Engine, EngineSize, Entry};
use rand::Rng;

use crate::bpf::{self, Kind};
use crate::feeder::{Feeder, bare_drop, trie_drop};
use crate::flows::{any_blocked, distinct_flows, random};
use crate::frame::{Flow, Frame};
use crate::measure::{Figure, alternate};
use crate::policies::{self, FIRST_VLAN, Size, TAGGED};
use crate::report::{Line, NS};

/// Packets of one run.
const PACKETS: usize = 1 << 18;
/// Buckets of the flow table, room for a million flows.
const FLOW_BUCKETS: u32 = abi::limits::FLOW_BUCKETS;
/// Some time after the clock began, so that nothing counts as never seen.
const NOW_NS: u64 = 1_000_000_000_000;
/// Every scenario, by name.
pub fn run(rounds: usize, wanted: &dyn Fn(&str) -> bool, report: &mut dyn FnMut(Line)) -> Result<()> {
    if wanted("blocked") {
        report(blocked(rounds, 10_000)?);
    }
    for rules in [10, 1_000] {
        if wanted("first") {
            report(first_packet(rounds, rules)?);
        }
    }
    for flows in [1_000, 100_000] {
        if wanted("established") {
            report(established(rounds, flows)?);
        }
    }
    Ok(())
}

/// A source in the block set; beside the kernel's trie, which does nothing but look it up.
fn blocked(rounds: usize, prefixes: u32) -> Result<Line> {
    let mut bench = Bench::new(Size { blocked: prefixes, ..TAGGED })?;
    let mut random = random();
    let flows: Vec<_> = (0..PACKETS).map(|_| any_blocked(&mut random, prefixes)).collect();
    bench.expect(&flows[0], Verdict::Drop, Reason::Blocked)?;
    let trie = bpf::map(Kind::LpmTrie, 8, 4, prefixes)?;
    for number in 0..prefixes {
        let mut key = 24_u32.to_ne_bytes().to_vec();
        key.extend(policies::blocked(number).octets());
        bpf::update(trie.as_fd(), &key, &1_u32.to_ne_bytes())?;
    }
    let trie = trie_drop(trie.as_fd())?;
    let feeder = Feeder::new(&frames(&flows))?;
    let drop = bare_drop()?;
    let [ours, floor, peer] = alternate(
        rounds,
        [&mut || feeder.run(bench.program.as_fd()), &mut || feeder.run(drop.as_fd()), &mut || feeder.run(trie.as_fd())],
    )?;
    let peer = Some(("kernel's LPM trie, the look-up alone", peer));
    Ok(Line::new(format!("blocked destination among {prefixes} prefixes"), NS, rounds, ours, Some(floor), peer))
}

/// Every packet begins a flow, and each rule is as likely to allow it as any other.
fn first_packet(rounds: usize, rules: u32) -> Result<Line> {
    let bench = Bench::new(Size { rules, ..TAGGED })?;
    let flows = distinct_flows(PACKETS, rules);
    bench_line(bench, rounds, flows, format!("first packet of a flow, {rules} rules each of 60"), Memory::Forgotten)
}

/// Packets of flows that were there before, each as likely as any other.
fn established(rounds: usize, live: usize) -> Result<Line> {
    let bench = Bench::new(Size { rules: 100, ..TAGGED })?;
    let pool = distinct_flows(live, 100);
    let mut random = random();
    let flows = (0..PACKETS).map(|_| pool[random.random_range(0..pool.len())]).collect();
    bench_line(bench, rounds, flows, format!("established flow out of {live}, uniform"), Memory::Kept)
}

fn bench_line(mut bench: Bench, rounds: usize, flows: Vec<Flow>, scenario: String, memory: Memory) -> Result<Line> {
    bench.expect(&flows[0], Verdict::Forward, Reason::Rule)?;
    let feeder = Feeder::new(&frames(&flows))?;
    let drop = bare_drop()?;
    let [ours, floor]: [Figure; 2] = alternate(
        rounds,
        [
            &mut || {
                if memory == Memory::Forgotten {
                    bench.engine.forget_flows()?;
                }
                feeder.run(bench.program.as_fd())
            },
            &mut || feeder.run(drop.as_fd()),
        ],
    )?;
    bench.expect(&flows[0], Verdict::Forward, Reason::Established)?;
    Ok(Line::new(scenario, NS, rounds, ours, Some(floor), None))
}

/// What becomes of the flows of a round before the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    Forgotten,
}

/// The program under one policy.
struct Bench {
    engine: Engine,
    program: OwnedFd,
    entry: Entry,
}

impl Bench {
    fn new(size: Size) -> Result<Self> {
        let (_, compiled) = policies::compiled(size)?;
        let size = EngineSize { flow_buckets: FLOW_BUCKETS, ..EngineSize::fitting(&compiled) };
        let mut engine = Engine::new(size)?;
        engine.install(&compiled, 1)?;
        let program = engine.program()?.try_clone_to_owned()?;
        let port = compiled.numbering.ports.get("lan0").copied().context("the policy has no port `lan0`")?;
        let entry = Entry { port, role: ROLE_ACCESS };
        Ok(Self { engine, program, entry })
    }

    /// Proves that what is measured is what the scenario says, and tells the program where packets enter.
    fn expect(&mut self, flow: &Flow, verdict: Verdict, reason: Reason) -> Result<()> {
        let event =
            self.engine.judge(self.entry, NOW_NS, &flow.tagged(FIRST_VLAN)).context("the program cannot be run")?;
        let found = (Verdict::from_number(event.verdict), Reason::from_number(event.reason));
        if found != (Some(verdict), Some(reason)) {
            bail!("{flow:?} was to be {verdict:?} for {reason:?}, but is {found:?}");
        }
        Ok(())
    }
}

fn frames(flows: &[Flow]) -> Vec<Frame> {
    flows.iter().map(|flow| flow.tagged(FIRST_VLAN)).collect()
}
