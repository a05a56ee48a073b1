//! The rules that policies of ours and of peers are written from. No two of them match the same packet, so that a peer may
//! put them into maps, whose entries have no order, and still say what ours says.
//!
//! Destinations are the same for all municipalities, as those of one prefecture use the same services; sections are each
//! one's own.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use rand::Rng;
use rand::rngs::SmallRng;

use crate::frame::{Flow, TCP, UDP};
use crate::prefixes::{V4, random};

/// What kind of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// What people write: mostly a destination and a port; sections, sets, port lists and prohibitions among them.
    Mixed,
    /// What is hard for anything that splits a rule into its parts: 20 sections, 500 destinations and 50 ports, each rule
    /// another combination.
    Crossed,
}

impl Shape {
    /// In scenario names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Crossed => "crossed",
        }
    }
}

/// To whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Everyone.
    Anyone,
    /// A prefix.
    Prefix(V4),
    /// The set of this number.
    Set(usize),
}

/// One rule of a municipality.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Number of the section that may; none: the whole municipality.
    pub section: Option<u32>,
    /// To whom.
    pub to: To,
    /// Protocol, first and last port; empty: whatever it is.
    pub services: Vec<(u8, u16, u16)>,
    /// Whether it allows.
    pub allows: bool,
}

/// So many sections has a municipality, a /24 each.
pub const SECTIONS: u32 = 20;
/// Sets that rules name.
pub const SETS: usize = 10;
const PREFIXES_OF_A_SET: usize = 40;
/// Destinations of [`Shape::Crossed`].
const CROSSED_DESTINATIONS: usize = 500;
const CROSSED_PORTS: u32 = 50;
/// Services that many rules share.
const COMMON: [(u8, u16); 12] = [
    (TCP, 443),
    (TCP, 80),
    (UDP, 443),
    (UDP, 53),
    (TCP, 22),
    (TCP, 25),
    (TCP, 993),
    (UDP, 123),
    (TCP, 8443),
    (TCP, 1433),
    (TCP, 5432),
    (UDP, 4500),
];

/// The rules of every municipality, of one shape and number.
pub struct Rules {
    shape: Shape,
    count: usize,
    destinations: Vec<V4>,
    /// What the sets hold.
    pub sets: Vec<Vec<V4>>,
}

impl Rules {
    /// So many for each.
    pub fn new(shape: Shape, count: usize) -> Self {
        let mut random = random(3);
        let mut apart = Apart::default();
        let sets = (0..SETS).map(|_| (0..PREFIXES_OF_A_SET).map(|_| apart.next(&mut random, 20)).collect()).collect();
        let destinations = match shape {
            Shape::Mixed => count,
            Shape::Crossed => CROSSED_DESTINATIONS,
        };
        let destinations = (0..destinations).map(|_| apart.next(&mut random, 16)).collect();
        Self { shape, count, destinations, sets }
    }

    /// All of one municipality, in order.
    pub fn of(&self, municipality: u32) -> Vec<Rule> {
        match self.shape {
            Shape::Mixed => {
                let mut random = random(0x1000 + u64::from(municipality));
                (0..self.count).map(|number| self.mixed(number, &mut random)).collect()
            }
            Shape::Crossed => self.crossed(municipality),
        }
    }

    fn mixed(&self, number: usize, random: &mut SmallRng) -> Rule {
        let (protocol, port) = COMMON[random.random_range(0..COMMON.len())];
        let to = To::Prefix(self.destinations[number]);
        let rule = Rule { section: None, to, services: vec![(protocol, port, port)], allows: true };
        let section = Some(random.random_range(0..SECTIONS));
        // Ports that no other rule has, so that what may go anywhere contradicts nobody.
        let own = 10_000 + (number % 40_000) as u16;
        match number * 7 % 20 {
            0..10 => rule,
            10..13 => Rule { section, ..rule },
            13..15 => Rule { section, to: To::Anyone, services: vec![(TCP, own, own)], ..rule },
            15..17 => Rule { to: To::Set(number % SETS), services: vec![(UDP, own, own)], ..rule },
            17..19 => Rule { services: vec![(TCP, 1, 9_999), (UDP, 1, 9_999)], allows: false, ..rule },
            _ => Rule { services: vec![(TCP, 80, 80), (TCP, 443, 443), (UDP, 443, 443), (TCP, 8_000, 8_010)], ..rule },
        }
    }

