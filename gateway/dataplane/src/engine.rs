//! The real program without a network: loaded for replay, unpinned, fed one frame at a time by `BPF_PROG_TEST_RUN`.
//!
//! What differs from a port: the clock is the caller's, nothing is forwarded, and events are read after every frame
//! instead of sent. The kernel runs no frame shorter than an Ethernet header: such a frame is judged here, in the
//! same words as the program's. A frame longer than [`LONGEST_FRAME`] is cut there; no IP packet reaches past it.

use std::mem::offset_of;
use std::os::fd::{AsFd, BorrowedFd};

use abi::budget::{BudgetUse, Pool};
use abi::control::Control;
use abi::event::Event;
use abi::flow::{Bucket, FragmentKey, FragmentOwner};
use abi::limits::{NAT_ADDRESSES_AT_MOST, REPLAY_HASH_SEED};
use abi::ports::{HAIRPIN, INSPECTOR, Port, ROLE_HAIRPIN, ROLE_INSPECTOR, ROLE_UPLINK};
use abi::{Direction, Reason, Verdict};
use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray, PerCpuValues};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::util::nr_cpus;
use policy::CompiledPolicy;
use policy::model::InspectorState;

use crate::capacities::Capacities;
use crate::error::Error;
use crate::inspector_words::InspectorWords;
use crate::install::{Generation, Installed, Tables};
use crate::load::{self, Globals};
use crate::mmap::{Mapping, Value};
use crate::nat::Nat;
use crate::port_table::PortTable;
use crate::sweep;

/// Longest frame that is looked at: an Ethernet header with two tags and the longest IPv6 packet.
pub const LONGEST_FRAME: usize = 65_597;
/// The kernel's shortest.
const ETHERNET_HEADER: usize = 14;
/// `BPF_PROG_TEST_RUN` lets frames come from the loopback interface.
const LOOPBACK: u32 = 1;
const NS_PER_S: u64 = 1_000_000_000;
/// No program writes this verdict: what is in `JUDGEMENT` while a frame is judged.
const UNWRITTEN: u8 = 0xff;

/// How large the tables are.
#[derive(Clone, Copy, Debug)]
pub struct EngineSize {
    /// Of the policy tables.
    pub capacities: Capacities,
    /// Buckets of the flow table, 512 bytes each; a power of two.
    pub flow_buckets: u32,
    /// Public addresses that pools may have.
    pub nat_addresses: u32,
}

impl Default for EngineSize {
    fn default() -> Self {
        Self { capacities: Capacities::small(), flow_buckets: 1 << 14, nat_addresses: 64 }
    }
}

impl EngineSize {
    /// Enough for this policy, and for others not much larger.
    pub fn fitting(policy: &CompiledPolicy) -> Self {
        let nat_addresses = (policy.tables.pool_addresses().len() as u32).clamp(8, NAT_ADDRESSES_AT_MOST);
        Self { capacities: Capacities::fitting(policy), nat_addresses, ..Self::default() }
    }
}

/// Where a frame enters: a port's stable number, and [`abi::ports::ROLE_ACCESS`] or [`abi::ports::ROLE_UPLINK`]; or where
/// an [inspector](Entry::inspector) sends, or the [hairpin](Entry::hairpin) comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number, from the policy's numbering.
    pub port: u8,
    /// Role.
    pub role: u8,
    /// The municipality, at an inspector; 0 elsewhere.
    pub municipality: u16,
}

impl Entry {
    /// Where the inspector of the municipality with this number sends.
    pub const fn inspector(municipality: u16) -> Self {
        Self { port: INSPECTOR, role: ROLE_INSPECTOR, municipality }
    }

    /// Where the hairpin comes out.
    pub const fn hairpin() -> Self {
        Self { port: HAIRPIN, role: ROLE_HAIRPIN, municipality: 0 }
    }
}

