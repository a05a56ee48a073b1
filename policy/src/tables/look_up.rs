//! Walks the tables as the program does, for tests and for people who ask what the kernel would find.

use std::net::IpAddr;

use abi::Direction;
use abi::limits::NODE_ENTRIES;
use abi::prefixes::{self, POINTER, kind, kind_of, number_of, v4_root_index, v6_root_index};
use abi::tables::{Class, Municipality, QINQ, ROW_CHUNK, RuleEntry, Rulebook, VIEW_BLOCK, View, service_index};

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
    pub fn view(&self, municipality: u16, class: u32) -> View {
        let block = self.view_roots[(self.municipality(municipality).views + class / VIEW_BLOCK) as usize];
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
    ) -> Option<RuleEntry> {
        let book: &Rulebook = &self.municipality(municipality).rulebooks[direction as usize];
        let service = self.services[service_index(protocol, destination_port) as usize];
        let rows = [
            self.view(municipality, source).source_row[direction as usize],
            self.view(municipality, destination).destination_row[direction as usize],
            self.service_views[(book.service_views + service) as usize],
        ];
        (0..book.summaries * 64).find_map(|word| {
            let matches = rows.iter().fold(u64::MAX, |all, &row| all & self.row_word(book, row, word));
            let bit = word * 64 + matches.trailing_zeros();
            let own = bit.checked_sub(book.baseline).map(|bit| book.own_rules + bit);
            (matches != 0).then(|| self.rules[own.unwrap_or(book.baseline_rules + bit) as usize])
        })
    }

    /// A word of a row, by way of its summary.
    fn row_word(&self, book: &Rulebook, row: u32, word: u32) -> u64 {
        let record = &self.rows[row as usize..];
        if record[word as usize / 64] >> (word % 64) & 1 == 0 {
            return 0;
        }
        let number = word / ROW_CHUNK;
        let chunk = (record[(book.summaries + number / 2) as usize] >> (number % 2 * 32)) as u32;
        self.chunks[(chunk * ROW_CHUNK + word % ROW_CHUNK) as usize]
    }
}
