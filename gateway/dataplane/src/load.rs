//! Loads the eBPF object: the one place that knows its maps, programs and globals by name.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use aya::maps::{Array, DevMap, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::Program;
use aya::{Ebpf, EbpfLoader};

use abi::budget::BudgetUse;
use abi::control::{CounterRow, EventLosses};
use abi::ports::{SlowPath, Trunk};

use crate::capacities::Capacities;
use crate::error::Error;
use crate::mmap::{Mapping, Value, stride};
use crate::port_table::PortTable;

/// Kernel that has everything the programs use: XDP programs for frames of several buffers came with 5.18; 6.1 is the
/// oldest long-term kernel after it.
const OLDEST_KERNEL: aya::util::KernelVersion = aya::util::KernelVersion::new(6, 1, 0);

/// What the programs are told when they are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Globals {
    /// Judge captured packets by their own clock.
    pub replay: bool,
    /// Room in the policy tables.
    pub capacities: Capacities,
    /// Buckets of the flow table, a power of two.
    pub flow_buckets: u32,
    /// Public addresses whose port blocks are kept.
    pub nat_addresses: u32,
    /// Keeps strangers from choosing flows that collide.
    pub hash_seed: u32,
}

/// Loads the object's maps, pinned in `pins` if given (existing pins are taken over), and none of its programs yet.
pub fn load(globals: &Globals, pins: Option<&Path>) -> Result<Ebpf, Error> {
    check_machine()?;
    let replay = u8::from(globals.replay);
    let flow_mask = globals.flow_buckets - 1;
    let paths: Vec<_> = MAPS.iter().map(|name| (*name, pins.map(|pins| pins.join(name)))).collect();
    let mut loader = EbpfLoader::new();
    loader
        .override_global("REPLAY", &replay, true)
        .override_global("FLOW_MASK", &flow_mask, true)
        .override_global("HASH_SEED", &globals.hash_seed, true)
        .map_max_entries("FLOWS", globals.flow_buckets)
        .map_max_entries("NAT_ADDRESSES", globals.nat_addresses)
        .map_max_entries("NAT_BLOCKS", globals.nat_addresses * abi::nat::UNITS)
        .map_max_entries("NAT_CELLS", globals.nat_addresses * abi::nat::CELLS);
    for (table, per_half) in globals.capacities.tables() {
        loader.override_global(table.global, per_half, true).map_max_entries(table.map, table.values(*per_half));
    }
    for (name, path) in &paths {
        if let Some(path) = path {
            loader.map_pin_path(name, path.as_path());
        }
    }
    loader.load(crate::object::GATEWAY_OBJECT).map_err(|error| Error::refused("gateway object", error))
}

/// Every map of the object.
pub const MAPS: [&str; 46] = [
    "ATTACHMENTS",
    "BUDGETS",
    "BUDGET_USE",
    "CLASSES",
    "CONTROL",
    "COUNTERS",
    "DNS_GUARDS",
    "DNS_QUERY",
    "DNS_ZONES",
    "EVENTS",
    "EVENT_LOSSES",
    "EXITS",
    "FLOWS",
    "FRAGMENTS",
    "GUARD_DROPS",
    "INBOUND",
    "INNER_VLANS",
    "INSPECTORS",
    "JUDGEMENT",
    "MUNICIPALITIES",
    "NAT_ADDRESSES",
    "NAT_BLOCKS",
    "NAT_CELLS",
    "NAT_CLIENTS",
    "NAT_NUMBERS",
    "NODES",
    "PAIRS",
    "POOLS",
    "POOL_ADDRESSES",
    "PORTS",
    "RECORDS",
    "ROWS",
    "RULES",
    "SERVICES",
    "SERVICE_VIEWS",
    "SET_HITS",
    "SLOW_PATHS",
    "SOURCES",
    "SYN_CELLS",
    "TRUNKS",
    "V4_ROOT",
    "V6_ROOT",
    "VIEWS",
    "VIEW_ROOTS",
    "VLANS",
    "WAYS",
];

/// A program of the object, for loading and attaching.
pub fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let missing = || Error::Missing { kind: "program", name: name.into() };
    object.program_mut(name).ok_or_else(missing)?.try_into().map_err(|_| missing())
}

/// Maps an array of the object into memory.
pub fn mapping(object: &Ebpf, name: &str) -> Result<Mapping, Error> {
    Mappable::of(object, name)?.map()
}

