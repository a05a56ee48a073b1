//! Public addresses and their port blocks, as the programs share them out: numbering addresses before a policy names
//! them, telling whose blocks are, and freeing those that nobody uses. The layout is [`abi::nat`].
//!
//! These maps have no generations and outlive the daemon. The programs take, and only this takes back.

mod blocks;

use std::collections::BTreeSet;
use std::mem::offset_of;

use abi::nat::{ClientBlocks, ClientKey, NOBODYS, PublicAddress};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use policy::CompiledPolicy;

use crate::error::Error;
use crate::load::{self, Mappable};
use crate::mmap::{Mapping, Value, wait_for_packets_in_flight};

pub use blocks::Assigned;

/// The maps.
pub struct Nat {
    numbers: HashMap<MapData, u32, u32>,
    clients: HashMap<MapData, Value<ClientKey>, Value<ClientBlocks>>,
    addresses: Mapping,
    blocks: Mappable,
    cells: Mappable,
}

impl Nat {
    /// Takes them out of a loaded object.
    pub(crate) fn take(object: &mut Ebpf) -> Result<Self, Error> {
        Ok(Self {
            numbers: load::take(object, "NAT_NUMBERS")?,
            clients: load::take(object, "NAT_CLIENTS")?,
            addresses: load::mapping(object, "NAT_ADDRESSES")?,
            blocks: Mappable::of(object, "NAT_BLOCKS")?,
            cells: Mappable::of(object, "NAT_CELLS")?,
        })
    }

    /// Public addresses that there is room for.
    pub fn capacity(&self) -> u32 {
        self.addresses.entries() as u32
    }

    /// Numbers every pool address of a policy that has none, if need be in the place of addresses that neither it nor the
    /// policy in force names and nobody uses. All of them, or nothing is changed.
    pub(crate) fn enrol(&mut self, policy: &CompiledPolicy, in_force: &BTreeSet<u32>) -> Result<(), Error> {
        let mut missing: BTreeSet<u32> = policy.tables.pool_addresses().iter().copied().collect();
        let wanted = missing.clone();
        let mut others = Vec::new();
        for number in 0..self.capacity() {
            let entry = self.address(number);
            missing.remove(&entry.address);
            let named = wanted.contains(&entry.address) || in_force.contains(&entry.address);
            if entry.address == 0 || (!named && is_unused(&entry)) {
                others.push((entry.address, number));
            }
        }
        if missing.len() > others.len() {
            let needed = self.addresses.entries() + missing.len() - others.len();
            return Err(Error::PublicAddresses { needed, room: self.addresses.entries() });
        }
        // Numbers that were never used first.
        others.sort_unstable_by_key(|&(address, number)| (address != 0, number));
        for (address, (old, number)) in missing.into_iter().zip(others) {
            if old != 0 {
                self.withdraw(old, number)?;
            }
            self.write(number, address);
            self.numbers.insert(address, number, 0).map_err(|error| Error::map("NAT_NUMBERS", error))?;
        }
        Ok(())
    }

    /// Takes the number of an address away that no policy names: nobody takes a block of it any more, but a packet that
    /// was judged by a policy before may still be looking.
    fn withdraw(&mut self, address: u32, number: u32) -> Result<(), Error> {
        self.numbers.remove(&address).map_err(|error| Error::map("NAT_NUMBERS", error))?;
        wait_for_packets_in_flight().map_err(|error| Error::map("NAT_NUMBERS", error))?;
        if is_unused(&self.address(number)) {
            return Ok(());
        }
        // It was faster; the next apply finds the number free again, or another.
        self.numbers.insert(address, number, 0).map_err(|error| Error::map("NAT_NUMBERS", error))?;
        Err(Error::PublicAddresses { needed: self.addresses.entries() + 1, room: self.addresses.entries() })
    }

    fn write(&self, number: u32, address: u32) {
        let mut entry = PublicAddress { address, ..PublicAddress::default() };
        entry.taken[0] = NOBODYS;
        self.addresses.set(number as usize * size_of::<PublicAddress>(), entry);
    }

    /// Forgets every block and mapping; only while no program runs.
    pub(crate) fn forget(&mut self) -> Result<(), Error> {
        for number in 0..self.capacity() {
            self.write(number, self.address(number).address);
        }
        for map in [&self.blocks, &self.cells] {
            let mapping = map.map()?;
            mapping.zero(0, mapping.len());
        }
        let clients: Vec<_> = self.clients.keys().filter_map(Result::ok).collect();
        for client in clients {
            self.clients.remove(&client).map_err(|error| Error::map("NAT_CLIENTS", error))?;
        }
        Ok(())
    }

    fn address(&self, number: u32) -> PublicAddress {
        self.addresses.get(number as usize * size_of::<PublicAddress>())
    }
}

fn is_unused(entry: &PublicAddress) -> bool {
    entry.taken[0] == NOBODYS && entry.taken[1..].iter().all(|&word| word == 0)
}

fn taken_at(number: u32, word: usize) -> usize {
    number as usize * size_of::<PublicAddress>() + offset_of!(PublicAddress, taken) + 8 * word
}
