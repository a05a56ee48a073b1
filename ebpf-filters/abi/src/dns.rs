//! The DNS guard: what is kept about queries to published DNS servers, and the arithmetic of it, by which the program and
//! the reference model judge alike.
//!
//! A flood of random names below a zone is told by their number: in each window of [`WINDOW_S`] seconds every zone has a
//! sketch of [`SKETCH_BITS`] bits, of which each name sets one that its hash chooses. Of `n` different names so many bits
//! are set, give or take one in a hundred, as [`bits_of`] says, however often each of them is asked for. A zone is under
//! attack from the moment at which there are as many as [`Guard::enter`], until a whole window had fewer than
//! [`Guard::leave`].

use crate::hash::mix;
use crate::plain;

/// The UDP port that is guarded.
pub const PORT: u16 = 53;
/// Zones of a municipality that are told apart; number 0 stands for all other names.
pub const ZONES: usize = 16;
/// Labels of a zone's name, at most.
pub const ZONE_LABELS: usize = 8;
/// Octets of a name in a query, the root's included (RFC 1035, 3.1).
pub const LONGEST_NAME: usize = 255;
/// Octets of a DNS header.
pub const HEADER: usize = 12;
/// Octets of type and class behind a name.
pub const TYPE_AND_CLASS: usize = 4;
/// Octets of an OPT record without options (RFC 6891, 6.1.2).
pub const OPT: usize = 11;
/// Octets of a query that are looked at: header, question, OPT.
pub const LONGEST_QUERY: usize = HEADER + LONGEST_NAME + TYPE_AND_CLASS + OPT;
/// Opcode of a query, and that of a primary that tells a secondary of a change (RFC 1996).
pub const OPCODES: [u8; 2] = [0, 4];

/// Seconds of a window.
pub const WINDOW_S: u32 = 4;
/// Bits of a sketch.
pub const SKETCH_BITS: usize = 4_096;
/// Words of a sketch.
pub const SKETCH_WORDS: usize = SKETCH_BITS / 64;
/// Different names of a window that a sketch can still tell from fewer.
pub const MOST_NAMES: u64 = 8_000;

/// Entry of `DNS_GUARDS`, by municipality number, in two halves like every policy table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Hashes of the zones' names, as [`fold`] makes them from [`UNSEEDED`]; those with most labels first, from 1.
    pub zones: [u64; ZONES],
    /// How many labels each of them has; 0: there is no such zone.
    pub labels: [u8; ZONES],
    /// What a query takes out of a source's bucket, as [`crate::budget::source_cost`] gives it.
    pub query_cost: u32,
    /// Bits from which on a zone is under attack.
    pub enter: u16,
    /// Bits of a whole window below which it no longer is.
    pub leave: u16,
}
plain!(Guard, 152);

/// Value of array `DNS_ZONES`, by [`zone_index`]: what was asked for of one zone.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    /// The window, whether the zone is under attack, and the bits of the sketch that are set: see [`advance`].
    pub head: u64,
    /// Hash of the zone's name; 0: all names that are in no zone. A policy may give its place to another one.
    pub name: u64,
    /// Zero.
    pub reserved: [u64; 6],
    /// The sketch.
    pub bits: [u64; SKETCH_WORDS],
}
plain!(Zone, 576);

impl Default for Zone {
    fn default() -> Self {
        Self { head: 0, name: 0, reserved: [0; 6], bits: [0; SKETCH_WORDS] }
    }
}

/// Place of a municipality's zone in `DNS_ZONES`.
#[inline(always)]
pub const fn zone_index(municipality: u16, zone: u32) -> u32 {
    municipality as u32 * ZONES as u32 + (zone & (ZONES as u32 - 1))
}

/// Where the hash of a zone's name begins; that of a name in a sketch begins with a seed that nobody outside knows.
pub const UNSEEDED: u64 = 0;

/// Takes one more octet of a name into its hash, from the last to the first, lengths of labels included and the root's
/// left out. Case makes no difference.
#[inline(always)]
pub const fn fold(hash: u64, octet: u8) -> u64 {
    mix(hash, octet.to_ascii_lowercase() as u64)
}

/// The hash of a name as it stands in a query, without the root's octet.
pub const fn hash_of(seed: u64, name: &[u8]) -> u64 {
    let mut hash = seed;
    let mut left = name.len();
    while left != 0 {
        left -= 1;
        hash = fold(hash, name[left]);
    }
    hash
}

/// The bit of the sketch that a name's hash chooses.
#[inline(always)]
pub const fn bit(hash: u64) -> u32 {
    (mix(hash, 0) >> 52) as u32
}
const _: () = assert!(SKETCH_BITS == 1 << (64 - 52));

/// In the head: the zone is under attack.
const ATTACKED: u64 = 1 << 31;
const BITS: u64 = 0xffff;

/// The window of a second of the clock.
#[inline(always)]
pub const fn window(now_s: u32) -> u32 {
    now_s / WINDOW_S
}

