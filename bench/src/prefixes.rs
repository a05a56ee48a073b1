//! Random prefixes as a threat feed has them, the same in every run, no two equal.
//!
//! Lengths are drawn evenly from /16 to /32 (IPv4) or /32 to /64 (IPv6), except that no IPv4 length covers more than a
//! hundredth of the address space: among a million prefixes the short ones would otherwise swallow all others.
//! They stay clear of [`crate::rules`]'s destinations and of the municipalities' own addresses.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Another series of random numbers for every purpose, each the same in every run.
pub fn random(purpose: u64) -> SmallRng {
    SmallRng::seed_from_u64(0x0062_616e_6761_7361 ^ purpose << 40)
}

/// An IPv4 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V4 {
    /// Its lowest address.
    pub base: u32,
    /// Its length.
    pub length: u8,
}

impl V4 {
    /// The prefix of this length that contains an address.
    pub fn containing(address: u32, length: u8) -> Self {
        Self { base: address & (u32::MAX << (32 - length)), length }
    }

    /// Any of its addresses.
    pub fn any(self, random: &mut SmallRng) -> Ipv4Addr {
        let host: u32 = random.random();
        Ipv4Addr::from(self.base | host.checked_shr(u32::from(self.length)).unwrap_or(0))
    }
}

impl std::fmt::Display for V4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.length)
    }
}

/// That many, always the same; fewer are the first of more.
pub fn v4(count: usize) -> Vec<V4> {
    let mut random = random(1);
    let (mut seen, mut prefixes) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    let mut of_length = [0_u64; 33];
    while prefixes.len() < count {
        let length: u8 = random.random_range(16..=32);
        let address: u32 = random.random_range(0x0100_0000..0x7f00_0000);
        let prefix = V4::containing(address, length);
        let is_full = of_length[usize::from(length)] >= (1 << length) / 100;
        if !is_full && address >> 24 != 10 && seen.insert(prefix) {
            of_length[usize::from(length)] += 1;
            prefixes.push(prefix);
        }
    }
    prefixes
}

/// That many single addresses, none of them in a prefix of 24 bits with another.
pub fn exact(count: usize) -> Vec<V4> {
    let mut random = random(10);
    let networks = rand::seq::index::sample(&mut random, 0x7e_0000, count);
    let address = |network: usize| 0x0100_0000 + ((network as u32) << 8 | random.random_range(1..255));
    networks.into_iter().map(address).filter(|address| address >> 24 != 10).map(|a| V4::containing(a, 32)).collect()
}

/// An IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct V6 {
    /// Its lowest address.
    pub base: u128,
    /// Its length.
    pub length: u8,
}

impl V6 {
    /// Any of its addresses.
    pub fn any(self, random: &mut SmallRng) -> Ipv6Addr {
        let host: u128 = random.random();
        Ipv6Addr::from(self.base | host.checked_shr(u32::from(self.length)).unwrap_or(0))
    }
}

impl std::fmt::Display for V6 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from(self.base), self.length)
    }
}

/// That many, always the same, of what registries hand out: every tenth a single host.
pub fn v6(count: usize) -> Vec<V6> {
    let mut random = random(2);
    let (mut seen, mut prefixes) = (HashSet::with_capacity(count), Vec::with_capacity(count));
    while prefixes.len() < count {
        let length: u8 = if random.random_ratio(1, 10) { 128 } else { random.random_range(32..=64) };
        let registry: u128 = [0x240, 0x260, 0x280, 0x2a0, 0x2c0][random.random_range(0..5)];
        let address = registry << 116 | random.random::<u128>() >> 12;
        let prefix = V6 { base: address & (u128::MAX << (128 - length)), length };
        if seen.insert(prefix) {
            prefixes.push(prefix);
        }
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_are_the_first_of_more_and_no_two_are_equal() {
        let many = v4(50_000);
        assert_eq!(v4(10), many[..10]);
        assert_eq!(many.iter().collect::<HashSet<_>>().len(), many.len());
        assert!(many.iter().all(|prefix| prefix.base >> 24 != 10 && prefix.base >> 24 < 127));
    }

    #[test]
    fn an_address_of_a_prefix_is_in_it() {
        let mut random = random(9);
        for prefix in v4(1_000) {
            assert_eq!(V4::containing(u32::from(prefix.any(&mut random)), prefix.length), prefix);
        }
        for prefix in v6(1_000) {
            let address = u128::from(prefix.any(&mut random));
            assert_eq!(address & (u128::MAX << (128 - prefix.length)), prefix.base, "{prefix}");
        }
    }
}
