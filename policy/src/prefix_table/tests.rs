//! Every look-up against a plain list of runs.

use abi::prefixes::{POINTER, kind, kind_of, number_of, v4_root_index, v6_root_index, window};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// One unit of IPv4.
const V4: u128 = 1 << 96;

fn run(first: u128, last: u128, class: u32) -> Run {
    Run { first, last, class }
}

/// In IPv4's own bits.
fn v4(runs: &[Run]) -> Vec<Run<u32>> {
    let narrow = |run: &Run| Run { first: (run.first >> 96) as u32, last: (run.last >> 96) as u32, class: run.class };
    runs.iter().map(narrow).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn tables(self, runs: &[Run]) -> PrefixTables {
        let fits = match self {
            Self::V4 => build(&v4(runs), &[]),
            Self::V6 => build(&[], runs),
        };
        fits.expect("fits")
    }
}

impl PrefixTables {
    /// The class of an address, and how many pointers lead to it.
    fn class(&self, family: Family, address: u128) -> (u32, usize) {
        let (high, low) = ((address >> 64) as u64, address as u64);
        let mut entry = match family {
            Family::V4 => self.v4_root[v4_root_index((address >> 96) as u32) as usize],
            Family::V6 => self.v6_root[v6_root_index(high) as usize],
        };
        let mut steps = 0;
        while entry & POINTER != 0 {
            let (number, window) = (number_of(entry) as usize, window(entry, high, low));
            entry = match kind_of(entry) {
                kind::NODE => self.nodes[number * 256 + (window >> 56) as usize],
                kind => self.records[number].find(kind, window),
            };
            steps += 1;
        }
        (entry, steps)
    }

    fn kinds(&self) -> (usize, usize) {
        (self.nodes.len() / 256, self.records.len())
    }
}

/// At every edge of every run, on both sides of it, and at the ends of the family.
fn agree(family: Family, runs: &[Run]) -> PrefixTables {
    let tables = family.tables(runs);
    let unit = if family == Family::V4 { V4 } else { 1 };
    let mut addresses = vec![0, u128::MAX, u128::MAX - unit + 1];
    for run in runs {
        for edge in [run.first, run.last & !(unit - 1)] {
            addresses.extend([edge, edge.saturating_sub(unit), edge.saturating_add(unit)]);
        }
    }
    for address in addresses {
        let after = runs.partition_point(|run| run.first <= address);
        let expected = runs[..after].last().filter(|run| run.last >= address).map_or(0, |run| run.class);
        let (found, steps) = tables.class(family, address);
        assert_eq!(found, expected, "{family:?} {address:#034x}");
        let most = if family == Family::V4 { 1 } else { limits::PREFIX_STEPS };
        assert!(steps <= most, "{steps} steps for {family:?} {address:#034x}");
    }
    tables
}

#[test]
fn edges_of_ipv4_runs_are_exact() {
    agree(
        Family::V4,
        &[
            run(0, 3 * V4 - 1, 1),
            run(300 * V4, 1_000 * V4 - 1, 2),
            run(1_000 * V4, 1_001 * V4 - 1, 3),
            run(0x0a00_0000 * V4, 0x0b00_0000 * V4 - 1, 4),
            run(0xffff_ff80 * V4, u128::MAX, 5),
        ],
    );
    agree(Family::V4, &[run(0, u128::MAX, 7)]);
    agree(Family::V4, &[]);
}

#[test]
fn every_length_is_exact_in_both_families() {
    for (family, bits) in [(Family::V4, 32), (Family::V6, 128)] {
        for base in [0_u128, 0x2001_0db8_0102_0304_0506_0708_090a_0b0c, u128::MAX] {
            for length in 0..=bits {
                let host = u128::MAX.checked_shr(length).unwrap_or(0);
                agree(family, &[run(base & !host, base | host, 9)]);
            }
        }
    }
}

/// Single addresses with one between them, each of a class of its own.
fn scattered(base: u128, unit: u128, count: u32) -> Vec<Run> {
    (1..=count).map(|n| run(base + u128::from(2 * n) * unit, base + u128::from(2 * n + 1) * unit - 1, n)).collect()
}

#[test]
fn a_crowded_24_becomes_a_node_when_its_record_is_full() {
    let base = 0x0a01_0200 * V4;
    // Twelve boundaries, and one more.
    let mut runs = scattered(base, V4, 6);
    assert_eq!(agree(Family::V4, &runs).kinds(), (0, 1));
    let after = runs[5].last + 1;
    runs.push(run(after, after + V4 - 1, 7));
    assert_eq!(agree(Family::V4, &runs).kinds(), (1, 0));
    runs.remove(0);
    runs.push(run(base + 255 * V4, base + 256 * V4 - 1, 8));
    assert_eq!(agree(Family::V4, &runs).kinds(), (0, 1));
    agree(Family::V4, &(0..256).map(|n| run(base + n * V4, base + (n + 1) * V4 - 1, n as u32 + 1)).collect::<Vec<_>>());
}

#[test]
fn equal_records_are_one_and_so_are_equal_nodes() {
    let once = |n: u128| run((n * 256 + 7) * V4, (n * 256 + 8) * V4 - 1, 1);
    assert_eq!(agree(Family::V4, &(1..10_000).map(once).collect::<Vec<_>>()).kinds(), (0, 1));
    let many = |n: u128| scattered(n * 256 * V4, V4, 100);
    assert_eq!(agree(Family::V4, &(1..100).flat_map(many).collect::<Vec<_>>()).kinds(), (1, 0));
}

