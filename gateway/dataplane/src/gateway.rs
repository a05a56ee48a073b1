//! The programs on real ports, pinned so that they outlive the daemon.
//!
//! A first start loads, attaches the guard to every port, then the program, which drops everything while
//! the generation is 0; only then a policy is installed. Every later start takes over what is pinned: maps as they are, programs
//! replaced in their links, so that no packet meets a port without them.
//! Not here: what the namespaces look like (`namespaces`), what is in the policy tables (`install`).

mod attach;
mod budgets;
mod dns;
mod flood;
mod hairpin;
mod inspectors;
mod pins;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use abi::ports::{Port, ROLE_ACCESS, ROLE_UPLINK, SlowPath, Trunk};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use aya::programs::{SchedClassifier, Xdp};
use policy::{CompiledPolicy, Numbering, Policy};

use crate::capacities::Capacities;
use crate::error::Error;
use crate::events::Events;
use crate::inspector_words::InspectorWords;
use crate::install::{Generation, Installed, Shape, Tables};
use crate::links::{self, Link};
use crate::load::{self, Globals, Mappable, RunTimeMaps};
use crate::mmap::{Mapping, Value};
use crate::namespaces::hairpin::{FAR, NEAR};
use crate::namespaces::{Desired, desired::PortFacts};
use crate::nat::Nat;
use crate::readings::{self, Readings};
use inspectors::Inspectors;

pub use budgets::BudgetReading;
pub use dns::ZoneReading;
pub use flood::Attacked;
pub use inspectors::InspectorWay;
pub use pins::{detach, is_pinned, lock_patiently, mount_bpffs};

/// What the daemon decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory on a bpffs for everything pinned.
    pub pins: PathBuf,
    /// Buckets of the flow table, a power of two; only a first start heeds it.
    pub flow_buckets: u32,
    /// Public addresses whose port blocks are kept; only a first start heeds it.
    pub nat_addresses: u32,
    /// The same for as long as the maps live.
    pub hash_seed: u32,
}

/// The data path, and the right to change it.
pub struct Gateway {
    config: Config,
    object: Ebpf,
    tables: Tables,
    maps: RunTimeMaps,
    flows: Mappable,
    nat: Nat,
    pools: Mapping,
    syn_cells: Mapping,
    dns_zones: Mapping,
    events: Option<Events>,
    adopted: bool,
    ports: BTreeMap<String, AttachedPort>,
    inspectors: Inspectors,
    /// The interface where the hairpin comes out, if it carries the programs.
    hairpin: Option<u32>,
    warnings: BTreeSet<String>,
    _lock: File,
}

/// A port that carries the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedPort {
    /// Stable number.
    pub number: u8,
    /// [`ROLE_ACCESS`] or [`ROLE_UPLINK`].
    pub role: u8,
    /// How the guard is attached.
    pub guard: &'static str,
    /// The interface that carries them; another of the same name does not.
    pub ifindex: u32,
}

/// Random: nobody outside may know it.
fn cookie_key() -> Result<[u64; 2], Error> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::file("/dev/urandom", error))?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    Ok([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes(rest)])
}

