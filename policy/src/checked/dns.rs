//! `[dns]` of a municipality.

use std::cmp::Reverse;
use std::net::IpAddr;

use abi::budget::source_cost;
use abi::dns::{Guard, UNSEEDED, bits_of, hash_of};

/// Its published DNS servers, and what their guard admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// In ascending order.
    pub servers: Vec<IpAddr>,
    /// Zones that they answer for, in canonical form; see [`Dns::in_order`].
    pub zones: Vec<String>,
    /// Queries of one source a second.
    pub queries_per_source: u64,
    /// Different names within a window from which on a zone is under attack,
    pub enter: u64,
    /// and below which, throughout a whole one, it no longer is.
    pub leave: u64,
}

impl Dns {
    /// Zones as they are numbered from 1: those with most labels first, because the longest that a name is in is its own.
    pub fn in_order(mut zones: Vec<String>) -> Vec<String> {
        zones.sort_unstable_by_key(|zone| (Reverse(labels(zone)), zone.clone()));
        zones.dedup();
        zones
    }

    /// The same in the numbers of the tables.
    pub fn guard(&self) -> Guard {
        let mut guard = Guard {
            query_cost: source_cost(self.queries_per_source),
            enter: bits_of(self.enter),
            leave: bits_of(self.leave),
            ..Guard::default()
        };
        for (zone, (hash, count)) in self.zones.iter().zip(guard.zones.iter_mut().zip(&mut guard.labels).skip(1)) {
            *hash = hash_of(UNSEEDED, &octets(zone));
            *count = labels(zone) as u8;
        }
        guard
    }
}

/// Labels of a name in canonical form.
pub(crate) fn labels(name: &str) -> usize {
    name.split('.').count()
}

/// A name as it stands in a query, without the root's octet.
fn octets(name: &str) -> Vec<u8> {
    name.split('.').flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect()
}