/// The head as it is in a window: where another one has begun, no bit is set, and whether the zone is still under attack
/// is decided by the last whole one.
#[inline(always)]
pub const fn advance(head: u64, window: u32, leave: u16) -> u64 {
    let before = (head >> 32) as u32;
    if before >= window {
        return head;
    }
    let last = if before + 1 == window { bits_set(head) } else { 0 };
    let stays = head & ATTACKED != 0 && last >= leave;
    (window as u64) << 32 | if stays { ATTACKED } else { 0 }
}

/// The head when one more bit is set.
#[inline(always)]
pub const fn with_one_more(head: u64, enter: u16) -> u64 {
    let bits = bits_set(head) as u64 + 1;
    let attacked = if bits >= enter as u64 { ATTACKED } else { 0 };
    head & !BITS | attacked | if bits > BITS { BITS } else { bits }
}

/// Whether the zone is under attack.
#[inline(always)]
pub const fn is_attacked(head: u64) -> bool {
    head & ATTACKED != 0
}

/// Bits of the sketch that are set.
#[inline(always)]
pub const fn bits_set(head: u64) -> u16 {
    (head & BITS) as u16
}

/// Bits that so many different names set, as is to be expected: each sets one more with the probability that the one that
/// it chooses is not set yet.
pub const fn bits_of(names: u64) -> u16 {
    // In parts of a bit, 2^-32.
    let all = (SKETCH_BITS as u64) << 32;
    let (mut bits, mut left) = (0, if names < MOST_NAMES { names } else { MOST_NAMES });
    while left != 0 {
        bits += (all - bits) / SKETCH_BITS as u64;
        left -= 1;
    }
    ((bits + (1 << 31)) >> 32) as u16
}

/// Different names that so many bits stand for: the other way round.
pub const fn names_of(bits: u16) -> u64 {
    let all = (SKETCH_BITS as u64) << 32;
    let wanted = (bits as u64) << 32;
    let (mut reached, mut names) = (0, 0);
    while reached + (1 << 31) < wanted && names < MOST_NAMES {
        reached += (all - reached) / SKETCH_BITS as u64;
        names += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sketch_tells_how_many_names_there_were() {
        for names in [1, 20, 100, 400, 1_000, 4_000, MOST_NAMES] {
            let (mut sketch, mut set) = ([0_u64; SKETCH_WORDS], 0_u16);
            for number in 0..names as u32 {
                // Each three times, and once in capitals.
                let [a, b, c, d] = number.to_be_bytes().map(|octet| b'a' + octet % 26);
                let octets = [b'0' + (number % 10) as u8, a, b, c, d, number as u8 | 0x80, (number >> 8) as u8 | 0x80];
                for name in [octets, octets, octets, octets.map(|octet| octet.to_ascii_uppercase())] {
                    let bit = bit(hash_of(7, &name)) as usize;
                    set += u16::from(sketch[bit / 64] & 1 << (bit % 64) == 0);
                    sketch[bit / 64] |= 1 << (bit % 64);
                }
            }
            let (expected, slack) = (bits_of(names), 3 + bits_of(names) / 40);
            assert!(set.abs_diff(expected) <= slack, "{names} names: {set} bits, expected {expected}");
            assert!(names_of(expected).abs_diff(names) <= 1 + names / 500, "{names}: {}", names_of(expected));
        }
    }

    #[test]
    fn an_attack_begins_at_once_and_ends_with_a_calm_window() {
        let (enter, leave) = (3, 2);
        let mut head = advance(0, 10, leave);
        for expected in [false, false, true, true] {
            head = with_one_more(head, enter);
            assert_eq!(is_attacked(head), expected);
        }
        // The window was not calm, so the next one begins under attack; a single name in that one ends it.
        head = advance(head, 11, leave);
        assert!(is_attacked(head) && bits_set(head) == 0);
        head = advance(with_one_more(head, enter), 12, leave);
        assert!(!is_attacked(head));
        // Windows in which nobody asked are calm.
        let busy = (0..3).fold(head, |head, _| with_one_more(head, enter));
        assert!(is_attacked(advance(busy, 13, leave)) && !is_attacked(advance(busy, 14, leave)));
        // A packet that was judged late belongs to the window that there is.
        assert_eq!(advance(busy, 11, leave), busy);
    }

    #[test]
    fn case_and_the_root_make_no_difference() {
        assert_eq!(hash_of(UNSEEDED, b"\x03WwW\x07example"), hash_of(UNSEEDED, b"\x03www\x07example"));
        assert_ne!(hash_of(UNSEEDED, b"\x03www\x07example"), hash_of(UNSEEDED, b"\x03wwx\x07example"));
        assert_eq!(hash_of(hash_of(5, b"\x02jp"), b"\x02go"), hash_of(5, b"\x02go\x02jp"));
    }
}