impl Gateway {
    /// Loads the programs, taking over what is pinned. Attaches nothing to ports that do not carry them already.
    pub fn start(config: Config) -> Result<Self, Error> {
        load::check_machine()?;
        let lock = pins::prepare(&config.pins)?;
        let pinned = pins::inspect(&config.pins)?;
        let globals = Globals {
            replay: false,
            capacities: pinned.map_or_else(Capacities::largest, |pinned| pinned.capacities),
            flow_buckets: pinned.map_or(config.flow_buckets, |pinned| pinned.flow_buckets),
            nat_addresses: pinned.map_or(config.nat_addresses, |pinned| pinned.nat_addresses),
            hash_seed: config.hash_seed,
        };
        let mut object = load::load(&globals, Some(&config.pins.join(pins::MAPS)))?;
        let tables = Tables::open(&object)?;
        if pinned.is_none() {
            tables.sign(globals.flow_buckets, cookie_key()?);
        }
        load::program::<Xdp>(&mut object, "gateway")?.load().map_err(|error| Error::refused("gateway", error))?;
        for name in ["guard", "from_namespace"] {
            let program: &mut SchedClassifier = load::program(&mut object, name)?;
            program.load().map_err(|error| Error::refused(name, error))?;
        }
        pins::pin_programs(&mut object, &config.pins)?;
        let mut warnings = BTreeSet::new();
        if globals.flow_buckets != config.flow_buckets {
            warnings.insert(format!(
                "the flow table keeps its {} buckets; detach and start again for {}",
                globals.flow_buckets, config.flow_buckets
            ));
        }
        if globals.nat_addresses != config.nat_addresses {
            warnings.insert(format!(
                "there is room for the port blocks of {} public addresses; detach and start again for {}",
                globals.nat_addresses, config.nat_addresses
            ));
        }
        warnings.extend(pins::private_mounts());
        Ok(Self {
            maps: RunTimeMaps::take(&mut object)?,
            flows: Mappable::of(&object, "FLOWS")?,
            nat: Nat::take(&mut object)?,
            pools: load::mapping(&object, "POOLS")?,
            syn_cells: load::mapping(&object, "SYN_CELLS")?,
            dns_zones: load::mapping(&object, "DNS_ZONES")?,
            events: Some(Events::new(load::take_events(&mut object)?)),
            adopted: tables.generation() != 0,
            ports: BTreeMap::new(),
            inspectors: Inspectors::default(),
            hairpin: None,
            tables,
            object,
            config,
            warnings,
            _lock: lock,
        })
    }

    /// Whether there was a policy in the kernel when this value was made.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// The generation that judges; 0: none, everything is dropped.
    pub fn generation(&self) -> u64 {
        self.tables.generation()
    }

    /// What is known of a policy's ports, or which does not exist.
    pub fn port_facts(policy: &Policy) -> Result<BTreeMap<String, PortFacts>, Error> {
        let links = links::list()?;
        let names = policy.uplinks.iter().chain(&policy.accesses);
        names
            .map(|name| {
                let link = links.get(name).ok_or_else(|| Error::NoPort(name.clone()))?;
                Ok((name.clone(), PortFacts { mac: link.mac(), mtu: link.mtu }))
            })
            .collect()
    }

    /// Attaches the programs to every port of a policy that lacks them, the guard first, and replaces those of before.
    pub fn attach(&mut self, policy: &Policy, numbering: &Numbering) -> Result<(), Error> {
        let links = links::list()?;
        let uplinks = policy.uplinks.iter().map(|name| (name, ROLE_UPLINK));
        for (name, role) in uplinks.chain(policy.accesses.iter().map(|name| (name, ROLE_ACCESS))) {
            let link = links.get(name).ok_or_else(|| Error::NoPort(name.clone()))?;
            let number = numbering.ports.get(name).copied().unwrap_or(0);
            let port = self.attach_port(link, number, role)?;
            self.ports.insert(name.clone(), port);
        }
        Ok(())
    }

    fn attach_port(&mut self, link: &Link, number: u8, role: u8) -> Result<AttachedPort, Error> {
        let name = link.ifname.as_str();
        let entry = entry_of(link, number, role);
        let is_same = |port: &&AttachedPort| (port.number, port.role, port.ifindex) == (number, role, link.ifindex);
        if link.xdp.is_some()
            && let Some(port) = self.ports.get(name).filter(is_same).cloned()
        {
            // It may have another MTU.
            self.write_port(&entry)?;
            return Ok(port);
        }
        let was_ours = pins::ports(&self.config.pins)?.contains(name);
        let guard = attach::classifier(&mut self.object, &self.config.pins, "guard", name)?;
        // Tags must be in the frames when the program first sees them; forwarding waits until it does.
        self.warnings.extend(ports::offloads(name)?);
        self.write_port(&entry)?;
        if let Err(error) = attach::xdp(&mut self.object, &self.config.pins, name) {
            if !was_ours {
                // Nothing was opened yet: a port named by mistake goes on as it was.
                pins::remove_port(&self.config.pins, name)?;
            }
            return Err(error);
        }
        self.warnings.extend(ports::open(name, role)?);
        Ok(AttachedPort { number, role, guard, ifindex: link.ifindex })
    }

