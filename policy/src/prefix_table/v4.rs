//! IPv4: a root entry for every /24, and one node or record for each /24 that holds more than one class.

use abi::limits::{NODE_ENTRIES, V4_ROOT};
use abi::prefixes::{Record, kind, v4_root_index};

use super::{Run, Targets};

/// Octets behind whatever the root points to.
const OCTETS: u32 = 3;

/// `V4_ROOT` of disjoint runs in ascending order. Zeroed memory is not touched until something is written to it: a root
/// costs what its runs cover.
pub(super) fn root(runs: &[Run<u32>], targets: &mut Targets) -> Vec<u32> {
    let mut root = vec![0; V4_ROOT as usize];
    let mut crowd = Crowd { at: None, classes: Vec::with_capacity(NODE_ENTRIES as usize), end: 0 };
    for run in runs {
        let (first, last) = (run.first, run.last);
        let (mut from, to) = (v4_root_index(first), v4_root_index(last));
        let (first, last) = (first as u8, last as u8);
        if first != 0 || (from == to && last != u8::MAX) {
            let until = if from == to { last } else { u8::MAX };
            crowd.add(&mut root, targets, from, (first, until), run.class);
            from += 1;
        }
        // Another class follows in the last /24, or none does.
        let whole = if last == u8::MAX { to + 1 } else { to };
        if from < whole {
            root[from as usize..whole as usize].fill(run.class);
            from = whole;
        }
        if from <= to {
            crowd.add(&mut root, targets, to, (0, last), run.class);
        }
    }
    crowd.settle(&mut root, targets);
    root
}

/// The /24 whose classes are being collected.
struct Crowd {
    at: Option<u32>,
    /// From which octet on which class holds; the first from 0.
    classes: Vec<(u64, u32)>,
    /// The first octet of which nothing is known.
    end: u64,
}

impl Crowd {
    fn add(&mut self, root: &mut [u32], targets: &mut Targets, at: u32, (first, last): (u8, u8), class: u32) {
        if self.at != Some(at) {
            self.settle(root, targets);
            self.at = Some(at);
        }
        if u64::from(first) > self.end {
            self.classes.push((self.end, 0));
        }
        self.classes.push((first.into(), class));
        self.end = u64::from(last) + 1;
    }

    fn settle(&mut self, root: &mut [u32], targets: &mut Targets) {
        let Some(at) = self.at.take() else { return };
        if self.end < NODE_ENTRIES.into() {
            self.classes.push((self.end, 0));
        }
        root[at as usize] = if self.classes.len() <= Record::boundaries(kind::OCTETS) + 1 {
            targets.record(kind::OCTETS, OCTETS, self.classes.iter().copied())
        } else {
            let mut node = [0; NODE_ENTRIES as usize];
            for &(first, class) in &self.classes {
                node[first as usize..].fill(class);
            }
            targets.node(OCTETS, node)
        };
        self.classes.clear();
        self.end = 0;
    }
}
