//! The real program under a policy, under `BPF_PROG_TEST_RUN`, loaded for replay: it decides and remembers, but does not
//! forward. What a packet costs here is judging alone, one packet after the other on one CPU.

use std::os::fd::{AsFd, OwnedFd};

use abi::flow::slot;
use abi::ports::{ROLE_ACCESS, ROLE_UPLINK};
use abi::{Reason, Verdict};
use anyhow::{Context, Result, bail};
use dataplane::{Engine, EngineSize, Entry};

use crate::feeder::Feeder;
use crate::frame::Frame;
use crate::policies::{self, Fit, Size};

/// Some time after the clock began, so that nothing counts as never seen.
const NOW_NS: u64 = 1_000_000_000_000;

/// Where frames enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The municipalities' trunk.
    Access,
    /// The Internet.
    Uplink,
}

/// The program under one policy.
pub struct Judge {
    engine: Engine,
    /// For whoever runs it.
    pub program: OwnedFd,
    access: Entry,
    uplink: Entry,
}

impl Judge {
    /// With room for about so many flows; or why the policy does not fit.
    pub fn new(size: Size, flows: usize) -> Result<Fit<Self>> {
        let compiled = match policies::compiled(size) {
            Ok((_, compiled)) => compiled,
            Err(why) => return Ok(Err(why)),
        };
        let mut engine = Engine::new(EngineSize { flow_buckets: buckets(flows), ..EngineSize::fitting(&compiled) })?;
        if let Err(error) = engine.install(&compiled, 1) {
            return Ok(Err(format!("does not fit: {error}")));
        }
        let program = engine.program()?.try_clone_to_owned()?;
        let port = |name: &str| compiled.numbering.ports.get(name).copied().context("the policy has not both ports");
        let access = Entry { port: port("lan0")?, role: ROLE_ACCESS, municipality: 0 };
        let uplink = Entry { port: port("wan0")?, role: ROLE_UPLINK, municipality: 0 };
        Ok(Ok(Self { engine, program, access, uplink }))
    }

    /// Proves that what is measured is what the scenario says, and tells the program where the next packets enter.
    pub fn expect(&mut self, side: Side, frame: &Frame, verdict: Verdict, reason: Reason) -> Result<()> {
        let found = self.judge(side, frame)?;
        if found != (Some(verdict), Some(reason)) {
            bail!("a frame was to be {verdict:?} for {reason:?}, but is {found:?}: {frame:02x?}");
        }
        Ok(())
    }

    /// What becomes of a frame.
    pub fn judge(&mut self, side: Side, frame: &Frame) -> Result<(Option<Verdict>, Option<Reason>)> {
        let entry = if side == Side::Access { self.access } else { self.uplink };
        let event = self.engine.judge(entry, NOW_NS, frame).context("the program cannot be run")?;
        Ok((Verdict::from_number(event.verdict), Reason::from_number(event.reason)))
    }

    /// Lets all frames of a feeder enter; ns a packet.
    pub fn run(&self, feeder: &Feeder) -> Result<f64> {
        feeder.run(self.program.as_fd())
    }

    /// Forgets all flows.
    pub fn forget(&mut self) -> Result<()> {
        Ok(self.engine.forget_flows()?)
    }

    /// Flows that the table holds, of one municipality by its number in the policy, or of all.
    pub fn flows(&self, municipality: Option<u16>) -> usize {
        let flows = self.engine.flows().flat_map(|bucket| bucket.flows);
        let is_wanted = |number: u16| municipality.is_none_or(|wanted| wanted == number);
        flows.filter(|flow| flow.slot == slot::FLOW && is_wanted(flow.municipality)).count()
    }
}

/// Buckets of a table that so many flows fill to three fifths at most.
pub fn buckets(flows: usize) -> u32 {
    let slots = flows * 5 / 3;
    (slots.div_ceil(abi::limits::BUCKET_FLOWS as usize)).next_power_of_two() as u32
}

/// Fails unless so many bytes of memory are free, and as many again stay for everyone else.
pub fn demand_memory(bytes: u64) -> Fit<()> {
    let about = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = about.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10;
    if free / 4 * 3 >= bytes {
        return Ok(());
    }
    Err(format!("left out: it needs {} MiB of memory, of which {} are free", bytes >> 20, free >> 20))
}
