//! Stage: budgets. New flows are asked for after the rules have let them through, packets once their flow is known: what
//! others would drop takes nothing out of anybody's budget. What the inspector sends for its clients was counted when they
//! sent it; only the number of flows counts its own as well.
//!
//! A bucket is one word that CPUs share; each draws a chunk at a time and spends it alone: see [`abi::budget`]. What one
//! limit refuses may have been taken out of another: the order is from the narrowest to the widest, so that whoever is
//! beyond his own takes nothing out of everybody's.

use core::ffi::c_void;

use abi::budget::{
    BURST_NS, BYTES, BudgetUse, Budgets, CHUNK_NS, FRACTION, NEW_FLOWS, PACKETS, PREFIX_NEW_FLOWS, PREFIX_PACKETS,
    REFUSAL_SLOTS, SMTP, SOURCE_NEW_FLOWS, SOURCE_PACKETS, SWEEP_OVERDUE_S, is_smtp, refusal_slot,
};
use abi::tables::municipality;
use abi::{Limit, Reason, limits};
use aya_ebpf::helpers::generated::bpf_map_lookup_percpu_elem;

use crate::atomic::exchange_if;
use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::maps::{BUDGET_USE, BUDGETS, POOLS, REPLAY};
use crate::packet::{Packet, note, protocol, subprogram};
use crate::{flows, sources};

/// Times that another CPU may be quicker before a draw is given up; then as many draws of others have come about.
const TRIES: u32 = 8;

/// Whether a packet may begin a flow; also takes the packet itself out of the budgets.
#[inline(always)]
pub fn admit(packet: &mut Packet) -> Stage {
    if packet.municipality_flags & (municipality::METERED | municipality::LIMITED) == 0 {
        return go_on();
    }
    from_code(admit_flow(packet))
}

/// Takes a packet of a flow out of the budgets.
#[inline(always)]
pub fn meter(packet: &mut Packet) -> Stage {
    if !packet.is(note::METERED) || packet.is(note::INSPECTOR) {
        return go_on();
    }
    from_code(meter_packet(packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn admit_flow(packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(admitted(packet)))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn meter_packet(packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(metered(packet)))
}

#[inline(always)]
fn admitted(packet: &mut Packet) -> Stage {
    let budgets = of(packet)?;
    if budgets.flows != 0 && flows::count(packet.event.municipality) >= budgets.flows && is_swept(packet.now_s) {
        return refuse(packet, Limit::Flows, Reason::Limited);
    }
    if packet.is(note::INSPECTOR) {
        return go_on();
    }
    let direction = packet.event.direction as usize & 1;
    if !sources::pay(packet, budgets, SOURCE_NEW_FLOWS) {
        return refuse(packet, Limit::SourceNewFlows, Reason::Limited);
    }
    if !sources::pay(packet, budgets, PREFIX_NEW_FLOWS) {
        return refuse(packet, Limit::PrefixNewFlows, Reason::Limited);
    }
    let is_mail =
        packet.is_egress() && packet.event.protocol == protocol::TCP && is_smtp(packet.event.destination_port);
    if is_mail && pay(packet, SMTP, budgets.costs[SMTP]) == 0 {
        return refuse(packet, Limit::Smtp, Reason::Limited);
    }
    if pay(packet, NEW_FLOWS | direction, budgets.costs[NEW_FLOWS | direction]) == 0 {
        return refuse(packet, Limit::NewFlows, Reason::Limited);
    }
    meter(packet)
}

#[inline(always)]
fn metered(packet: &mut Packet) -> Stage {
    let budgets = of(packet)?;
    let direction = packet.event.direction as usize & 1;
    if !sources::pay(packet, budgets, SOURCE_PACKETS) {
        return refuse(packet, Limit::SourcePackets, Reason::Limited);
    }
    if !sources::pay(packet, budgets, PREFIX_PACKETS) {
        return refuse(packet, Limit::PrefixPackets, Reason::Limited);
    }
    if pay(packet, PACKETS | direction, budgets.costs[PACKETS | direction]) == 0 {
        return refuse(packet, Limit::Packets, Reason::Limited);
    }
    let bytes = budgets.costs[BYTES | direction].wrapping_mul(packet.event.length as u64);
    if pay(packet, BYTES | direction, bytes) == 0 {
        return refuse(packet, Limit::Bits, Reason::Limited);
    }
    go_on()
}

/// The municipality's budgets in this generation.
#[inline(always)]
fn of(packet: &Packet) -> Stage<&'static Budgets> {
    let index = packet.half.wrapping_mul(limits::MUNICIPALITIES).wrapping_add(packet.event.municipality as u32);
    need(BUDGETS.get(index))
}

/// What an event costs.
#[inline(always)]
pub fn event_cost(half: u32, municipality: u16) -> u64 {
    let index = half.wrapping_mul(limits::MUNICIPALITIES).wrapping_add(municipality as u32);
    match BUDGETS.get(index) {
        Some(budgets) if budgets.costs[abi::budget::EVENTS] != 0 => budgets.costs[abi::budget::EVENTS],
        _ => const { abi::budget::cost(limits::EVENTS_PER_SECOND) },
    }
}

/// What has expired counts until it is swept: where nobody sweeps, the number says nothing.
#[inline(always)]
fn is_swept(now_s: u32) -> bool {
    POOLS.get(0).is_some_and(|all| (now_s as u64).saturating_sub(all.swept_s) <= SWEEP_OVERDUE_S)
}

#[inline(always)]
fn pay(packet: &Packet, bucket: usize, cost: u64) -> u32 {
    if cost == 0 {
        1
    } else {
        spend_budget(packet.event.municipality as u32, bucket as u32, cost, packet.event.time_ns)
    }
}

/// Takes a cost out of a bucket: 1 if it could pay. First out of what this CPU has drawn, then out of the pool.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn spend_budget(municipality: u32, bucket: u32, cost: u64, now_ns: u64) -> u32 {
    let bucket = bucket as usize & (abi::budget::BUCKETS - 1);
    let Some(own) = own(municipality) else { return 0 };
    let share = own.shares[bucket];
    if share >= cost {
        own.shares[bucket] = share - cost;
        return 1;
    }
    let drawn = draw(municipality, bucket, cost - share, now_ns);
    if drawn == 0 {
        return 0;
    }
    own.shares[bucket] = share + (drawn << FRACTION) - cost;
    own.drawn_ns[bucket] = own.drawn_ns[bucket].wrapping_add(drawn);
    1
}

