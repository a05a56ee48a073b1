//! Budgets of single sources, and of networks of the Internet: a table of fixed size for as many of them as there may be.
//!
//! An entry is one word: the source's tag, and the time at which its bucket will be full. One whose bucket is full says
//! nothing and is free. Eight share a cache line; where all say something the one that says least gives way: a source that
//! sends much is remembered among millions that send little, and one that is forgotten begins with a full bucket. So nobody
//! is limited for want of room, but only who shares tag (28 bits) and set with a source that is.

use core::arch::asm;

use abi::Address;
use abi::budget::{
    Budgets, PREFIX_NEW_FLOWS, PREFIX_PACKETS, SOURCE_BURST, SOURCE_TIME, SOURCE_TIME_BITS, TICK, source_owed,
};
use abi::hash::mix;
use abi::limits::{SOURCE_SETS, SOURCE_WAYS};

use crate::atomic::exchange_if;
use crate::maps::{HASH_SEED, SOURCES};
use crate::packet::{Packet, note};

/// Times that another CPU may be quicker before the packet passes uncounted.
const TRIES: u32 = 4;

/// Takes a packet, or a flow, out of the bucket of whom it comes from; `false` if it is empty.
#[inline(always)]
pub fn pay(packet: &Packet, budgets: &Budgets, what: usize) -> bool {
    let what = what | packet.event.direction as usize & 1;
    let cost = budgets.source_costs[what];
    pay_cost(packet, what, cost)
}

/// Takes so much out of a bucket of whom the packet comes from; `what` with the direction's number in it.
#[inline(always)]
pub fn pay_cost(packet: &Packet, what: usize, cost: u32) -> bool {
    cost == 0 || spend_of_source(hash(packet, what), cost as u64, packet.event.time_ns >> TICK) != 0
}

/// A client is an address; on the Internet a /64 is as easily had as an IPv4 address, and networks are /24 and /48.
#[inline(always)]
fn hash(packet: &Packet, what: usize) -> u64 {
    let Address([a, b, c, d]) = packet.event.source;
    let (mut upper, mut lower) = ((a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64);
    let is_prefix = matches!(what & !1, PREFIX_NEW_FLOWS | PREFIX_PACKETS);
    if packet.is(note::V4) {
        lower &= if is_prefix { !(0xff_u32.to_be() as u64) } else { u64::MAX };
    } else if !packet.is_egress() {
        upper &= if is_prefix { !(0xffff_u32.to_be() as u64) } else { u64::MAX };
        lower = 0;
    }
    let whose = (packet.event.municipality as u64) << 8 | what as u64;
    mix(mix(mix(HASH_SEED.load() as u64, whose), upper), lower)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn spend_of_source(hash: u64, cost: u64, now: u64) -> u32 {
    let now = now & SOURCE_TIME;
    for _ in 0..TRIES {
        let Some(at) = entry(hash, way_of_source(hash, now)) else { return 1 };
        // SAFETY: an entry of the map. Volatile, because other CPUs write it.
        let word = unsafe { at.read_volatile() };
        let owed = if word >> SOURCE_TIME_BITS == hash >> SOURCE_TIME_BITS { source_owed(word, now) } else { 0 };
        if owed + cost > SOURCE_BURST {
            return 0;
        }
        let paid = hash >> SOURCE_TIME_BITS << SOURCE_TIME_BITS | (now + owed + cost) & SOURCE_TIME;
        // SAFETY: a word of a map value, aligned.
        if unsafe { exchange_if(at, word, paid) } {
            return 1;
        }
    }
    1
}

/// The source's own entry of its set, or the one that says least.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn way_of_source(hash: u64, now: u64) -> u32 {
    let (mut way, mut least) = (0, u64::MAX);
    for number in 0..SOURCE_WAYS {
        let Some(at) = entry(hash, number) else { break };
        // SAFETY: an entry of the map. Volatile, because other CPUs write it.
        let word = unsafe { at.read_volatile() };
        if word >> SOURCE_TIME_BITS == hash >> SOURCE_TIME_BITS {
            return number;
        }
        let owed = source_owed(word, now);
        if owed < least {
            (way, least) = (number, owed);
        }
    }
    way
}

#[inline(always)]
fn entry(hash: u64, way: u32) -> Option<*mut u64> {
    let set = SOURCES.get_ptr_mut(hash as u32 & (SOURCE_SETS - 1))?;
    let mut way = way as u64;
    // SAFETY: a mask to the set's length, a power of two. In this form the compiler cannot take it for needless: it knows
    // what `way_of_source` returns, which the verifier, who looks at each subprogram alone, does not.
    unsafe {
        asm!("{way} &= {mask}", way = inout(reg) way, mask = const SOURCE_WAYS - 1, options(pure, nomem, nostack));
        Some(set.cast::<u64>().add(way as usize))
    }
}
