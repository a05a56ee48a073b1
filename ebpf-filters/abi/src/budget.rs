//! Budgets of municipalities: what may be limited, what it costs, and where the state of it is kept.
//!
//! A rate is a bucket of time. Full, it holds [`BURST_NS`]; it fills as time passes, and a unit takes its share of a second
//! out of it. What is kept is the moment at which the bucket will be full: one word, so that CPUs need no lock. They do not
//! go to it for each packet: a CPU draws [`CHUNK_NS`] at a time and spends that alone. So over any time `t`, at most
//! `rate * (BURST + t + CPUs * CHUNK)` pass (a second's worth, and a thousandth of it for each CPU, more than the rate),
//! and one CPU alone has at its disposal all of it but what the others have drawn: `(CPUs - 1) * CHUNK`.
//!
//! Numbers are the policy's and change with its generation; the state is not and does not: an apply fills no bucket.

use crate::flood::Rates;
use crate::{Direction, plain};

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// What may be limited. Numbers are never reused: they stand in pinned counters.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        pub enum Limit {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Limit {
            /// Every limit, in number order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in policy, JSON, metrics and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is limited, for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, )+).trim_ascii(),)+ }
            }

            /// The limit with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

limits! {
    /// live flows in the flow table
    Flows = 1, "flows";
    /// flows that begin
    NewFlows = 2, "new_flows_per_second";
    /// packets passed
    Packets = 3, "packets_per_second";
    /// bits passed, Ethernet headers included
    Bits = 4, "bits_per_second";
    /// connections to mail servers on the Internet that begin
    Smtp = 5, "smtp_connections_per_second";
    /// events told; what is over is counted, and nothing is dropped
    Events = 6, "events_per_second";
    /// flows that one source begins
    SourceNewFlows = 7, "per_source.new_flows_per_second";
    /// packets passed of one source
    SourcePackets = 8, "per_source.packets_per_second";
    /// flows that one network of the Internet begins
    PrefixNewFlows = 9, "per_prefix.new_flows_per_second";
    /// packets passed of one network of the Internet
    PrefixPackets = 10, "per_prefix.packets_per_second";
    /// queries that one source sends to guarded DNS servers, a second
    DnsQueries = 11, "dns.queries_per_source";
    /// different names below one zone that guarded DNS servers are asked for, within four seconds
    DnsNames = 12, "dns.names";
}

/// What a bucket holds when it is full.
pub const BURST_NS: u64 = 1_000_000_000;
/// What a CPU draws at a time; a little more than a thousandth of [`BURST_NS`].
pub const CHUNK_NS: u64 = 1 << 20;
/// Costs and shares are in parts of a nanosecond: `1 << FRACTION` of them.
pub const FRACTION: u32 = 16;

/// Buckets of a municipality.
pub const BUCKETS: usize = 8;
/// New flows, by direction number.
pub const NEW_FLOWS: usize = 0;
/// Packets, by direction number.
pub const PACKETS: usize = 2;
/// Bytes, by direction number.
pub const BYTES: usize = 4;
/// Connections to mail servers.
pub const SMTP: usize = 6;
/// Events.
pub const EVENTS: usize = 7;

/// Ports by which mail is handed over or in.
#[inline(always)]
pub const fn is_smtp(destination_port: u16) -> bool {
    matches!(destination_port, 25 | 465 | 587)
}

/// What one of `per_second` takes out of a bucket.
pub const fn cost(per_second: u64) -> u64 {
    (BURST_NS << FRACTION) / at_least_one(per_second)
}

/// What one byte of `bits_per_second` takes out of a bucket.
pub const fn byte_cost(bits_per_second: u64) -> u64 {
    ((8 * BURST_NS) << FRACTION) / at_least_one(bits_per_second)
}

/// Sources keep time in ticks of `1 << TICK` ns.
pub const TICK: u32 = 6;
/// What a source's bucket holds when it is full.
pub const SOURCE_BURST: u64 = BURST_NS >> TICK;

/// Bits in which a source's time is kept, in ticks: it comes round after 73 minutes.
pub const SOURCE_TIME_BITS: u32 = 36;
/// What is kept of a time.
pub const SOURCE_TIME: u64 = (1 << SOURCE_TIME_BITS) - 1;

/// Ticks that a source's bucket lacks which will be, or was, full at a time; 0: it is full. A bucket is full within a second,
/// so other times than the next second's are past ones; one that was left for 73 minutes to the second is taken for the
/// next second's.
#[inline(always)]
pub const fn source_owed(full_at: u64, now: u64) -> u64 {
    let ahead = full_at.wrapping_sub(now) & SOURCE_TIME;
    if ahead <= SOURCE_BURST { ahead } else { 0 }
}

