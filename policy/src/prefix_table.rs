//! Address → class: runs of addresses laid out as a root table and nodes of 256 entries, for both families.
//!
//! An entry is a class or [`NODE`] with a node's number. Classes are pushed down to the leaves, so a look-up ends at
//! the first entry that is not a node and nothing has to be remembered on the way. Nodes with the same entries are one
//! node: a /24 that holds one address of a large set has only 256 forms, so sets of single addresses stay small.
//! Addresses are 128 bits, IPv4 in the highest 32.

use std::collections::HashMap;

use abi::limits::{NODE_ENTRIES, V4_ROOT, V6_ROOT};
use abi::tables::NODE;

/// Consecutive addresses of one class, other than class 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub first: u128,
    pub last: u128,
    pub class: u32,
}

/// The nodes of both families. Node 0 is not used.
pub(crate) struct Nodes {
    pub entries: Vec<u32>,
    by_fingerprint: HashMap<u64, u32>,
}

type Node = [u32; NODE_ENTRIES as usize];

/// `V4_ROOT` of these runs.
pub(crate) fn v4_root(runs: &[Run], nodes: &mut Nodes) -> Vec<u32> {
    root(runs, nodes, V4_ROOT)
}

/// `V6_ROOT` of these runs.
pub(crate) fn v6_root(runs: &[Run], nodes: &mut Nodes) -> Vec<u32> {
    root(runs, nodes, V6_ROOT)
}

/// Zeroed memory is not touched until something is written to it: an IPv4 root costs what its runs cover.
fn root(runs: &[Run], nodes: &mut Nodes, size: u32) -> Vec<u32> {
    let mut table = vec![0; size as usize];
    let shift = 128 - size.trailing_zeros();
    Builder { runs, nodes }.fill(&mut table, 0, shift);
    table
}

impl Nodes {
    pub fn new() -> Self {
        Self { entries: vec![0; NODE_ENTRIES as usize], by_fingerprint: HashMap::new() }
    }

    pub fn count(&self) -> usize {
        self.entries.len() / NODE_ENTRIES as usize
    }

    fn number(&mut self, node: &Node) -> u32 {
        let mut key = fingerprint(node);
        loop {
            let next = self.count() as u32;
            let number = *self.by_fingerprint.entry(key).or_insert(next);
            if number == next {
                self.entries.extend_from_slice(node);
                return number;
            }
            let start = number as usize * node.len();
            if self.entries[start..start + node.len()] == node[..] {
                return number;
            }
            key = key.wrapping_add(1);
        }
    }
}

/// Four independent lanes, because one chain of multiplications would take as long as all the rest of a node.
fn fingerprint(node: &Node) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [1_u64, 2, 3, 4];
    for entries in node.chunks_exact(lanes.len()) {
        for (lane, &entry) in lanes.iter_mut().zip(entries) {
            *lane = (lane.rotate_left(5) ^ u64::from(entry)).wrapping_mul(FACTOR);
        }
    }
    lanes.iter().fold(0, |all, lane| (all.rotate_left(23) ^ lane).wrapping_mul(FACTOR))
}

/// Consumes disjoint runs in ascending order.
struct Builder<'a> {
    runs: &'a [Run],
    nodes: &'a mut Nodes,
}

impl Builder<'_> {
    /// Fills the entries of a table that begins at address `base`, each of `1 << shift` addresses; leaves the runs
    /// that reach beyond it.
    fn fill(&mut self, table: &mut [u32], base: u128, shift: u32) {
        let entry_mask = (1_u128 << shift) - 1;
        let end = base + (((table.len() as u128 - 1) << shift) | entry_mask);
        let mut from = base;
        while let Some(&run) = self.runs.first() {
            let first = run.first.max(from);
            if first > end {
                return;
            }
            let index = ((first - base) >> shift) as usize;
            let entry_last = first | entry_mask;
            let done = if first & entry_mask == 0 && run.last >= entry_last {
                let last = run.last.min(end);
                let stop = index + ((last - first) >> shift) as usize + usize::from(last & entry_mask == entry_mask);
                table[index..stop].fill(run.class);
                base + (((stop as u128 - 1) << shift) | entry_mask)
            } else {
                let mut node = [0; NODE_ENTRIES as usize];
                self.fill(&mut node, first & !entry_mask, shift - 8);
                table[index] = NODE | self.nodes.number(&node);
                entry_last
            };
            if self.runs.first().is_some_and(|run| run.last <= done) {
                self.runs = &self.runs[1..];
            }
            if done == end {
                return;
            }
            from = done + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(root: &[u32], nodes: &Nodes, address: u128) -> u32 {
        let mut shift = 128 - root.len().trailing_zeros();
        let mut entry = root[(address >> shift) as usize];
        while entry & NODE != 0 {
            shift -= 8;
            entry = nodes.entries[(entry & !NODE) as usize * 256 + (address >> shift) as usize % 256];
        }
        entry
    }

    fn run(first: u128, last: u128, class: u32) -> Run {
        Run { first, last, class }
    }

    #[test]
    fn edges_of_runs_are_exact() {
        let unit = 1_u128 << 96;
        let runs = [
            run(0, 3 * unit - 1, 1),
            run(300 * unit, 1_000 * unit - 1, 2),
            run(1_000 * unit, 1_001 * unit - 1, 3),
            run(0x0a00_0000 * unit, 0x0b00_0000 * unit - 1, 4),
            run(0xffff_ff80 * unit, u128::MAX, 5),
        ];
        let mut nodes = Nodes::new();
        let root = v4_root(&runs, &mut nodes);
        for (address, class) in [
            (0, 1),
            (2, 1),
            (3, 0),
            (299, 0),
            (300, 2),
            (511, 2),
            (512, 2),
            (999, 2),
            (1_000, 3),
            (1_001, 0),
            (0x09ff_ffff, 0),
            (0x0a00_0000, 4),
            (0x0aff_ffff, 4),
            (0x0b00_0000, 0),
            (0xffff_ff7f, 0),
            (0xffff_ff80, 5),
            (0xffff_ffff, 5),
        ] {
            assert_eq!(look_up(&root, &nodes, address * unit), class, "address {address:#x}");
        }
    }

    #[test]
    fn single_ipv6_addresses_and_the_last_one() {
        let site = 0x2001_0db8_0004_0000_u128 << 64;
        let runs = [run(site + 7, site + 7, 1), run(site + 9, site + (1 << 72), 2), run(u128::MAX, u128::MAX, 3)];
        let mut nodes = Nodes::new();
        let root = v6_root(&runs, &mut nodes);
        for (address, class) in [
            (site + 6, 0),
            (site + 7, 1),
            (site + 8, 0),
            (site + 9, 2),
            (site + (1 << 72), 2),
            (site + (1 << 72) + 1, 0),
            (u128::MAX, 3),
            (u128::MAX - 1, 0),
        ] {
            assert_eq!(look_up(&root, &nodes, address), class, "address {address:#x}");
        }
    }

    #[test]
    fn equal_nodes_are_one() {
        let runs: Vec<Run> = (1..10_000).map(|n| run((n * 256 + 7) << 96, ((n * 256 + 8) << 96) - 1, 1)).collect();
        let mut nodes = Nodes::new();
        let root = v4_root(&runs, &mut nodes);
        assert_eq!(nodes.count(), 2);
        assert_eq!(look_up(&root, &nodes, (9_999 * 256 + 7) << 96), 1);
        assert_eq!(look_up(&root, &nodes, (9_999 * 256 + 8) << 96), 0);
    }
}
