//! What published DNS servers are asked for, as the kernel counts it.

use std::mem::{offset_of, size_of};

use abi::dns::{Guard, UNSEEDED, Zone, advance, bits_set, is_attacked, names_of, window, zone_index};

use super::Gateway;
use crate::clock;

/// One zone of a municipality's, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneReading {
    /// Its place among the municipality's zones; 0: all names that are in none.
    pub place: usize,
    /// Whether it is under attack.
    pub attacked: bool,
    /// About how many different names this window has had so far.
    pub names: u64,
}

impl Gateway {
    /// The zones that a municipality's guard tells apart, as they stand in its policy.
    pub fn read_dns(&self, municipality: u16, guard: &Guard) -> Vec<ZoneReading> {
        let window = window(clock::coarse_seconds());
        let zones = guard.zones.iter().zip(&guard.labels).enumerate();
        let zones = zones.filter(|(place, (_, labels))| *place == 0 || **labels != 0);
        let read = |(place, (name, _)): (usize, (&u64, _))| {
            let at = zone_index(municipality, place as u32) as usize * size_of::<Zone>();
            let name_there = self.dns_zones.load(at + offset_of!(Zone, name));
            let expected = if place == 0 { UNSEEDED } else { *name };
            // Until somebody asks for the zone, its place is still another one's.
            let head = if name_there == expected { self.dns_zones.load(at + offset_of!(Zone, head)) } else { 0 };
            let head = advance(head, window, guard.leave);
            ZoneReading { place, attacked: is_attacked(head), names: names_of(bits_set(head)) }
        };
        zones.map(read).collect()
    }
}
