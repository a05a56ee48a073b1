//! Nodes and records by number, each content once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use abi::limits::NODE_ENTRIES;
use abi::prefixes::{Record, kind, pointer};

use super::{Node, Targets};

/// Contents in the order in which they were first asked for.
pub(super) struct Pool<T> {
    pub items: Vec<T>,
    by_fingerprint: HashMap<u64, u32, BuildHasherDefault<Fingerprinted>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { items: Vec::new(), by_fingerprint: HashMap::default() }
    }
}

impl<T: PartialEq> Pool<T> {
    fn number(&mut self, item: T, fingerprint: u64) -> u32 {
        let mut key = fingerprint;
        loop {
            let next = self.items.len() as u32;
            let number = *self.by_fingerprint.entry(key).or_insert(next);
            if number == next {
                self.items.push(item);
                return number;
            }
            if self.items[number as usize] == item {
                return number;
            }
            key = key.wrapping_add(1);
        }
    }
}

impl Targets {
    /// A pointer to these entries, for addresses of which `octets` are behind.
    pub fn node(&mut self, octets: u32, node: Node) -> u32 {
        let (pairs, _) = node.as_chunks::<2>();
        let fingerprint = fingerprint(pairs.iter().map(|&[a, b]| u64::from(a) << 32 | u64::from(b)));
        pointer(kind::NODE, octets, self.nodes.number(node, fingerprint))
    }

    /// A pointer to a record that holds these entries from these boundaries on, the first from zero; as many as fit.
    pub fn record(&mut self, kind: u32, octets: u32, entries: impl ExactSizeIterator<Item = (u64, u32)>) -> u32 {
        let bits = match kind {
            kind::OCTETS => 8,
            kind::SHORT => 32,
            _ => 64,
        };
        let boundaries = Record::boundaries(kind);
        debug_assert!(entries.len() <= boundaries + 1);
        let mut record = Record::default();
        let mut put = |at: usize, value: u64| record.0[at / 64] |= value << (at % 64);
        // Where there are fewer, the last entry is repeated from a boundary on that no address or only the last reaches.
        let unused = if kind == kind::LONG { u64::MAX >> 1 } else { (1 << bits) - 1 };
        let first_entry = (boundaries * bits).div_ceil(32);
        let mut filled = 0_usize;
        let mut last = 0;
        for (boundary, entry) in entries {
            if let Some(at) = filled.checked_sub(1) {
                put(at * bits, boundary);
            }
            put((first_entry + filled) * 32, u64::from(entry));
            (filled, last) = (filled + 1, entry);
        }
        for index in filled..=boundaries {
            put((index - 1) * bits, unused);
            put((first_entry + index) * 32, u64::from(last));
        }
        let fingerprint = fingerprint(record.0.iter().copied());
        pointer(kind, octets, self.records.number(record, fingerprint))
    }
}

/// Four independent lanes, because one chain of multiplications would take as long as all the rest of a node.
fn fingerprint(words: impl ExactSizeIterator<Item = u64>) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [1_u64, 2, 3, 4];
    for (position, word) in words.enumerate() {
        let lane = &mut lanes[position % 4];
        *lane = (lane.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    let all = lanes.iter().fold(0, |all: u64, lane| (all.rotate_left(23) ^ lane).wrapping_mul(FACTOR));
    // Products mix upwards only; hash maps take their buckets from the low bits.
    all ^ all >> 32
}

/// Hashes what is a hash already.
#[derive(Default)]
struct Fingerprinted(u64);

impl Hasher for Fingerprinted {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

const _: () = assert!(NODE_ENTRIES.is_multiple_of(2));