#[test]
fn records_at_their_limits_in_every_unit() {
    for length in [32, 33, 40, 41, 48, 56, 57, 64, 65, 80, 81, 96, 112, 113, 120, 127, 128] {
        let unit = 1_u128 << (128 - length);
        for base in [0x2001_0db8_u128 << 96, 0x2001_0db8_0001_0002_0003_0004_0005_0000, 0xfd00_u128 << 112] {
            let base = base & !(unit.wrapping_mul(64).wrapping_sub(1));
            for count in (0..=16).chain([24, 28, 29, 31, 32, 33, 50]) {
                if unit.checked_mul(2 * u128::from(count) + 2).is_some() {
                    agree(Family::V6, &scattered(base, unit, count));
                }
            }
        }
    }
}

#[test]
fn the_borders_of_global_ipv6() {
    let (first, end) = (0x2000_u128 << 112, 0x4000_u128 << 112);
    agree(Family::V6, &[run(0, u128::MAX, 1)]);
    agree(Family::V6, &[run(first, end - 1, 2)]);
    agree(Family::V6, &[run(0, first - 1, 1), run(end, u128::MAX, 3)]);
    agree(Family::V6, &[run(first - 1, first, 4), run(end - 1, end, 5), run(u128::MAX, u128::MAX, 6)]);
    agree(Family::V6, &[run(1, end + 5, 4), run(end + 7, u128::MAX - 1, 5)]);
}

#[test]
fn the_longest_way_ends_in_time() {
    // At each octet so many boundaries that only a node takes them, and the way goes on in one entry of it.
    for (start, octets) in [(0xfd00_u128 << 112, 2), (0x2001_0d00_u128 << 96, 3)] {
        let mut runs = Vec::new();
        let mut base = start;
        for octet in octets..16 {
            let unit = 1_u128 << (120 - 8 * octet);
            for n in 0..100_u128 {
                if octet == 15 || n != 50 {
                    runs.push(run(base + 2 * n * unit, base + 2 * n * unit + unit - 1, (octet * 1_000 + n as u32) + 1));
                }
            }
            base += 100 * unit;
        }
        runs.sort_by_key(|run| run.first);
        let tables = agree(Family::V6, &runs);
        let longest = runs.iter().map(|run| tables.class(Family::V6, run.first).1).max();
        assert!(longest.is_some_and(|steps| steps > 10 && steps <= limits::PREFIX_STEPS), "{longest:?} steps");
    }
}

/// Nested prefixes as runs: the longest that contains an address says its class.
fn nested(rng: &mut StdRng, bits: u32, prefixes: usize) -> Vec<Run> {
    let mut bases = vec![0_u128, 0x2001_0db8 << 96, 0x3fff_ffff << 96, 0xfe80 << 112, u128::MAX];
    let mut all = Vec::new();
    for number in 0..prefixes {
        let length = rng.random_range(0..=bits);
        let host = u128::MAX.checked_shr(length).unwrap_or(0);
        let base = bases[rng.random_range(0..bases.len())];
        let kept = u128::MAX.checked_shr(rng.random_range(0..=bits)).unwrap_or(0);
        let address = base & !kept | rng.random::<u128>() & kept;
        bases.push(address);
        all.push((address & !host, address | host, length, number as u32 % 60));
    }
    // Shorter ones first: later ones are painted over them.
    all.sort_by_key(|it| it.2);
    let mut edges: Vec<u128> = all.iter().flat_map(|it| [Some(it.0), it.1.checked_add(1)]).flatten().collect();
    edges.push(0);
    edges.sort_unstable();
    edges.dedup();
    let mut runs: Vec<Run> = Vec::new();
    for (position, &first) in edges.iter().enumerate() {
        let last = edges.get(position + 1).map_or(u128::MAX, |next| next - 1);
        let class = all.iter().rev().find(|it| it.0 <= first && last <= it.1).map_or(0, |it| it.3);
        match runs.last_mut() {
            _ if class == 0 => {}
            Some(before) if before.class == class && before.last + 1 == first => before.last = last,
            _ => runs.push(run(first, last, class)),
        }
    }
    runs
}

#[test]
fn random_nested_prefixes() {
    let mut rng = StdRng::seed_from_u64(crate::compile::tests::seed());
    for prefixes in [1, 3, 10, 30, 100, 300, 1_000, 1_000] {
        for (family, bits) in [(Family::V4, 32), (Family::V6, 128), (Family::V6, 64), (Family::V6, 48)] {
            agree(family, &nested(&mut rng, bits, prefixes));
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_by_number() {
    let single = |n: u128| run(n * 256 * V4, (n * 256 + 1) * V4 - 1, n as u32 + 1);
    let runs: Vec<Run> = (0..u128::from(limits::RECORDS)).map(single).collect();
    assert_eq!(build(&v4(&runs), &[]).map(|tables| tables.kinds()).expect("fits"), (0, limits::RECORDS as usize));
    let one_more = [run(0xfe80 << 112, 0xfe80 << 112, 1)];
    let error = build(&v4(&runs), &one_more).err().expect("does not fit");
    assert_eq!((error.needed, error.limit), (u64::from(limits::RECORDS) + 2, limits::RECORDS.into()));
    assert_eq!(error.what, "records of the prefix tables");
}
