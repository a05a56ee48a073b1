//! Captures, policies, and packets broken on purpose.

use policy::Policy;
use std::net::IpAddr;

use crate::files::repository;

/// The project's example.
pub const EXAMPLE: &str = "policy/example";
/// One municipality with every address.
pub const EVERYONE: &str = "gateway/bangasa/tests/policies/everyone";
/// Two municipalities and an Internet by address.
pub const HALVES: &str = "gateway/bangasa/tests/policies/halves";

/// A policy of this repository.
pub fn load(directory: &str) -> Policy {
    let checked = bangasa::policy_directory::load(&repository().join(directory)).unwrap();
    checked.unwrap_or_else(|| panic!("{directory} is not valid")).policy
}

/// Where a packet enters under [`HALVES`], by its source; tags, which belong to somebody else's network, are taken off.
pub fn sides(frame: &[u8]) -> (&'static str, Vec<u8>) {
    let mut frame = frame.to_vec();
    while matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00])) && frame.len() >= 18 {
        frame.drain(12..16);
    }
    let port = match source(&frame) {
        Some(IpAddr::V4(source)) if source.is_private() => "lan0.101",
        Some(IpAddr::V4(source)) if source.octets()[0] < 128 => "lan0",
        Some(IpAddr::V6(source)) if source.segments()[0] == 0x2001 || source.segments()[0] >> 9 == 0x7e => "lan0",
        Some(_) => "wan0",
        None => "lan0",
    };
    (port, frame)
}

fn source(frame: &[u8]) -> Option<IpAddr> {
    match frame.get(12..14)? {
        [0x08, 0x00] => frame.get(26..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        [0x86, 0xdd] => frame.get(22..)?.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

/// A small generator of numbers, the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A copy of the bytes with some changed, the end cut off, or zeros appended; mostly near the beginning, where
    /// headers are.
    pub fn broken(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let headers = bytes.len().min(80);
        match self.below(6) {
            0 => bytes.truncate(self.below(headers + 1)),
            1 => bytes.truncate(self.below(bytes.len() + 1)),
            2 => bytes.resize(bytes.len() + self.below(64), 0),
            _ => {
                for _ in 0..=self.below(4) {
                    let at = self.below(headers);
                    let value = [0, 1, 4, 0x7f, 0x80, 0xff, self.next() as u8][self.below(7)];
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = value;
                    }
                }
            }
        }
        bytes
    }
}
