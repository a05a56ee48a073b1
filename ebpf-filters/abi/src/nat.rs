//! Port blocks and mappings: which public address and port stand for an inside client's, so that every engine chooses the
//! same, and so that whoever sees the public side can be told whose it was.
//!
//! ```text
//! NAT_NUMBERS  public address ─► number n            (user space: when a policy names the address)
//! NAT_ADDRESSES[n]      which units of 64 ports belong to a block      (taken by compare-and-exchange)
//! NAT_BLOCKS[n, unit]   whose block begins there, and since when
//! NAT_CELLS[n, port]    which inside port the public port stands for, and until when
//! NAT_CLIENTS  municipality, inside address ─► its blocks
//! INBOUND      public address, protocol, port ─► an inside server's (a table of the policy, see [`inbound`])
//! ```
//! A block is a power of two of units, aligned in its address, so that its units are bits of one word. A public port is
//! found by its number, an inside port in two groups of eight cells of each block of its client.

mod cell;
pub mod inbound;

use crate::plain;

pub use cell::Cell;
pub use inbound::Inbound;

/// Ports below this are never public ones.
pub const FIRST_PORT: u16 = 1_024;
/// Ports of a unit, the smallest block.
pub const UNIT_PORTS: u32 = 64;
/// Units of an address.
pub const UNITS: u32 = 65_536 / UNIT_PORTS;
/// The largest block's size: a word of units.
pub const LARGEST_SHIFT: u32 = 6;
/// Blocks that a client may have.
pub const CLIENT_BLOCKS: usize = 8;
/// Addresses of its pool that a client without room is offered at most, from the one that its hash names on.
pub const ADDRESS_TRIES: u32 = 64;
/// Cells of a group: a cache line.
pub const GROUP: u32 = 8;
/// Seconds, as a shift, within which a flow asks once for its mapping to be kept.
pub const REFRESH_SHIFT: u32 = 5;
/// What a mapping outlives its flow's timeout by, so that asking once is enough.
pub const REFRESH_SLACK_S: u32 = (1 << REFRESH_SHIFT) - 1;

/// Entry of array `NAT_ADDRESSES`, by number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAddress {
    /// In network order; 0: the number is free.
    pub address: u32,
    /// Zero.
    pub reserved: u32,
    /// A bit for each unit, lowest first, that is a block's or may be nobody's.
    pub taken: [u64; 16],
}
plain!(PublicAddress, 136);

/// The first word of [`PublicAddress::taken`] where no block is: the ports below [`FIRST_PORT`].
pub const NOBODYS: u64 = (1 << (FIRST_PORT as u32 / UNIT_PORTS)) - 1;

/// Entry of array `NAT_BLOCKS`, at the block's first unit: see [`unit_index`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// `CLOCK_MONOTONIC` (coarse) in ns at which it was assigned.
    pub assigned_ns: u64,
    /// Whose it is.
    pub owner: ClientKey,
    /// One of [`status`], and above it the size as a shift of units.
    pub status: u64,
}
plain!(Block, 24);

/// Lower byte of [`Block::status`].
pub mod status {
    /// Nobody's.
    pub const FREE: u64 = 0;
    /// Its owner's.
    pub const IN_USE: u64 = 1;
    /// About to be freed: it takes no new mapping.
    pub const RETIRING: u64 = 2;
    /// Of a status word.
    pub const MASK: u64 = 0xff;
    /// Where the size is.
    pub const SIZE_SHIFT: u32 = 8;

    /// A block of so many units, as a shift.
    #[inline(always)]
    pub const fn of(status: u64, shift: u32) -> u64 {
        status | (shift as u64) << SIZE_SHIFT
    }
}

/// Key of hash `NAT_CLIENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// IPv4 address in network order.
    pub client: u32,
    /// Municipality number.
    pub municipality: u16,
    /// 0; of an inspector, which speaks for all clients from one address, which part of its ports, from 1 on: each part
    /// has blocks like a client.
    pub part: u16,
}
plain!(ClientKey, 8);

/// Value of hash `NAT_CLIENTS`: [references](reference) to blocks; 0: none. What a reference names may be another's by now:
/// the block itself says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientBlocks(pub [u32; CLIENT_BLOCKS]);
plain!(ClientBlocks, 32);

/// Index in `NAT_BLOCKS` of a unit of the address with this number.
#[inline(always)]
pub const fn unit_index(number: u32, unit: u32) -> u32 {
    number * UNITS + unit
}

const REFERENCE: u32 = 1 << 31;
const REFERENCE_SHIFT: u32 = 28;

/// A block's name: where it begins and how large it is.
#[inline(always)]
pub const fn reference(unit_index: u32, shift: u32) -> u32 {
    REFERENCE | (shift & 7) << REFERENCE_SHIFT | unit_index
}

/// Index in `NAT_BLOCKS` and size, as a shift of units, from a [`reference`].
#[inline(always)]
pub const fn referred(reference: u32) -> (u32, u32) {
    (reference & ((1 << REFERENCE_SHIFT) - 1), (reference >> REFERENCE_SHIFT) & 7)
}