/// Nanoseconds drawn out of the pool, enough for what is lacking; 0: there are not as many.
#[inline(always)]
fn draw(municipality: u32, bucket: usize, lacking: u64, now_ns: u64) -> u64 {
    let Some(pool) = POOLS.get_ptr_mut(municipality) else { return 0 };
    // SAFETY: `spend` has masked the bucket.
    let word = unsafe { (&raw mut (*pool).full_at_ns).cast::<u64>().add(bucket) };
    let lacking_ns = (lacking + ((1 << FRACTION) - 1)) >> FRACTION;
    for _ in 0..TRIES {
        // SAFETY: a word of a map value. Volatile, because other CPUs write it.
        let full_at = unsafe { word.read_volatile() };
        let begins = if full_at > now_ns { full_at } else { now_ns };
        let room = (now_ns + BURST_NS).saturating_sub(begins);
        if room < lacking_ns {
            return 0;
        }
        let wanted = if lacking_ns > CHUNK_NS { lacking_ns } else { CHUNK_NS };
        let drawn = if wanted < room { wanted } else { room };
        // SAFETY: a word of a map value, aligned.
        if unsafe { exchange_if(word, full_at, begins + drawn) } {
            return drawn;
        }
    }
    0
}

/// What this CPU has drawn and refused. A replay, whose thread may move, has one for all CPUs.
#[inline(always)]
fn own(municipality: u32) -> Option<&'static mut BudgetUse> {
    if REPLAY.load() == 0 {
        // SAFETY: the value is this CPU's own.
        return BUDGET_USE.get_ptr_mut(municipality).map(|own| unsafe { &mut *own });
    }
    // SAFETY: the map's own address, a key of its type, and CPU 0, which every machine has.
    let own = unsafe {
        let map = (&raw const BUDGET_USE).cast_mut().cast::<c_void>();
        bpf_map_lookup_percpu_elem(map, (&raw const municipality).cast(), 0).cast::<BudgetUse>()
    };
    // SAFETY: null, or a value of the map; a replay runs one packet at a time.
    unsafe { own.as_mut() }
}

/// Drops for a limit, which is named and counted.
#[inline(always)]
pub fn refuse(packet: &mut Packet, limit: Limit, reason: Reason) -> Stage {
    packet.event.limit = limit as u8;
    count_refusal(packet.event.municipality as u32, refusal_slot(limit as u8, packet.event.direction) as u32);
    drop(reason)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_refusal(municipality: u32, slot: u32) -> u32 {
    let Some(own) = own(municipality) else { return 0 };
    let refused = &mut own.refused[slot as usize & (REFUSAL_SLOTS - 1)];
    *refused = refused.wrapping_add(1);
    1
}