/// The program and its maps, this value's own.
pub struct Engine {
    object: Ebpf,
    tables: Tables,
    judgement: Mapping,
    flows: Mapping,
    inspectors: InspectorWords,
    ports: PortTable,
    fragments: HashMap<MapData, Value<FragmentKey>, Value<FragmentOwner>>,
    nat: Nat,
    pools: Mapping,
    sources: Mapping,
    syn_cells: Mapping,
    dns_zones: Mapping,
    budget_use: PerCpuArray<MapData, Value<BudgetUse>>,
    entry: Option<Entry>,
    /// Whose number of flows the policy limits, and to how many.
    flow_budgets: Vec<(u32, u64)>,
    /// Second of the last sweep.
    swept_s: u64,
    /// The highest number that a municipality has had.
    highest: u32,
}

impl Engine {
    /// Loads the program with empty tables; every frame is dropped until a policy is installed.
    pub fn new(size: EngineSize) -> Result<Self, Error> {
        let globals = Globals {
            replay: true,
            capacities: size.capacities,
            flow_buckets: size.flow_buckets.next_power_of_two(),
            nat_addresses: size.nat_addresses,
            hash_seed: REPLAY_HASH_SEED,
        };
        let mut object = load::load(&globals, None)?;
        let program: &mut Xdp = load::program(&mut object, "gateway")?;
        program.load().map_err(|error| Error::refused("gateway", error))?;
        let tables = Tables::open(&object)?;
        tables.sign(globals.flow_buckets, abi::cookie::REPLAY_KEY);
        let inspectors = InspectorWords::of(&object)?;
        (0..abi::limits::MUNICIPALITIES as u16).for_each(|number| inspectors.set(number, InspectorState::Serving));
        Ok(Self {
            inspectors,
            tables,
            judgement: load::mapping(&object, "JUDGEMENT")?,
            flows: load::mapping(&object, "FLOWS")?,
            ports: PortTable::of(&object)?,
            fragments: load::take(&mut object, "FRAGMENTS")?,
            nat: Nat::take(&mut object)?,
            pools: load::mapping(&object, "POOLS")?,
            sources: load::mapping(&object, "SOURCES")?,
            syn_cells: load::mapping(&object, "SYN_CELLS")?,
            dns_zones: load::mapping(&object, "DNS_ZONES")?,
            budget_use: load::take(&mut object, "BUDGET_USE")?,
            entry: None,
            flow_budgets: Vec::new(),
            swept_s: 0,
            highest: 0,
            object,
        })
    }

    /// Makes a policy the one that judges; flows stay. See [`Tables::install`] for what `generation` may be.
    pub fn install(&mut self, policy: &CompiledPolicy, generation: u64) -> Result<Installed<Generation>, Error> {
        self.nat.enrol(policy, &self.tables.pool_in_force()?)?;
        self.flow_budgets = policy.tables.flow_budgets().collect();
        let numbers = policy.numbering.municipalities.values();
        self.highest = numbers.map(|number| u32::from(*number)).max().unwrap_or(0).max(self.highest);
        self.tables.install(policy, Generation(generation))
    }

    /// Whether the inspector of the municipality with this number serves; at first all do.
    pub fn set_inspector(&self, municipality: u16, state: InspectorState) {
        self.inspectors.set(municipality, state);
    }

    /// What the maps were made for, and the generation that judges.
    pub fn control(&self) -> Control {
        self.tables.control()
    }

    /// Forgets all flows and fragments and port blocks, what was used up of budgets, who is under attack, and what DNS servers
    /// were asked.
    pub fn forget_flows(&mut self) -> Result<(), Error> {
        for map in [&self.flows, &self.pools, &self.sources, &self.syn_cells, &self.dns_zones] {
            map.zero(0, map.len());
        }
        self.swept_s = 0;
        let unused = vec![Value(BudgetUse::default()); nr_cpus().map_err(|(_, error)| Error::file("CPUs", error))?];
        for municipality in 0..=self.highest {
            let values = PerCpuValues::try_from(unused.clone()).map_err(|error| Error::file("CPUs", error))?;
            self.budget_use.set(municipality, values, 0).map_err(|error| Error::map("BUDGET_USE", error))?;
        }
        self.nat.forget()?;
        let keys: Vec<_> = self.fragments.keys().filter_map(Result::ok).collect();
        for key in keys {
            self.fragments.remove(&key).map_err(|error| Error::map("FRAGMENTS", error))?;
        }
        Ok(())
    }

