//! Fragments of IP packets, put together. Bounded: the oldest packet that is not whole gives way.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::MAX_TAGS;
use super::ip::Fragment;
use crate::assembly::Assembly;

/// Packets that are put together at once; each keeps at most [`MAX_PACKET_BYTES`].
const MAX_PACKETS: usize = 256;
/// RFC 791: more do not fit the total length.
const MAX_PACKET_BYTES: usize = 65_535;

type Key = ([u16; MAX_TAGS], IpAddr, IpAddr, u8, u32);

/// Packets of which parts have come.
#[derive(Debug, Default)]
pub struct Fragments {
    packets: HashMap<Key, Parts>,
    ages: VecDeque<Key>,
}

#[derive(Debug, Default)]
struct Parts {
    assembly: Assembly,
    data: Vec<u8>,
    end: Option<u64>,
}

impl Fragments {
    /// The payload, when its last missing part has come. Of two parts for one place the first stays.
    pub(super) fn add(&mut self, vlan: [u16; MAX_TAGS], fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        let end = fragment.offset + fragment.data.len() as u64;
        if end > MAX_PACKET_BYTES as u64 {
            return None;
        }
        let key = (vlan, fragment.source, fragment.destination, fragment.protocol, fragment.identification);
        if !self.packets.contains_key(&key) {
            if self.ages.len() == MAX_PACKETS
                && let Some(oldest) = self.ages.pop_front()
            {
                self.packets.remove(&oldest);
            }
            self.ages.push_back(key);
        }
        let parts = self.packets.entry(key).or_default();
        let data = &mut parts.data;
        parts
            .assembly
            .insert(fragment.offset, fragment.data, MAX_PACKET_BYTES, &mut |bytes| data.extend_from_slice(bytes))
            .ok()?;
        if fragment.is_last {
            parts.end.get_or_insert(end);
        }
        if parts.end.is_none_or(|end| parts.assembly.next() < end) {
            return None;
        }
        let mut whole = self.packets.remove(&key)?.data;
        self.ages.retain(|other| *other != key);
        whole.truncate(MAX_PACKET_BYTES);
        Some(whole)
    }
}
