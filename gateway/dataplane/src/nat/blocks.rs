//! Which blocks are whose, and freeing them.
//!
//! In two steps, because a program may be taking a port at any moment: a block is marked, so that nobody takes another; and
//! when every packet that may not have seen the mark is done, its cells are looked at again.

use std::mem::offset_of;
use std::net::Ipv4Addr;

use abi::nat::{
    Block, Cell, ClientBlocks, ClientKey, LARGEST_SHIFT, PublicAddress, SPACES, UNIT_PORTS, UNITS, group_index,
    referred, status, unit_index, units,
};

use super::{Nat, taken_at};
use crate::error::Error;
use crate::mmap::{Mapping, wait_for_packets_in_flight};

impl Nat {
    /// Every block that is somebody's.
    pub fn blocks(&self) -> Result<Vec<Assigned>, Error> {
        let blocks = self.blocks.map()?;
        let mut found = Vec::new();
        for number in 0..self.capacity() {
            let entry = self.address(number);
            for unit in (0..UNITS).filter(|unit| entry.taken[*unit as usize / 64] >> (unit % 64) & 1 != 0) {
                found.extend(assigned(&blocks, &entry, unit_index(number, unit)));
            }
        }
        Ok(found)
    }

    /// Marks blocks that nobody has used for `quarantine_s`, so that the programs take nothing more from them, and returns
    /// those; also those that were marked before and not [freed](Self::free).
    pub fn retire(&self, now_s: u32, quarantine_s: u32) -> Result<Vec<Assigned>, Error> {
        let (blocks, cells) = (self.blocks.map()?, self.cells.map()?);
        let is_idle = |block: &Assigned| {
            let is_long_ago = |second: u32| now_s.saturating_sub(second) > quarantine_s;
            is_long_ago((block.assigned_ns / 1_000_000_000) as u32) && is_long_ago(last_use(&cells, block))
        };
        let change = |block: &Assigned, old: u64, new: u64| {
            let (old, new) = (status::of(old, block.shift), status::of(new, block.shift));
            blocks.exchange_if(status_at(block.index), old, new)
        };
        let mut retiring = self.blocks()?;
        retiring.retain(|block| {
            is_idle(block) && (block.retired_before || change(block, status::IN_USE, status::RETIRING))
        });
        if retiring.is_empty() {
            return Ok(retiring);
        }
        // A packet may have been about to take a port when the block was marked.
        wait_for_packets_in_flight().map_err(|error| Error::map("NAT_BLOCKS", error))?;
        retiring.retain(|block| is_idle(block) || !change(block, status::RETIRING, status::IN_USE));
        Ok(retiring)
    }

    /// Gives back blocks that [`Self::retire`] returned.
    pub fn free(&mut self, retired: &[Assigned]) -> Result<(), Error> {
        let (blocks, cells) = (self.blocks.map()?, self.cells.map()?);
        for block in retired {
            let (first, count) = span(block);
            cells.zero(first * 8, count * 8);
            blocks.store(status_at(block.index), status::FREE);
            let (number, unit) = (block.index / UNITS, block.index % UNITS);
            let (at, units) = (taken_at(number, unit as usize / 64), units(unit % 64, block.shift));
            let mut taken = self.addresses.load(at);
            while !self.addresses.exchange_if(at, taken, taken & !units) {
                taken = self.addresses.load(at);
            }
        }
        self.forget_clients(&blocks)
    }

    /// Forgets clients that have no blocks any more. One that is getting another at this very moment loses it to the next
    /// quarantine, and gets one more.
    fn forget_clients(&mut self, blocks: &Mapping) -> Result<(), Error> {
        let mut idle = Vec::new();
        for entry in self.clients.iter().filter_map(Result::ok) {
            let (client, ClientBlocks(references)) = (entry.0.0, entry.1.0);
            let has = |reference: u32| {
                let (index, shift) = referred(reference);
                let block: Block = blocks.get(index as usize * size_of::<Block>());
                reference != 0 && block.status != status::of(status::FREE, shift) && block.owner == client
            };
            if !references.into_iter().any(has) {
                idle.push(entry.0);
            }
        }
        for client in idle {
            // The programs may have been faster.
            let _ = self.clients.remove(&client);
        }
        Ok(())
    }
}

/// A block that is somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// Index in `NAT_BLOCKS`.
    pub index: u32,
    /// Public address.
    pub address: Ipv4Addr,
    /// Lowest port.
    pub first_port: u16,
    /// Number of ports.
    pub ports: u16,
    /// Whose.
    pub owner: ClientKey,
    /// `CLOCK_MONOTONIC` in ns.
    pub assigned_ns: u64,
    /// Whether it was marked to be freed before this was read.
    pub retired_before: bool,
    shift: u32,
}

impl Assigned {
    /// The inside client's address.
    pub fn client(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.owner.client.to_ne_bytes())
    }
}

/// The block that begins at a unit, if one does.
fn assigned(blocks: &Mapping, entry: &PublicAddress, index: u32) -> Option<Assigned> {
    // The word that says it is in use was written last.
    let found = blocks.load(status_at(index));
    let (kind, shift) = (found & status::MASK, (found >> status::SIZE_SHIFT) as u32);
    let block: Block = blocks.get(index as usize * size_of::<Block>());
    (kind == status::IN_USE || kind == status::RETIRING).then(|| Assigned {
        index,
        address: Ipv4Addr::from(entry.address.to_ne_bytes()),
        first_port: (index % UNITS * UNIT_PORTS) as u16,
        ports: (UNIT_PORTS << shift.min(LARGEST_SHIFT)) as u16,
        owner: block.owner,
        assigned_ns: block.assigned_ns,
        shift: shift.min(LARGEST_SHIFT),
        retired_before: kind == status::RETIRING,
    })
}

fn status_at(index: u32) -> usize {
    index as usize * size_of::<Block>() + offset_of!(Block, status)
}

/// Where the cells of a block are: first and number.
fn span(block: &Assigned) -> (usize, usize) {
    let number = block.index / UNITS;
    (group_index(number, block.first_port.into(), 0) as usize, usize::from(block.ports) * SPACES as usize)
}

/// The last second in which one of its ports may have been in use.
fn last_use(cells: &Mapping, block: &Assigned) -> u32 {
    let (first, count) = span(block);
    (first..first + count).map(|at| Cell(cells.load(at * 8)).expires_s()).max().unwrap_or(0)
}
