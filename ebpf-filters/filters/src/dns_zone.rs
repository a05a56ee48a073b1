//! How many different names of each zone are asked for: see [`abi::dns`]. CPUs share a zone's sketch without a lock. A
//! packet that is judged while another one begins a window may set a bit that is cleared again; otherwise every name
//! counts once, on whichever CPUs it is asked for.

use abi::dns::{Guard, SKETCH_WORDS, ZONES, Zone, advance, bit, is_attacked, window, with_one_more, zone_index};

use crate::atomic::exchange_if;
use crate::dns_query::{Query, within};
use crate::maps::DNS_ZONES;
use crate::packet::Packet;

/// Times that another CPU may be quicker before a name goes uncounted.
const TRIES: u32 = 8;

/// Takes the query's name into its zone's sketch: whether the zone is under attack, now at the latest.
#[inline(always)]
pub fn is_attacked_with(packet: &Packet, guard: &Guard, query: &Query) -> bool {
    let (number, name) = zone_of(guard, query);
    let thresholds = (guard.enter as u32) << 16 | guard.leave as u32;
    count_name(zone_index(packet.event.municipality, number), name, query.name, window(packet.now_s), thresholds) != 0
}

/// The longest of the municipality's zones that the name is in: its number and the hash of its name.
#[inline(always)]
fn zone_of(guard: &Guard, query: &Query) -> (u32, u64) {
    for number in 1..ZONES {
        let labels = guard.labels[number] as u32;
        if labels == 0 {
            break;
        }
        if query.suffix(labels) == guard.zones[number] {
            return (number as u32, guard.zones[number]);
        }
    }
    (0, 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_name(index: u32, zone_name: u64, name: u64, window: u32, thresholds: u32) -> u32 {
    let Some(zone) = DNS_ZONES.get_ptr_mut(index) else { return 0 };
    let (enter, leave) = ((thresholds >> 16) as u16, thresholds as u16);
    // SAFETY: words of a map value. Volatile, because other CPUs write them.
    let (head, is_its_own) = unsafe { (&raw mut (*zone).head, (&raw const (*zone).name).read_volatile() == zone_name) };
    if !is_its_own {
        // SAFETY: as above. A policy has given the place to this zone: what it was told about another one is void.
        unsafe {
            (&raw mut (*zone).name).write_volatile(zone_name);
            head.write_volatile(0);
        }
    }
    // SAFETY: as above.
    let before = unsafe { head.read_volatile() };
    let here = advance(before, window, leave);
    // SAFETY: an aligned word of a map value.
    if here != before && unsafe { exchange_if(head, before, here) } {
        clear(zone);
    }
    if set(zone, bit(name)) {
        for _ in 0..TRIES {
            // SAFETY: as above.
            let before = unsafe { head.read_volatile() };
            // SAFETY: as above.
            if unsafe { exchange_if(head, before, with_one_more(before, enter)) } {
                break;
            }
        }
    }
    // SAFETY: as above.
    is_attacked(unsafe { head.read_volatile() }) as u32
}

#[inline(always)]
fn clear(zone: *mut Zone) {
    for word in 0..SKETCH_WORDS {
        // SAFETY: a word of the sketch.
        unsafe { (&raw mut (*zone).bits).cast::<u64>().add(word).write_volatile(0) };
    }
}

/// Sets a bit of the sketch; whether it was this packet that did.
#[inline(always)]
fn set(zone: *mut Zone, bit: u32) -> bool {
    let mask = 1_u64 << (bit & 63);
    // SAFETY: masked to the sketch's words.
    let word = unsafe { (&raw mut (*zone).bits).cast::<u64>().add(within::<{ SKETCH_WORDS as u64 - 1 }>(bit >> 6)) };
    for _ in 0..TRIES {
        // SAFETY: a word of a map value, aligned; volatile, because other CPUs write it.
        let before = unsafe { word.read_volatile() };
        if before & mask != 0 {
            return false;
        }
        // SAFETY: as above.
        if unsafe { exchange_if(word, before, before | mask) } {
            return true;
        }
    }
    false
}
