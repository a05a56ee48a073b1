//! Lists of addresses, each kept once however often it is named.

use std::cell::{Cell, OnceCell};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::ranges::Ranges;
use crate::checked::{self, Prefixes};

/// Addresses under a number of their own: within one check, equal numbers mean equal addresses.
#[derive(Debug)]
pub(crate) struct List {
    pub number: u32,
    pub ranges: Ranges,
    prefixes: OnceCell<Prefixes>,
    hash: u64,
    /// Whether these addresses were asked for more than once.
    is_shared: Cell<bool>,
}

impl List {
    /// Whether it is the list of several: sets, sections, or what rules spell out.
    pub fn is_shared(&self) -> bool {
        self.is_shared.get()
    }

    /// The same addresses as prefixes, worked out when they are first asked for.
    pub fn prefixes(&self) -> Prefixes {
        self.prefixes.get_or_init(|| self.ranges.prefixes().into()).clone()
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.ranges == other.ranges
    }
}

impl Eq for List {}

impl Hash for List {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Equal for equal [normal](Ranges::normalize) ranges. A set may have a million: one multiplication each.
pub(crate) fn fingerprint(ranges: &Ranges) -> u64 {
    let mix = |sum: u64, bits: u64| (sum.rotate_left(23) ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut sum = ranges.len() as u64;
    for &(first, last) in &ranges.v4 {
        sum = mix(sum, u64::from(first) << 32 | u64::from(last));
    }
    for bits in ranges.v6.iter().flat_map(|&(first, last)| [first, last]) {
        sum = mix(mix(sum, bits as u64), (bits >> 64) as u64);
    }
    sum
}

/// Every list of a check.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lists: HashSet<Rc<List>>,
    /// Of more than one list.
    unions: HashMap<Vec<u32>, u32>,
}

impl Lists {
    /// The list of these addresses, which are [normal](Ranges::normalize).
    pub fn list(&mut self, ranges: Ranges) -> Rc<List> {
        let (number, hash) = (self.next(), fingerprint(&ranges));
        let list = Rc::new(List { number, ranges, prefixes: OnceCell::new(), hash, is_shared: Cell::new(false) });
        if let Some(known) = self.lists.get(&list) {
            known.is_shared.set(true);
            return Rc::clone(known);
        }
        self.lists.insert(Rc::clone(&list));
        list
    }

    /// Of every list.
    pub fn fingerprints(&self) -> impl Iterator<Item = u64> {
        self.lists.iter().map(|list| list.hash)
    }

    /// The number of a union, which is that of a list if it consists of one.
    fn union(&mut self, lists: &[Rc<List>]) -> u32 {
        if let [list] = lists {
            return list.number;
        }
        let next = self.next();
        *self.unions.entry(lists.iter().map(|list| list.number).collect()).or_insert(next)
    }

    fn next(&self) -> u32 {
        u32::try_from(self.lists.len() + self.unions.len()).unwrap_or(u32::MAX)
    }
}

/// What a list of items comes to: the union of some lists.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// Equal numbers mean equal lists.
    pub number: u32,
    /// What is spelled out first, then sets and sections; by number, each once, none empty.
    pub lists: Vec<Rc<List>>,
    /// Whether every item could be read.
    pub complete: bool,
}

impl Addresses {
    /// Unites addresses that are spelled out with named lists.
    pub fn unite(mut spelled_out: Ranges, mut named: Vec<Rc<List>>, complete: bool, all: &mut Lists) -> Self {
        spelled_out.normalize();
        named.sort_unstable_by_key(|list| list.number);
        named.dedup_by_key(|list| list.number);
        named.retain(|list| !list.ranges.is_empty());
        // What a set holds already would only tell its addresses apart from the others of the set.
        spelled_out.v4.retain(|&range| !named.iter().any(|list| super::ranges::covers(&list.ranges.v4, &[range])));
        spelled_out.v6.retain(|&range| !named.iter().any(|list| super::ranges::covers(&list.ranges.v6, &[range])));
        if !spelled_out.is_empty() {
            named.insert(0, all.list(spelled_out));
        }
        Addresses { number: all.union(&named), lists: named, complete }
    }

    pub fn parts(&self) -> Vec<&Ranges> {
        self.lists.iter().map(|list| &list.ranges).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Whether there are IPv4 addresses, and IPv6 addresses.
    pub fn families(&self) -> (bool, bool) {
        let any = |has: fn(&Ranges) -> bool| self.lists.iter().any(|list| has(&list.ranges));
        (any(|ranges| !ranges.v4.is_empty()), any(|ranges| !ranges.v6.is_empty()))
    }

    pub fn intersects(&self, other: &Ranges) -> bool {
        self.lists.iter().any(|list| list.ranges.intersects(other))
    }

    /// All of it in one.
    pub fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::default();
        self.lists.iter().for_each(|list| ranges.extend(&list.ranges));
        ranges.normalize();
        ranges
    }

    pub fn finish(&self) -> checked::Addresses {
        self.lists.iter().map(|list| list.prefixes()).collect()
    }
}
