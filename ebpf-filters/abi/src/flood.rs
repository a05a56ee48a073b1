//! Which services are under attack: how many new connections each is asked for, second by second.
//!
//! A service is an address and a TCP port. Its *cell* is found by a hash: services that meet in one share what is counted,
//! and are under attack together. Numbers of requests are the policy's, cells are not its: an apply ends no attack.

use crate::hash::mix;
use crate::{Address, plain};

/// Cells, a power of two.
pub const CELLS: u32 = 1 << 12;
/// Seconds below the lower rate after which a service is no longer under attack.
pub const CALM_S: u32 = 5;

/// Entry of array `SYN_CELLS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// A second of the clock, and in the lower half the SYNs that came in it, as far as they were counted.
    pub window: u64,
    /// The latest second that was too busy; 0: none ever was.
    pub busy_s: u32,
    /// The second in which the latest attack began.
    pub began_s: u32,
    /// The service whose SYN began it:
    pub address: Address,
    /// its port,
    pub port: u16,
    /// and municipality number.
    pub municipality: u16,
    /// Zero.
    pub reserved: u32,
}
plain!(Cell, 40);

/// How many SYNs a second begin an attack, and below how many it ends; the first 0: never.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// So many begin it.
    pub enter: u32,
    /// So many make it last.
    pub leave: u32,
}

/// The cell of a service. Where seeds are secret, nobody can choose services that meet.
#[inline(always)]
pub const fn cell_of(address: &Address, port: u16, seed: u32) -> u32 {
    let Address([a, b, c, d]) = *address;
    let hash = mix(mix(seed as u64, (a as u64) << 32 | b as u64), (c as u64) << 32 | d as u64);
    (mix(mix(hash, port as u64), 0) >> 32) as u32 & (CELLS - 1)
}

/// Whether a cell whose latest busy second this was is under attack.
#[inline(always)]
pub const fn is_attacked(busy_s: u32, now_s: u32) -> bool {
    busy_s != 0 && now_s.saturating_sub(busy_s) <= CALM_S
}

/// Whether cookies that were given during an attack may still come back.
#[inline(always)]
pub const fn is_remembered(busy_s: u32, now_s: u32) -> bool {
    busy_s != 0 && now_s.saturating_sub(busy_s) <= CALM_S + crate::cookie::LIFETIME_S
}

impl Rates {
    /// Whether so many SYNs in one second are too many.
    #[inline(always)]
    pub const fn are_passed(self, count: u32, attacked: bool) -> bool {
        count >= if attacked { self.leave } else { self.enter }
    }
}

/// The window in which the next SYN is counted, from the one before it.
#[inline(always)]
pub const fn counted(window: u64, now_s: u32) -> u64 {
    if (window >> 32) as u32 == now_s { window + 1 } else { (now_s as u64) << 32 | 1 }
}
