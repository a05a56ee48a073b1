//! Walks the tables as the program does, for tests and for people who ask what the kernel would find.

use std::net::IpAddr;

use abi::Direction;
use abi::limits::NODE_ENTRIES;
use abi::pairs;
use abi::prefixes::{self, POINTER, kind, kind_of, number_of, v4_root_index, v6_root_index};
use abi::tables::{
    Class, JOINED, Municipality, ONE_RULE, QINQ, RULES_A_WORD, Row, Rulebook, VIEW_BLOCK, View, service_index,
};

use super::Tables;
use crate::classes::left_aligned;

impl Tables {
    /// The class of an address.
    pub fn class(&self, address: IpAddr) -> u32 {
        let bits = left_aligned(address);
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        let mut entry = match address {
            IpAddr::V4(_) => self.v4_root[v4_root_index((bits >> 96) as u32) as usize],
            IpAddr::V6(_) => self.v6_root[v6_root_index(high) as usize],
        };
        while entry & POINTER != 0 {
            let (number, window) = (number_of(entry) as usize, prefixes::window(entry, high, low));
            entry = match kind_of(entry) {
                kind::NODE => self.nodes[number * NODE_ENTRIES as usize + (window >> 56) as usize],
                kind => self.records[number].find(kind, window),
            };
        }
        entry
    }

    /// What is true of a class for everyone.
    pub fn class_entry(&self, class: u32) -> Class {
        self.classes[class as usize]
    }

    /// What a municipality sees in a class.
    pub fn view(&self, municipality: u16, direction: Direction, class: u32) -> View {
        let views = self.municipality(municipality).views[direction as usize];
        let block = self.view_roots[(views + class / VIEW_BLOCK) as usize];
        self.views[(block * VIEW_BLOCK + class % VIEW_BLOCK) as usize]
    }

    /// A municipality, by number.
    pub fn municipality(&self, number: u16) -> &Municipality {
        &self.municipalities[usize::from(number)]
    }

    /// The attachment number of a frame with these VLAN ids (at most two) at an access port; 0: none.
    pub fn attachment(&self, port: u8, vlans: &[u16]) -> u32 {
        let outer = vlans.first().copied().unwrap_or(0);
        let entry = self.vlans[usize::from(port) * 4096 + usize::from(outer)];
        if entry & QINQ == 0 {
            return if vlans.len() < 2 { entry } else { 0 };
        }
        let inner = vlans.get(1).copied().unwrap_or(0);
        self.inner_vlans[(entry & !QINQ) as usize * 4096 + usize::from(inner)]
    }

    /// The first rule of a municipality that matches, by address classes and service; none: the default decides.
    pub fn first_rule(
        &self,
        municipality: u16,
        direction: Direction,
        source: u32,
        destination: u32,
        protocol: u8,
        destination_port: u16,
    ) -> Option<Match> {
        let book: &Rulebook = &self.municipality(municipality).rulebooks[direction as usize];
        let service = service_index(protocol, destination_port);
        let source = self.view(municipality, direction, source);
        let destination = self.view(municipality, direction, destination);
        if let Some(candidates) = self.candidates(book, source, destination) {
            let first = candidates.iter().find(|&&candidate| pairs::admits(candidate, service));
            return first.map(|&candidate| self.rule(book, pairs::rule(candidate)));
        }
        let service = self.services[service as usize];
        let rows =
            [source.source, destination.destination, self.service_views[(book.service_views + service) as usize]];
        let summaries = usize::from(book.summaries);
        let joined = self.joined(summaries, rows[2], rows[1]);
        (0..summaries * 64).find_map(|word| {
            let is_told = joined.is_none_or(|joined| joined[word / 64] >> (word % 64) & 1 == 1);
            if !is_told && self.own_word(summaries, rows[1], word) == 0 {
                return None;
            }
            let matches = rows.iter().fold(u64::MAX, |all, &row| all & self.row_word(summaries, row, word));
            (matches != 0).then(|| self.rule(book, word as u32 * 64 + matches.trailing_zeros()))
        })
    }

    /// The candidates of a pair; none: the rows tell.
    fn candidates(&self, book: &Rulebook, source: View, destination: View) -> Option<&[u64]> {
        if book.pairs == 0 {
            return None;
        }
        let pair = u32::from(source.source_number) * u32::from(book.destinations);
        let at = (book.pairs + pair) as usize + usize::from(destination.destination_number);
        let entry = self.pairs[at];
        let begins = pairs::begins(entry) as usize;
        match pairs::kind_of(entry) {
            pairs::kind::NONE => Some(&[]),
            pairs::kind::ONE => Some(&self.pairs[at..=at]),
            pairs::kind::LIST => Some(&self.pairs[begins..][..pairs::count(entry) as usize]),
            _ => None,
        }
    }

    fn rule(&self, book: &Rulebook, bit: u32) -> Match {
        let own = bit.checked_sub(book.baseline);
        let rule = own.map_or(bit + 1, |bit| book.own_rules + bit);
        let action = self.rules[(rule / RULES_A_WORD) as usize] >> (rule % RULES_A_WORD * 2) & 3;
        Match { rule, action, baseline: own.is_none() }
    }

    /// The summary words that a service's row and the base record of a destination's have in common, where it has them.
    fn joined(&self, summaries: usize, service: Row, destination: Row) -> Option<&[u64]> {
        let begins = ((service.base & !JOINED) as usize).checked_sub(summaries)?;
        let is_about = service.base & JOINED != 0 && self.rows[begins - 1] == u64::from(destination.base);
        is_about.then(|| &self.rows[begins..begins + summaries])
    }

    fn row_word(&self, summaries: usize, row: Row, word: usize) -> u64 {
        self.own_word(summaries, row, word) | self.record_word(summaries, row.base & !JOINED, word)
    }

    fn own_word(&self, summaries: usize, row: Row, word: usize) -> u64 {
        match row.own & !ONE_RULE {
            rule if rule == row.own => self.record_word(summaries, row.own, word),
            rule if rule as usize / 64 == word => 1 << (rule % 64),
            _ => 0,
        }
    }

    /// A word of a record, by way of its summaries.
    fn record_word(&self, summaries: usize, record: u32, word: usize) -> u64 {
        let (summary, bit) = (word / 64, word % 64);
        let record = &self.rows[record as usize..];
        let before: u32 = record[..summary].iter().map(|it| it.count_ones()).sum();
        let rank = before + (record[summary] & ((1 << bit) - 1)).count_ones();
        if record[summary] >> bit & 1 == 1 { record[summaries + rank as usize] } else { 0 }
    }
}

/// The rule that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its number, as events carry it.
    pub rule: u32,
    /// One of [`abi::tables::action`].
    pub action: u32,
    /// Whether it is the prefecture's.
    pub baseline: bool,
}