    fn crossed(&self, municipality: u32) -> Vec<Rule> {
        let mut random = random(0x2000 + u64::from(municipality));
        let mut seen = HashSet::new();
        let mut rules = Vec::with_capacity(self.count);
        while rules.len() < self.count {
            let section = random.random_range(0..SECTIONS);
            let destination = random.random_range(0..self.destinations.len());
            let port = random.random_range(0..CROSSED_PORTS);
            if seen.insert((section, destination, port)) {
                let port = 1_024 + port as u16;
                rules.push(Rule {
                    section: Some(section),
                    to: To::Prefix(self.destinations[destination]),
                    services: vec![(TCP, port, port)],
                    allows: true,
                });
            }
        }
        rules
    }

    /// A flow that a rule allows.
    pub fn flow(&self, municipality: u32, rule: &Rule, vlan: u16, random: &mut SmallRng) -> Flow {
        let inside = match rule.section {
            Some(section) => self::section(municipality, section),
            None => V4::containing(u32::from(network(municipality)), 21),
        };
        let outside = match rule.to {
            To::Prefix(prefix) => prefix,
            To::Set(set) => self.sets[set][random.random_range(0..PREFIXES_OF_A_SET)],
            // Between the destinations of others.
            To::Anyone => V4::containing(0xc800_0000, 8),
        };
        let (protocol, first, last) = rule.services[random.random_range(0..rule.services.len())];
        Flow {
            // The lowest addresses are the gateway's and the network's.
            inside: Ipv4Addr::from(inside.base | random.random_range(2..(1 << (32 - inside.length)) - 1)),
            outside: outside.any(random),
            ports: (random.random_range(1_024..=u16::MAX), random.random_range(first..=last)),
            protocol,
            vlan,
        }
    }
}

/// A municipality's network is a /19; its gateway has the first address.
pub fn network(municipality: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + (municipality << 13))
}

/// A section of a municipality; the first eight /24 belong to none.
pub fn section(municipality: u32, section: u32) -> V4 {
    V4 { base: u32::from(network(municipality)) + ((8 + section) << 8), length: 24 }
}

/// Random prefixes of 128.0.0.0/2 of which none contains another.
#[derive(Default)]
struct Apart {
    /// First addresses, with the last.
    taken: std::collections::BTreeMap<u32, u32>,
}

impl Apart {
    /// From this length to /32; ever fewer short ones are left.
    fn next(&mut self, random: &mut SmallRng, shortest: u8) -> V4 {
        loop {
            let prefix =
                V4::containing(random.random_range(0x8000_0000..0xc000_0000), random.random_range(shortest..=32));
            let last = prefix.base | (u32::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0));
            let before = self.taken.range(..=last).next_back();
            // 169.254.0.0/16 is nobody's, 172.16.0.0/12 private.
            let is_special = prefix.base >> 24 == 169 || prefix.base >> 24 == 172;
            if !is_special && before.is_none_or(|(_, end)| *end < prefix.base) {
                self.taken.insert(prefix.base, last);
                return prefix;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_destinations_overlap() {
        let rules = Rules::new(Shape::Mixed, 5_000);
        let mut all: Vec<_> = rules.destinations.iter().chain(rules.sets.iter().flatten()).collect();
        all.sort_unstable();
        for pair in all.windows(2) {
            assert!(V4::containing(pair[1].base, pair[0].length) != *pair[0], "{} and {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn rules_are_of_every_kind_and_the_same_each_time() {
        let rules = Rules::new(Shape::Mixed, 100);
        let (once, again) = (rules.of(7), rules.of(7));
        assert_eq!(format!("{once:?}"), format!("{again:?}"));
        assert!(once.iter().any(|rule| rule.section.is_some()) && once.iter().any(|rule| !rule.allows));
        assert!(once.iter().any(|rule| rule.to == To::Anyone) && once.iter().any(|rule| rule.services.len() > 2));
        assert!(once.iter().any(|rule| matches!(rule.to, To::Set(_))));
    }

    #[test]
    fn crossed_rules_differ() {
        let rules = Rules::new(Shape::Crossed, 10_000).of(0);
        let seen: HashSet<_> = rules.iter().map(|rule| format!("{rule:?}")).collect();
        assert_eq!(seen.len(), 10_000);
    }
}