/// An array that can be mapped into memory. Large ones are mapped only while somebody looks: every page of a mapping
/// counts as this process's, and the kernel has to take them all down before a killed daemon is gone.
#[derive(Debug)]
pub struct Mappable {
    name: String,
    map: OwnedFd,
    value_size: usize,
    entries: usize,
}

impl Mappable {
    /// An array of the object.
    pub fn of(object: &Ebpf, name: &str) -> Result<Self, Error> {
        match object.map(name) {
            Some(Map::Array(data)) => Self::new(data, name),
            _ => Err(Error::Missing { kind: "map", name: name.into() }),
        }
    }

    /// An array.
    pub fn new(data: &MapData, name: &str) -> Result<Self, Error> {
        let info = data.info().map_err(|error| Error::map(name, error))?;
        let map = data.fd().as_fd().try_clone_to_owned().map_err(|error| Error::map(name, error))?;
        let (value_size, entries) = (info.value_size() as usize, info.max_entries() as usize);
        Ok(Self { name: name.into(), map, value_size, entries })
    }

    /// Bytes of all values.
    pub fn size_bytes(&self) -> usize {
        stride(self.value_size) * self.entries
    }

    /// Maps all values.
    pub fn map(&self) -> Result<Mapping, Error> {
        Mapping::new(self.map.as_fd(), self.value_size, self.entries).map_err(|error| Error::map(&self.name, error))
    }
}

/// Where ports, exits, ways into namespaces and counts are kept: the maps without generations.
pub struct RunTimeMaps {
    /// By interface index.
    pub ports: PortTable,
    /// By port number.
    pub exits: DevMap<MapData>,
    /// By attachment number.
    pub slow_paths: Array<MapData, Value<SlowPath>>,
    /// By interface index of a veth's root side.
    pub trunks: HashMap<MapData, u32, Value<Trunk>>,
    /// By municipality number.
    pub counters: PerCpuArray<MapData, Value<CounterRow>>,
    /// By set number.
    pub set_hits: PerCpuArray<MapData, u64>,
    /// By municipality number.
    pub event_losses: PerCpuArray<MapData, Value<EventLosses>>,
    /// By municipality number.
    pub budget_use: PerCpuArray<MapData, Value<BudgetUse>>,
    /// One.
    pub guard_drops: PerCpuArray<MapData, u64>,
}

impl RunTimeMaps {
    /// Takes them out of a loaded object.
    pub fn take(object: &mut Ebpf) -> Result<Self, Error> {
        Ok(Self {
            ports: PortTable::of(object)?,
            exits: take(object, "EXITS")?,
            slow_paths: take(object, "SLOW_PATHS")?,
            trunks: take(object, "TRUNKS")?,
            counters: take(object, "COUNTERS")?,
            set_hits: take(object, "SET_HITS")?,
            event_losses: take(object, "EVENT_LOSSES")?,
            budget_use: take(object, "BUDGET_USE")?,
            guard_drops: take(object, "GUARD_DROPS")?,
        })
    }
}

/// Takes the ring buffer of events out of a loaded object.
pub fn take_events(object: &mut Ebpf) -> Result<RingBuf<MapData>, Error> {
    take(object, "EVENTS")
}

/// Takes one typed map out of a loaded object.
pub fn take<M: TryFrom<Map, Error = aya::maps::MapError>>(object: &mut Ebpf, name: &str) -> Result<M, Error> {
    let map = object.take_map(name).ok_or_else(|| Error::Missing { kind: "map", name: name.into() })?;
    M::try_from(map).map_err(|error| Error::map(name, error))
}

/// Says early and clearly what would otherwise be a bare `EPERM` or `EINVAL` of some system call.
pub fn check_machine() -> Result<(), Error> {
    let running = aya::util::KernelVersion::current();
    if let Ok(running) = running
        && running < OLDEST_KERNEL
    {
        return Err(Error::OldKernel { found: format!("{running:?}"), needed: "6.1".into() });
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(u64::MAX);
    let has = |capability: u32| capabilities & (1 << capability) != 0;
    let (net_admin, sys_admin, perfmon, bpf) = (has(12), has(21), has(38), has(39));
    if net_admin && (sys_admin || (perfmon && bpf)) { Ok(()) } else { Err(Error::NoPrivilege) }
}