    /// Whether a port exists, but not as the interface that carries the programs: it was unplugged and came back, or
    /// another was given its name.
    pub fn is_any_port_new(&self) -> bool {
        let ifindex = |name: &str| nix::net::if_::if_nametoindex(name).ok();
        self.ports.iter().any(|(name, port)| ifindex(name).is_some_and(|ifindex| ifindex != port.ifindex))
    }

    fn write_port(&mut self, port: &Port) -> Result<(), Error> {
        self.maps.ports.set(port)?;
        let number = u32::from(port.number);
        self.maps.exits.set(number, port.ifindex, None, 0).map_err(|error| Error::map("EXITS", error))
    }

    /// Points the program at the namespaces, which exist, and their packets at the trunks; puts the program where their
    /// inspectors send and where the hairpin comes out; then opens the ways. An inspector that could not be given one is kept in, and
    /// [told of](Self::warnings).
    pub fn connect(&mut self, desired: &Desired) -> Result<(), Error> {
        let links = links::list()?;
        let ifindex = |name: &str| links.get(name).map_or(0, |link| link.ifindex);
        for town in &desired.towns {
            self.attach_inspector(town, links.get(&town.inspect_root));
            for leg in &town.legs {
                let mut vlans = [0; 2];
                for (slot, vlan) in vlans.iter_mut().zip(&leg.vlans) {
                    *slot = *vlan;
                }
                let vlan_count = leg.vlans.len().min(2) as u8;
                let trunk = Trunk { ifindex: ifindex(&leg.port), vlans, vlan_count, reserved: [0; 3] };
                let root = ifindex(&leg.root);
                self.maps.trunks.insert(root, Value(trunk), 0).map_err(|error| Error::map("TRUNKS", error))?;
                attach::classifier(&mut self.object, &self.config.pins, "from_namespace", &leg.root)?;
                let slow_path = SlowPath {
                    vlan_ifindex: root,
                    inspect_ifindex: ifindex(&town.inspect_root),
                    vlan_mac: leg.mac,
                    inspect_mac: town.inspect_mac,
                    reserved: 0,
                };
                let number = u32::from(leg.number);
                self.maps
                    .slow_paths
                    .set(number, Value(slow_path), 0)
                    .map_err(|error| Error::map("SLOW_PATHS", error))?;
            }
        }
        self.attach_hairpin(desired, &links)?;
        crate::namespaces::open(desired, |town| self.inspectors.is_closed(town))
    }

    /// Makes a policy the one that judges. Its ports are attached and its namespaces connected.
    pub fn install(&mut self, policy: &CompiledPolicy, generation: u64) -> Result<Installed<Generation>, Error> {
        self.nat.enrol(policy, &self.tables.pool_in_force()?)?;
        self.tables.install(policy, Generation(generation))
    }

    /// Digest of the tables that judge.
    pub fn digest(&self, shape: &Shape) -> Result<policy::tables::Digest, Error> {
        self.tables.digest(shape)
    }

    /// Lets go of ports, veths and attachments that the installed policy no longer has, and of ports that an apply before
    /// it only began with.
    pub fn retire(&mut self, policy: &Policy, desired: &Desired) -> Result<(), Error> {
        let inspectors: BTreeSet<&str> = desired.towns.iter().map(|town| town.inspect_root.as_str()).collect();
        let ports = policy.uplinks.iter().chain(&policy.accesses);
        let hairpin = [NEAR, FAR];
        let wanted =
            |name: &str| inspectors.contains(name) || hairpin.contains(&name) || ports.clone().any(|port| port == name);
        for name in pins::ports(&self.config.pins)? {
            if !wanted(&name) {
                ports::close(&name);
                pins::remove_port(&self.config.pins, &name)?;
                self.ports.remove(&name);
            }
        }
        let kept: BTreeSet<u32> = self.ports.values().map(|port| u32::from(port.number)).collect();
        for number in (0..abi::limits::PORTS).filter(|number| !kept.contains(number)) {
            // A flow may still remember the port; interface 0 empties the entry.
            self.maps.exits.set(number, 0, None, 0).map_err(|error| Error::map("EXITS", error))?;
        }
        let links = links::list()?;
        let port_indexes: BTreeSet<u32> = links.values().filter(|l| wanted(&l.ifname)).map(|l| l.ifindex).collect();
        self.maps.ports.retain(&port_indexes);
        self.inspectors.retain(desired);
        let legs = || desired.towns.iter().flat_map(|town| &town.legs);
        pins::remove_veths_except(&self.config.pins, &legs().map(|leg| leg.root.as_str()).collect())?;
        let root_indexes = legs().filter_map(|leg| links.get(&leg.root)).map(|link| link.ifindex).collect();
        retain_trunks(&mut self.maps.trunks, &root_indexes)?;
        let numbers: BTreeSet<u32> = legs().map(|leg| u32::from(leg.number)).collect();
        for number in (1..abi::limits::ATTACHMENTS).filter(|number| !numbers.contains(number)) {
            let slow_path = self.maps.slow_paths.get(&number, 0).map_err(|error| Error::map("SLOW_PATHS", error))?;
            if slow_path.0.vlan_ifindex != 0 {
                let none = Value(SlowPath::default());
                self.maps.slow_paths.set(number, none, 0).map_err(|error| Error::map("SLOW_PATHS", error))?;
            }
        }
        Ok(())
    }

