//! The one word that selects a policy, and counters.

use crate::plain;
use crate::verdict::REASON_SLOTS;

/// The single entry of map `CONTROL`, written by user space through mmap.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// The active policy generation; 0 before the first. Read once a packet; `generation & 1` selects the half of
    /// every policy table. Installing a policy ends with one store here.
    pub generation: u64,
    /// Time in ns, in place of the kernel's clock, for programs loaded with `REPLAY` set.
    pub replay_clock_ns: u64,
    /// [`crate::ABI_VERSION`] of whoever created the maps.
    pub abi_version: u32,
    /// Buckets of `FLOWS`, a power of two.
    pub flow_buckets: u32,
    /// Key of SYN cookies, random, for as long as the maps live.
    pub cookie_key: [u64; 2],
}
plain!(Control, 40);

/// Packets and bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire, Ethernet header included.
    pub bytes: u64,
}
plain!(Counter, 16);

/// One value of per-CPU map `COUNTERS`, indexed by municipality number (0: none): every exit of the program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CounterRow {
    /// By direction, verdict and reason number: see [`CounterRow::slot`].
    pub counters: [Counter; COUNTER_SLOTS],
}
plain!(CounterRow, 8192);

/// Slots of a [`CounterRow`].
pub const COUNTER_SLOTS: usize = 2 * 4 * REASON_SLOTS;

impl CounterRow {
    /// The slot of a direction, verdict and reason, by their numbers.
    #[inline(always)]
    pub const fn slot(direction: u8, verdict: u8, reason: u16) -> usize {
        ((direction as usize & 1) << 8) | ((verdict as usize & 3) << 6) | (reason as usize & (REASON_SLOTS - 1))
    }
}

/// One value of per-CPU map `EVENT_LOSSES`, indexed by municipality number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct EventLosses {
    /// Events not sent because the ring buffer was full.
    pub ring_full: u64,
    /// Events not sent because the municipality's event budget of this second was used up.
    pub over_budget: u64,
    /// The time of the coarse clock at which the budget was last found used up: until it ticks, nobody looks again.
    pub refused_at_ns: u64,
}
plain!(EventLosses, 24);
