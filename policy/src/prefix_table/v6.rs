//! IPv6: a wide root for 2000::/3 and a small one for the rest; below it, records, and nodes where boundaries crowd.
//!
//! A cell is all addresses that agree in their first octets. It becomes a class, a record if its boundaries fit into
//! one, and a cell for each value of the next octet otherwise: a record again where few of these differ, a node where
//! many do. Records of records would take less memory than nodes, but one step more.

use std::ops::Range;

use abi::limits::{NODE_ENTRIES, V6_ROOT, V6_ROOT_GLOBAL};
use abi::prefixes::{Record, kind};

use super::{Run, Targets};

/// From this address on, up to the next boundary.
#[derive(Clone, Copy)]
struct Boundary {
    start: u128,
    class: u32,
}

/// `V6_ROOT` of disjoint runs in ascending order.
pub(super) fn root(runs: &[Run], targets: &mut Targets) -> Vec<u32> {
    let boundaries = boundaries(runs);
    let (global, all) = (V6_ROOT_GLOBAL as usize, V6_ROOT as usize);
    let mut root = vec![0; all];
    let below = boundaries.partition_point(|it| it.start < 0x2000 << 112);
    let above = below + boundaries[below..].partition_point(|it| it.start < 0x4000 << 112);
    let class = |end: usize| boundaries[..end].last().map_or(0, |it| it.class);
    let mut builder = Builder { targets };
    builder.fill(&mut root[global..global + 0x2000], 0, 2, &boundaries[..below], 0);
    builder.fill(&mut root[..global], 0x2000 << 112, 3, &boundaries[below..above], class(below));
    builder.fill(&mut root[global + 0x4000..], 0x4000 << 112, 2, &boundaries[above..], class(above));
    root
}

/// Between runs is class 0; before the first boundary as well.
fn boundaries(runs: &[Run]) -> Vec<Boundary> {
    let mut boundaries: Vec<Boundary> = Vec::with_capacity(2 * runs.len());
    for run in runs {
        boundaries.pop_if(|before| before.start == run.first);
        boundaries.push(Boundary { start: run.first, class: run.class });
        boundaries.extend(run.last.checked_add(1).map(|start| Boundary { start, class: 0 }));
    }
    boundaries
}

/// An entry from a boundary on, by the seven octets that follow those behind.
#[derive(Clone)]
struct Item {
    key: u64,
    class: u32,
    /// Boundaries that the seven octets do not tell apart.
    within: Range<usize>,
}

/// Bits of an [`Item`]'s key.
const KEY_BITS: u32 = 56;

struct Builder<'a> {
    targets: &'a mut Targets,
}

impl Builder<'_> {
    /// Fills entries, each for the addresses that agree in `octets` octets, the first for those from `base` on. `class`
    /// is that before the first boundary.
    fn fill(&mut self, table: &mut [u32], base: u128, octets: u32, mut boundaries: &[Boundary], mut class: u32) {
        let shift = 128 - 8 * octets;
        let mut next = 0;
        while let Some(first) = boundaries.first() {
            let index = ((first.start - base) >> shift) as usize;
            let count = boundaries.iter().take_while(|it| ((it.start - base) >> shift) as usize == index).count();
            if class != 0 {
                table[next..index].fill(class);
            }
            let (within, rest) = boundaries.split_at(count);
            table[index] = self.cell(octets, within, class);
            class = within[count - 1].class;
            (boundaries, next) = (rest, index + 1);
        }
        if class != 0 {
            table[next..].fill(class);
        }
    }

    /// The entry for addresses that agree in `octets` octets.
    fn cell(&mut self, octets: u32, boundaries: &[Boundary], class: u32) -> u32 {
        if let [only] = boundaries
            && only.start.checked_shl(8 * octets).unwrap_or(0) == 0
        {
            return only.class;
        }
        let items = items(octets, boundaries, class);
        let Some(kind) = kind_for(&items) else {
            return self.node(octets, boundaries, class);
        };
        let entries: Vec<_> = items
            .iter()
            .map(|item| match &boundaries[item.within.clone()] {
                [] => (item.key >> unseen_bits(kind), item.class),
                within => (item.key >> unseen_bits(kind), self.cell(octets + KEY_BITS / 8, within, item.class)),
            })
            .collect();
        match entries[..] {
            [(_, entry)] => entry,
            _ => self.targets.record(kind, octets, entries.into_iter()),
        }
    }

    /// The entry for a cell that no record holds: a cell for each of its octets.
    fn node(&mut self, octets: u32, boundaries: &[Boundary], class: u32) -> u32 {
        let mut node = [0; NODE_ENTRIES as usize];
        let base = boundaries.first().map_or(0, |it| it.start & !(u128::MAX >> (8 * octets)));
        self.fill(&mut node, base, octets + 1, boundaries, class);
        let mut entries: Vec<(u64, u32)> = (0..).zip(node).collect();
        entries.dedup_by_key(|(_, entry)| *entry);
        if entries.len() <= Record::boundaries(kind::OCTETS) + 1 {
            return self.targets.record(kind::OCTETS, octets, entries.into_iter());
        }
        self.targets.node(octets, node)
    }
}

/// The boundaries of a cell by the next seven octets; the first item is from its first address on.
fn items(octets: u32, boundaries: &[Boundary], class: u32) -> Vec<Item> {
    let mut items = vec![Item { key: 0, class, within: 0..0 }];
    let mut class = class;
    let mut at = 0;
    while let Some(first) = boundaries.get(at) {
        let split = |it: &Boundary| {
            let window = it.start << (8 * octets);
            ((window >> (128 - KEY_BITS)) as u64, window << KEY_BITS != 0)
        };
        let (key, inside) = split(first);
        let is_new = items.last().is_none_or(|it| it.key != key);
        if is_new {
            items.push(Item { key, class, within: 0..0 });
        }
        let Some(item) = items.last_mut() else { break };
        if inside {
            let count = boundaries[at..].iter().take_while(|it| split(it) == (key, true)).count();
            item.within = at..at + count;
            at += count;
            class = boundaries[at - 1].class;
            if key + 1 < 1 << KEY_BITS {
                items.push(Item { key: key + 1, class, within: 0..0 });
            }
        } else {
            item.class = first.class;
            class = first.class;
            at += 1;
        }
    }
    items
}

/// The kind of record that holds all of a cell's items.
fn kind_for(items: &[Item]) -> Option<u32> {
    [kind::OCTETS, kind::SHORT, kind::LONG].into_iter().find(|&kind| {
        let unseen = (1 << unseen_bits(kind)) - 1;
        items.len() <= Record::boundaries(kind) + 1 && items.iter().all(|it| it.key & unseen == 0)
    })
}

/// Bits of a key that a kind of record does not look at.
fn unseen_bits(kind: u32) -> u32 {
    match kind {
        kind::OCTETS => KEY_BITS - 8,
        kind::SHORT => KEY_BITS - 32,
        _ => 0,
    }
}
