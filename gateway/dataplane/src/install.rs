//! Puts table images into the half of the maps that no packet reads, checks what is there, and switches over by one
//! store. The only writer of policy tables; never writes the half that judges.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use abi::control::Control;
use aya::Ebpf;
use policy::CompiledPolicy;
use policy::tables::{Digest, digest_of};

use crate::error::Error;
use crate::load::{self, Mappable};
use crate::mmap::{Mapping, wait_for_packets_in_flight};

/// Maps that hold a policy, in two halves each.
pub const POLICY_MAPS: [&str; 20] = [
    "V4_ROOT",
    "V6_ROOT",
    "NODES",
    "RECORDS",
    "CLASSES",
    "VIEW_ROOTS",
    "VIEWS",
    "MUNICIPALITIES",
    "ATTACHMENTS",
    "VLANS",
    "INNER_VLANS",
    "SERVICES",
    "SERVICE_VIEWS",
    "ROWS",
    "PAIRS",
    "RULES",
    "POOL_ADDRESSES",
    "INBOUND",
    "BUDGETS",
    "DNS_GUARDS",
];

/// A policy's number in the order of installation, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Proof that something is in the kernel, whole, and judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed<T> {
    /// What.
    pub what: T,
    /// Digest of the tables as read back.
    pub digest: Digest,
}

/// How many bytes of each table a policy uses; what is needed to digest the installed half later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(Vec<(&'static str, usize)>);

impl Shape {
    /// Of a compiled policy.
    pub fn of(policy: &CompiledPolicy) -> Self {
        Self(policy.tables.images().iter().map(|image| (image.map, image.entries.len())).collect())
    }
}

/// The policy tables and the word that selects a half.
#[derive(Debug)]
pub struct Tables {
    control: Mapping,
    tables: BTreeMap<&'static str, Mappable>,
}

impl Tables {
    /// Of a loaded object.
    pub fn open(object: &Ebpf) -> Result<Self, Error> {
        let tables = POLICY_MAPS.iter().map(|name| Ok((*name, Mappable::of(object, name)?)));
        Ok(Self { control: load::mapping(object, "CONTROL")?, tables: tables.collect::<Result<_, Error>>()? })
    }

    /// What the maps were made for.
    pub fn control(&self) -> Control {
        self.control.get(0)
    }

    /// Notes for whom the maps were made; before the first policy.
    pub fn sign(&self, flow_buckets: u32, cookie_key: [u64; 2]) {
        let mut control = self.control();
        control.abi_version = abi::ABI_VERSION;
        control.flow_buckets = flow_buckets;
        control.cookie_key = cookie_key;
        self.control.set(0, control);
    }

    /// The clock of programs loaded for replay.
    pub fn set_replay_clock(&self, now_ns: u64) {
        self.control.store(offset_of!(Control, replay_clock_ns), now_ns);
    }

    /// The generation that judges; 0: none.
    pub fn generation(&self) -> u64 {
        self.control.load(offset_of!(Control, generation))
    }

    /// Makes a policy the one that judges. If anything fails, the one before goes on.
    ///
    /// `generation` is above the installed one and of the other parity, which selects the half.
    pub fn install(&mut self, policy: &CompiledPolicy, generation: Generation) -> Result<Installed<Generation>, Error> {
        let installed = self.generation();
        let Generation(asked) = generation;
        if asked <= installed || (installed != 0 && asked & 1 == installed & 1) {
            return Err(Error::Generation { asked, installed });
        }
        let images = policy.tables.images();
        for image in &images {
            let room = self.table(image.map)?.size_bytes() / 2;
            if image.entries.len() > room {
                return Err(Error::DoesNotFit { table: image.map.into(), needed: image.entries.len(), room });
            }
        }
        // A packet that read the generation before last may still be on its way through that half.
        wait_for_packets_in_flight().map_err(|error| Error::map("CONTROL", error))?;
        for image in &images {
            let table = self.table(image.map)?.map()?;
            table.write(half(&table, asked), &image.entries);
        }
        let found = self.digest_of_half(asked, &Shape::of(policy))?;
        if found != policy.digest {
            return Err(Error::Digest { intended: policy.digest.to_string(), found: found.to_string() });
        }
        self.control.store(offset_of!(Control, generation), asked);
        Ok(Installed { what: generation, digest: found })
    }

    /// Pool addresses of the policy that judges, in network order, and maybe of one before it.
    pub fn pool_in_force(&self) -> Result<BTreeSet<u32>, Error> {
        let table = self.table("POOL_ADDRESSES")?.map()?;
        let first = half(&table, self.generation());
        let words = (first..first + table.len() / 2).step_by(size_of::<u32>());
        Ok(words.map(|at| table.get(at)).filter(|&address| address != 0).collect())
    }

    /// Digest of what judges now, given how much of each table it should use.
    pub fn digest(&self, shape: &Shape) -> Result<Digest, Error> {
        self.digest_of_half(self.generation(), shape)
    }

    fn digest_of_half(&self, generation: u64, Shape(lengths): &Shape) -> Result<Digest, Error> {
        let tables = lengths.iter().map(|(name, length)| Ok((*name, *length, self.table(name)?.map()?)));
        let tables: Vec<_> = tables.collect::<Result<_, Error>>()?;
        Ok(digest_of(tables.iter().map(|(name, length, table)| {
            let length = (*length).min(table.len() / 2);
            (*name, table.view(half(table, generation), length))
        })))
    }

    fn table(&self, name: &str) -> Result<&Mappable, Error> {
        self.tables.get(name).ok_or_else(|| Error::Missing { kind: "map", name: name.into() })
    }
}

/// Byte offset of the half that a generation uses.
fn half(table: &Mapping, generation: u64) -> usize {
    if generation & 1 == 0 { 0 } else { table.len() / 2 }
}