    /// The ports, with what the kernel says about each now.
    pub fn ports(&self) -> Result<Vec<(AttachedPort, Link)>, Error> {
        let mut links = links::list()?;
        let ports = self.ports.iter();
        Ok(ports.filter_map(|(name, port)| Some((port.clone(), links.remove(name)?))).collect())
    }

    /// What an operator should know: generic mode, VLAN tags that the driver strips, and the like.
    pub fn warnings(&self) -> Result<Vec<String>, Error> {
        let mut warnings: Vec<String> = self.warnings.iter().cloned().collect();
        let links = links::list()?;
        for name in self.ports.keys() {
            match links.get(name).map(Link::xdp_mode) {
                Some("native" | "offloaded") => {}
                Some("generic") => warnings.push(format!(
                    "port `{name}` runs XDP in generic mode, which is several times slower; its driver has no native XDP \
                     at this MTU"
                )),
                Some(_) => warnings.push(format!("port `{name}` does not carry the program; restart bangasad")),
                None => warnings.push(format!(
                    "port `{name}` is gone from this machine; it is taken up again when an interface has its name"
                )),
            }
        }
        warnings.extend(self.inspectors.warnings(&links));
        Ok(warnings)
    }

    /// The words by which the program knows which inspectors serve.
    pub fn inspector_words(&self) -> Result<InspectorWords, Error> {
        InspectorWords::of(&self.object)
    }

    /// By municipality: whether its inspector's own connections are let out.
    pub fn inspectors(&self) -> BTreeMap<String, InspectorWay> {
        self.inspectors.ways()
    }

    /// All counters, for municipalities and sets up to these numbers.
    pub fn read(&self, municipalities: u16, sets: u16) -> Result<Readings, Error> {
        readings::read(&self.maps, municipalities, sets)
    }

    /// Live flows by municipality number.
    pub fn count_flows(&self) -> Result<Vec<u64>, Error> {
        Ok(readings::count_flows(&self.flows.map()?, crate::clock::coarse_seconds()))
    }

    /// Flows that the table has room for; a translated flow takes two.
    pub fn flow_capacity(&self) -> u64 {
        (self.flows.size_bytes() / size_of::<abi::flow::Flow>()) as u64
    }

    /// Public addresses and their port blocks.
    pub fn nat(&mut self) -> &mut Nat {
        &mut self.nat
    }

    /// The ring buffer of events; only the first caller gets it.
    pub fn take_events(&mut self) -> Option<Events> {
        self.events.take()
    }
}

/// What the program should know of an interface. No link carries IP datagrams of more than 65,535 bytes.
fn entry_of(link: &Link, number: u8, role: u8) -> Port {
    let mtu = link.mtu.try_into().unwrap_or(u16::MAX);
    Port { number, role, mac: link.mac(), mtu, municipality: 0, ifindex: link.ifindex }
}

fn retain_trunks(trunks: &mut HashMap<MapData, u32, Value<Trunk>>, wanted: &BTreeSet<u32>) -> Result<(), Error> {
    let stale: Vec<u32> = trunks.keys().filter_map(Result::ok).filter(|key| !wanted.contains(key)).collect();
    stale.iter().try_for_each(|key| trunks.remove(key)).map_err(|error| Error::map("TRUNKS", error))
}