/// Cell of no mapping: what a flow without ports has.
pub const NO_CELL: u32 = u32::MAX;

/// TCP has ports of its own; UDP ports and echo identifiers share theirs.
#[inline(always)]
pub const fn space(protocol: u8) -> u32 {
    if protocol == 6 { 0 } else { 1 }
}

/// Spaces of ports.
pub const SPACES: u32 = 2;

/// Index in `NAT_CELLS` of the first cell of the group that holds a port of the address with this number.
#[inline(always)]
pub const fn group_index(number: u32, port: u32, space: u32) -> u32 {
    ((number * (65_536 / GROUP) + port / GROUP) * SPACES + space) * GROUP
}

/// Cells of an address.
pub const CELLS: u32 = 65_536 * SPACES;

/// Number of the address and port of a cell.
#[inline(always)]
pub const fn place(cell: u32) -> (u32, u16) {
    let group = cell / (GROUP * SPACES);
    (group / (65_536 / GROUP), (group % (65_536 / GROUP) * GROUP + cell % GROUP) as u16)
}

/// The `n`th of the two groups in which an inside port may be, in ports from the beginning of a block of so many units, as
/// a shift: the first holds the port with the same low bits, so that it and its neighbours tend to be kept.
#[inline(always)]
pub const fn group(inside_port: u16, shift: u32, n: u32) -> u32 {
    let mask = (UNIT_PORTS << shift) - GROUP;
    if n == 0 { inside_port as u32 & mask } else { client_hash(inside_port as u32 ^ 0x9e37_79b9) & mask }
}

/// The lowest run of free units that a block of so many, as a shift, may have: the number of its first bit.
#[inline(always)]
pub const fn free_units(taken: u64, shift: u32) -> Option<u32> {
    let mut free = !taken;
    let mut round = 0;
    while round < LARGEST_SHIFT {
        if round < shift {
            free &= free >> (1 << round);
        }
        round += 1;
    }
    free &= ALIGNED[shift as usize % ALIGNED.len()];
    if free == 0 { None } else { Some(free.trailing_zeros()) }
}

/// The bits of the units of a block that begins at bit `first`.
#[inline(always)]
pub const fn units(first: u32, shift: u32) -> u64 {
    (u64::MAX >> (64 - (1_u32 << shift))) << first
}

/// Where blocks may begin, by size.
const ALIGNED: [u64; 8] = [
    u64::MAX,
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
    0,
];

/// A fixed mix of an inside IPv4 address (host order), so that one client keeps one public address.
#[inline(always)]
pub const fn client_hash(inside: u32) -> u32 {
    let mut h = inside;
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The `n`th address of its pool that a client is offered. `pool_size` is at least 1.
#[inline(always)]
pub const fn pool_choice(inside: u32, n: u32, pool_size: u32) -> u32 {
    reduce(client_hash(inside), pool_size).wrapping_add(n) % at_least_one(pool_size)
}

/// Maps a hash evenly onto `0..size` without a division.
#[inline(always)]
const fn reduce(hash: u32, size: u32) -> u32 {
    ((hash as u64 * size as u64) >> 32) as u32
}

/// Keeps the verifier and the compiler sure that a divisor is not zero.
#[inline(always)]
const fn at_least_one(value: u32) -> u32 {
    if value == 0 { 1 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_walk_the_pool() {
        for inside in (0..u32::MAX).step_by(9_999_991) {
            let first = pool_choice(inside, 0, 3);
            assert!(first < 3);
            assert_eq!(pool_choice(inside, 1, 3), (first + 1) % 3);
        }
    }

    #[test]
    fn free_units_are_the_lowest_aligned_run() {
        let mut taken = NOBODYS;
        for shift in 0..=LARGEST_SHIFT {
            for pattern in [0, 1, 1 << 63, NOBODYS, 0x8000_0000_0000_8001, u64::MAX, 0xff00_ff00_ff00_ffff, taken] {
                let size = 1 << shift;
                let expected = (0..64).step_by(size).find(|&first| pattern & units(first as u32, shift) == 0);
                assert_eq!(free_units(pattern, shift), expected.map(|first| first as u32), "{pattern:x} {shift}");
            }
            taken = client_hash(taken as u32) as u64 * 0x1_0001;
        }
    }

    #[test]
    fn a_cell_is_where_its_port_is() {
        for (number, port) in [(0, 1_024_u16), (5, 40_001), (4_095, 65_535)] {
            for protocol in [6, 17] {
                let cell = group_index(number, port.into(), space(protocol)) + u32::from(port) % GROUP;
                assert_eq!(place(cell), (number, port));
                assert!(cell < (number + 1) * CELLS);
            }
        }
    }

    #[test]
    fn both_groups_lie_in_the_block() {
        for shift in 0..=LARGEST_SHIFT {
            for port in 0..=u16::MAX {
                assert_eq!(group(port, shift, 0), u32::from(port) % (64 << shift) / 8 * 8);
                assert!(group(port, shift, 1) + GROUP <= 64 << shift);
            }
        }
    }
}
