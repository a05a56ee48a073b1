//! Address → class: what the entries of `V4_ROOT`, `V6_ROOT`, `NODES` and `RECORDS` mean, and one step of a look-up.
//!
//! A look-up takes the root entry of its address and follows pointers until it meets a class. A pointer says all that
//! the next step needs: what it points to, which, and how many octets of the address are behind it, so a look-up
//! carries nothing but its entry.
//!
//! ```text
//! NODE    256 entries, 1 KiB, by the next octet
//! OCTETS  64 bytes: 12 boundaries of 8 bits,  13 entries      by the next octet
//! SHORT   64 bytes:  7 boundaries of 32 bits,  8 entries      by the next four octets
//! LONG    64 bytes:  5 boundaries of 56 bits,  6 entries      by the next seven octets
//! ```
//! An entry of a record holds from its boundary up to the next one, the first from zero. Records are one cache line
//! each; boundaries are counted without branches.

use crate::limits::V6_ROOT_GLOBAL;
use crate::plain;

/// An entry with this bit is a pointer; one without it is a class number.
pub const POINTER: u32 = 1 << 31;

/// What a pointer points to: bits 29 and 30.
pub mod kind {
    /// 256 entries of `NODES`.
    pub const NODE: u32 = 0;
    /// One of `RECORDS`, by one octet.
    pub const OCTETS: u32 = 1;
    /// One of `RECORDS`, by four octets.
    pub const SHORT: u32 = 2;
    /// One of `RECORDS`, by seven octets.
    pub const LONG: u32 = 3;
}

const NUMBER_BITS: u32 = 25;
const OCTET_BITS: u32 = 4;

/// A pointer to `number` of its kind, for addresses of which `octets` (below 16) are behind.
pub const fn pointer(kind: u32, octets: u32, number: u32) -> u32 {
    POINTER | kind << (NUMBER_BITS + OCTET_BITS) | octets << NUMBER_BITS | number_of(number)
}

/// What a pointer points to: one of [`kind`].
#[inline(always)]
pub const fn kind_of(pointer: u32) -> u32 {
    pointer >> (NUMBER_BITS + OCTET_BITS) & 3
}

/// Which of its kind: the index in `RECORDS`, or that in `NODES` divided by 256.
#[inline(always)]
pub const fn number_of(pointer: u32) -> u32 {
    pointer & ((1 << NUMBER_BITS) - 1)
}

/// What a pointer's target goes by: the next 64 bits of the address, zeros beyond its end.
///
/// An address is two halves in host order, IPv4 in the highest 32 bits.
#[inline(always)]
pub const fn window(pointer: u32, high: u64, low: u64) -> u64 {
    let bits = (pointer >> NUMBER_BITS & ((1 << OCTET_BITS) - 1)) * 8;
    let shift = bits & 63;
    if bits & 64 != 0 { low << shift } else { high << shift | low >> 1 >> (63 - shift) }
}

/// Index in `V4_ROOT`: an entry a /24.
#[inline(always)]
pub const fn v4_root_index(address: u32) -> u32 {
    address >> 8
}

/// Index in `V6_ROOT` of an address with this upper half: an entry a /24 below 2000::/3, from which all global
/// addresses come, then an entry a /16 for the whole.
#[inline(always)]
pub const fn v6_root_index(high: u64) -> u32 {
    if high >> 61 == 1 { (high >> 40) as u32 & (V6_ROOT_GLOBAL - 1) } else { V6_ROOT_GLOBAL + (high >> 48) as u32 }
}

/// Entry of `RECORDS`, as words in which the lower half comes first: boundaries, then entries.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record(pub [u64; 8]);
plain!(Record, 64);

/// Four bytes, each in 16 bits.
const LANES: u64 = 0x00ff_00ff_00ff_00ff;
const ONES: u64 = 0x0001_0001_0001_0001;

impl Record {
    /// Boundaries in a record of a kind; it has one entry more.
    pub const fn boundaries(kind: u32) -> usize {
        match kind {
            kind::OCTETS => 12,
            kind::SHORT => 7,
            _ => 5,
        }
    }

    /// The entry for a [`window`], in a record of this kind.
    #[inline(always)]
    pub fn find(&self, kind: u32, window: u64) -> u32 {
        match kind {
            kind::OCTETS => self.by_octet(window >> 56),
            kind::SHORT => self.by_four(window >> 32),
            _ => self.by_seven(window >> 8),
        }
    }

    #[inline(always)]
    fn by_octet(&self, octet: u64) -> u32 {
        let [first, second, ..] = self.0;
        // In a lane, 256 + octet - boundary has bit 8 if the boundary is not above the octet.
        let octets = (octet | 0x100).wrapping_mul(ONES);
        let lanes = [first, first >> 8, second & 0x00ff_00ff | (second & 0xff00_ff00) << 24];
        let reached = lanes.iter().fold(0, |sum: u64, lane| sum + (octets.wrapping_sub(lane & LANES) >> 8 & ONES));
        self.half_word(3 + (reached.wrapping_mul(ONES) >> 48))
    }

    #[inline(always)]
    fn by_four(&self, key: u64) -> u32 {
        let [a, b, c, d, ..] = self.0;
        let low = |word: u64| word & 0xffff_ffff;
        let boundaries = [low(a), a >> 32, low(b), b >> 32, low(c), c >> 32, low(d)];
        self.half_word(14 - above(&boundaries, key))
    }

    #[inline(always)]
    fn by_seven(&self, key: u64) -> u32 {
        let [a, b, c, d, e, ..] = self.0;
        self.half_word(15 - above(&[a, b, c, d, e], key))
    }

    #[inline(always)]
    fn half_word(&self, index: u64) -> u32 {
        match self.0.get((index >> 1) as usize) {
            Some(word) => (word >> ((index & 1) * 32)) as u32,
            None => 0,
        }
    }
}

/// How many boundaries are above a key; all are below 2^63, so the sign of the difference says it.
#[inline(always)]
fn above(boundaries: &[u64], key: u64) -> u64 {
    boundaries.iter().fold(0, |count, boundary| count + (key.wrapping_sub(*boundary) >> 63))
}