/// What one of `per_second` takes out of a source's bucket: whole ticks, so that rates near a million come out four
/// hundredths too high.
pub const fn source_cost(per_second: u64) -> u32 {
    at_least_one(SOURCE_BURST / at_least_one(per_second)) as u32
}

const fn at_least_one(number: u64) -> u64 {
    if number == 0 { 1 } else { number }
}

/// Source costs of a municipality.
pub const SOURCE_COSTS: usize = 8;
/// New flows of a source, by direction number.
pub const SOURCE_NEW_FLOWS: usize = 0;
/// Packets of a source, by direction number.
pub const SOURCE_PACKETS: usize = 2;
/// New flows of a network of the Internet, by direction number: only ingress has them.
pub const PREFIX_NEW_FLOWS: usize = 4;
/// Packets likewise.
pub const PREFIX_PACKETS: usize = 6;
/// Queries of a source to guarded DNS servers, by direction number: only ingress has them. What they cost is in
/// [`crate::dns::Guard`].
pub const SOURCE_QUERIES: usize = 8;

/// Entry of `BUDGETS`, by municipality number, in two halves like every policy table: what units cost. 0: no limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// By bucket, as [`cost`] gives it; of [`BYTES`] for one byte.
    pub costs: [u64; BUCKETS],
    /// By what of a source, as [`source_cost`] gives it.
    pub source_costs: [u32; SOURCE_COSTS],
    /// Live flows.
    pub flows: u64,
    /// SYNs to one service; no limit, but cookies beyond.
    pub syn_cookies: Rates,
    /// Zero.
    pub reserved: [u64; 2],
}
plain!(Budgets, 128);

/// Value of array `POOLS`, by municipality number: what its CPUs share. The two parts are a cache line each.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool {
    /// By bucket: the time of the clock at which it will be full.
    pub full_at_ns: [u64; BUCKETS],
    /// Entries of the flow table that are a flow of it: what has expired counts until somebody overwrites or sweeps it.
    pub flows: u64,
    /// Second of the clock at which the flow table was last swept; in entry 0.
    pub swept_s: u64,
    /// Zero.
    pub reserved: [u64; 6],
}
plain!(Pool, 128);

/// Seconds without a sweep after which the number of flows limits nobody: it would count what has long expired.
pub const SWEEP_OVERDUE_S: u64 = 15;

/// Slots of [`BudgetUse::refused`].
pub const REFUSAL_SLOTS: usize = 32;

/// Value of per-CPU array `BUDGET_USE`, by municipality number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct BudgetUse {
    /// By bucket: what this CPU has drawn and not spent.
    pub shares: [u64; BUCKETS],
    /// By bucket: nanoseconds that it has ever drawn. A second's worth a second is the whole budget.
    pub drawn_ns: [u64; BUCKETS],
    /// By [`refusal_slot`]: packets that were dropped.
    pub refused: [u64; REFUSAL_SLOTS],
}
plain!(BudgetUse, 384);

/// The slot of a limit's number and a direction's.
#[inline(always)]
pub const fn refusal_slot(limit: u8, direction: u8) -> usize {
    (limit as usize & 15) << 1 | direction as usize & 1
}

/// The direction whose packets a slot counts, and the limit.
pub const fn of_refusal_slot(slot: usize) -> Option<(Limit, Direction)> {
    match Limit::from_number((slot >> 1) as u8) {
        Some(limit) => Some((limit, Direction::ALL[slot & 1])),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_units_costs_a_second() {
        for per_second in [1, 7, 1_000, 200_000, 10_000_000_000] {
            let second = cost(per_second) as u128 * per_second as u128;
            let full = (BURST_NS as u128) << FRACTION;
            assert!(second <= full && full - second < per_second as u128, "{per_second}: {second}");
        }
        assert_eq!(source_cost(1) as u64, SOURCE_BURST);
        assert_eq!(source_cost(1_000), 15_625);
    }

    #[test]
    fn refusals_are_read_back_as_what_they_count() {
        for limit in Limit::ALL {
            for direction in Direction::ALL {
                let slot = refusal_slot(*limit as u8, direction as u8);
                assert!(slot < REFUSAL_SLOTS);
                assert_eq!(of_refusal_slot(slot), Some((*limit, direction)));
            }
        }
    }
}
