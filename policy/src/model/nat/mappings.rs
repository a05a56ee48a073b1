//! Blocks of ports and what their ports stand for. Nothing is ever freed here: that is the daemon's work.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use abi::flow::{REUSE_GRACE_S, state, timeout_s};
use abi::nat::{ADDRESS_TRIES, CLIENT_BLOCKS, FIRST_PORT, GROUP, REFRESH_SLACK_S, group, pool_choice};

use crate::checked::PortBlocks;
use crate::model::flows::Key;
use crate::model::prefecture::Municipality;

/// Who has blocks of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) municipality: Arc<str>,
    pub(super) address: Ipv4Addr,
    /// Of an inspector, which part of its ports.
    pub(super) part: Option<u32>,
}

/// An inside port, or echo identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Port {
    pub(super) number: u16,
    pub(super) protocol: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    address: Ipv4Addr,
    first: u32,
    ports: u32,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    inside: Port,
    expires_s: u32,
    /// More than one flow has used it.
    shared: bool,
}

impl Mapping {
    fn is_live(&self, now_s: u32) -> bool {
        now_s <= self.expires_s
    }

    fn is_free(&self, now_s: u32) -> bool {
        now_s > self.expires_s.saturating_add(REUSE_GRACE_S)
    }

    fn keep(&mut self, expires_s: u32) {
        self.expires_s = if self.shared { self.expires_s.max(expires_s) } else { expires_s };
    }
}

/// A public port. TCP's are not the others'.
type Public = (Ipv4Addr, u16, bool);

fn public(address: Ipv4Addr, port: u16, protocol: u8) -> Public {
    (address, port, protocol == 6)
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    blocks: HashMap<Client, Vec<Block>>,
    /// Ports of blocks, by address.
    assigned: HashMap<Ipv4Addr, Vec<Block>>,
    ports: HashMap<Public, Mapping>,
}

impl Mappings {
    /// The public address and port of a client's port, for one flow more.
    pub(super) fn map(
        &mut self,
        municipality: &Municipality,
        client: &Client,
        inside: Port,
        now_s: u32,
    ) -> Option<(Ipv4Addr, u16)> {
        let first_state = if inside.protocol == 6 { state::SYN_SENT } else { state::ONE_WAY };
        let expires_s = now_s.saturating_add(timeout_s(inside.protocol, first_state) + REFRESH_SLACK_S);
        let known = self.blocks.get(client).map_or(&[][..], Vec::as_slice);
        let usable: Vec<Block> =
            known.iter().filter(|block| municipality.pool.contains(&block.address)).copied().collect();
        for (address, port) in usable.iter().flat_map(|block| choices(*block, inside)) {
            let Some(mapping) = self.ports.get_mut(&public(address, port, inside.protocol)) else { continue };
            if mapping.inside == inside && !mapping.is_free(now_s) {
                mapping.shared = mapping.is_live(now_s);
                mapping.keep(expires_s);
                return Some((address, port));
            }
        }
        let free = usable.iter().find_map(|block| self.free(*block, inside, now_s));
        free.or_else(|| {
            let block = self.extend(municipality, client, usable.first().map(|block| block.address))?;
            self.free(block, inside, now_s)
        })
        .inspect(|&(address, port)| {
            let mapping = Mapping { inside, expires_s, shared: false };
            self.ports.insert(public(address, port, inside.protocol), mapping);
        })
    }

    fn free(&self, block: Block, inside: Port, now_s: u32) -> Option<(Ipv4Addr, u16)> {
        choices(block, inside).find(|&(address, port)| {
            self.ports.get(&public(address, port, inside.protocol)).is_none_or(|mapping| mapping.is_free(now_s))
        })
    }

    /// A block more, in the place of one whose address is no longer in the pool, if there is one.
    fn extend(&mut self, municipality: &Municipality, client: &Client, paired: Option<Ipv4Addr>) -> Option<Block> {
        let PortBlocks { ports, per_client } = municipality.blocks;
        let known = self.blocks.entry(client.clone()).or_default();
        let place = (0..(per_client as usize).min(CLIENT_BLOCKS))
            .find(|&n| known.get(n).is_none_or(|block| !municipality.pool.contains(&block.address)))?;
        let size = u32::try_from(municipality.pool.len()).unwrap_or(u32::MAX);
        let offered = (0..size.min(ADDRESS_TRIES))
            .map(|n| municipality.pool[pool_choice(client.address.to_bits(), n, size) as usize]);
        let block = paired.into_iter().chain(offered).find_map(|address| {
            let assigned = self.assigned.entry(address).or_default();
            let meets = |first: u32| {
                first < u32::from(FIRST_PORT)
                    || assigned.iter().any(|it| it.first < first + ports && first < it.first + it.ports)
            };
            let first = (0..65_536 / ports).map(|n| n * ports).find(|&first| !meets(first))?;
            assigned.push(Block { address, first, ports });
            assigned.last().copied()
        })?;
        match known.get_mut(place) {
            Some(old) => *old = block,
            None => known.push(block),
        }
        Some(block)
    }

    /// A flow lives on.
    pub(crate) fn keep(&mut self, key: &Key, (address, port): (Ipv4Addr, u16), expires_s: u32) {
        if let Some(mapping) = self.of(key, (address, port)) {
            mapping.keep(expires_s);
        }
    }

    /// A flow ended before its time.
    pub(crate) fn let_go(&mut self, key: &Key, public: (Ipv4Addr, u16), now_s: u32) {
        if let Some(mapping) = self.of(key, public).filter(|mapping| !mapping.shared && mapping.is_live(now_s)) {
            mapping.expires_s = now_s - 1;
        }
    }

    fn of(&mut self, key: &Key, (address, port): (Ipv4Addr, u16)) -> Option<&mut Mapping> {
        let inside = Port { number: key.inside_port, protocol: key.protocol };
        self.ports.get_mut(&public(address, port, key.protocol)).filter(|mapping| mapping.inside == inside)
    }
}

/// Where a port may be in a block, the first choice first.
fn choices(block: Block, inside: Port) -> impl Iterator<Item = (Ipv4Addr, u16)> {
    let shift = PortBlocks { ports: block.ports, per_client: 0 }.shift();
    (0..2).flat_map(move |n| {
        (0..GROUP).map(move |step| {
            let port = block.first + group(inside.number, shift, n) + (u32::from(inside.number) + step) % GROUP;
            (block.address, u16::try_from(port).unwrap_or(u16::MAX))
        })
    })
}