    /// Public addresses and their port blocks.
    pub fn nat(&mut self) -> &mut Nat {
        &mut self.nat
    }

    /// The program itself, for callers that run it their own way, as the benchmarks do.
    pub fn program(&mut self) -> Result<BorrowedFd<'_>, Error> {
        let program: &mut Xdp = load::program(&mut self.object, "gateway")?;
        let descriptor = program.fd().map_err(|error| Error::refused("gateway", error))?;
        Ok(descriptor.as_fd())
    }

    /// Every bucket of the flow table, copied.
    pub fn flows(&self) -> impl Iterator<Item = Bucket> + '_ {
        (0..self.flows.entries()).map(|index| self.flows.get(index * size_of::<Bucket>()))
    }

    /// Entries of the flow table that the program counts as flows of the municipality with this number.
    pub fn flow_count(&self, municipality: u16) -> u64 {
        self.pools.load(usize::from(municipality) * size_of::<Pool>() + offset_of!(Pool, flows))
    }

    /// Judges one frame as if it had entered there at that time. Time should not go back.
    pub fn judge(&mut self, entry: Entry, now_ns: u64, frame: &[u8]) -> Result<Event, Error> {
        if frame.len() < ETHERNET_HEADER {
            return Ok(self.too_short(entry, now_ns, frame));
        }
        if self.entry != Some(entry) {
            let Entry { port: number, role, municipality } = entry;
            let port = Port { number, role, municipality, ifindex: LOOPBACK, mtu: u16::MAX, ..Port::default() };
            self.ports.set(&port)?;
            self.entry = Some(entry);
        }
        let now_s = now_ns / NS_PER_S;
        self.sweep_if_needed(now_s);
        self.tables.set_replay_clock(now_ns);
        self.judgement.set(0, Event { verdict: UNWRITTEN, ..Event::default() });
        let program: &mut Xdp = load::program(&mut self.object, "gateway")?;
        let data_in = Some(&frame[..frame.len().min(LONGEST_FRAME)]);
        program
            .test_run(TestRunOptions { data_in, ..TestRunOptions::default() })
            .map_err(|error| Error::refused("a frame", error))?;
        let event: Event = self.judgement.get(0);
        if event.verdict == UNWRITTEN {
            return Err(Error::Missing { kind: "judgement of", name: "a frame".into() });
        }
        Ok(event)
    }

    /// Expired flows count until they are swept, which a clock that leaps makes dear: they are only where somebody would be
    /// refused another flow for them.
    fn sweep_if_needed(&mut self, now_s: u64) {
        let count = |number: u32| self.pools.load(number as usize * size_of::<Pool>() + offset_of!(Pool, flows));
        if self.swept_s != now_s && self.flow_budgets.iter().any(|&(number, most)| count(number) >= most) {
            self.sweep(now_s);
        }
        self.pools.store(offset_of!(Pool, swept_s), now_s);
    }

    /// Ends flows that have expired at this second of the clock, as a daemon does from time to time.
    pub fn sweep(&mut self, now_s: u64) {
        self.swept_s = now_s;
        sweep::sweep(&self.flows, &self.pools, now_s as u32, sweep::Grace::None);
    }

    fn too_short(&self, entry: Entry, now_ns: u64, frame: &[u8]) -> Event {
        let generation = self.tables.generation() as u32;
        let reason = if generation == 0 { Reason::NoPolicy } else { Reason::Truncated };
        let from_outside = matches!(entry.role, ROLE_UPLINK | ROLE_HAIRPIN);
        let direction = if from_outside { Direction::Ingress } else { Direction::Egress };
        Event {
            time_ns: now_ns,
            generation,
            length: frame.len() as u32,
            reason: reason as u16,
            municipality: if generation == 0 { 0 } else { entry.municipality },
            port: entry.port,
            verdict: Verdict::Drop as u8,
            direction: direction as u8,
            ..Event::default()
        }
    }
}
