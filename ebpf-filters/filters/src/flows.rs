//! The flow table: finding, claiming and freeing entries. What an entry's state means is the stages' business.
//!
//! Lock-free. A slot is claimed by compare-and-exchange, filled, and published by an exchange; readers look at the slot
//! word first. An expired entry does not exist for readers at once, and is overwritten only [`REUSE_GRACE_S`] later, when
//! no CPU can still be busy with it. Two CPUs may write one entry's state at the same time; every field is an integer
//! written whole, and either value is good. x86 keeps stores in order; elsewhere the exchange is the barrier.

use core::arch::asm;
use core::mem::offset_of;

use abi::Address;
use abi::flow::{Bucket, Flow, REUSE_GRACE_S, slot, timeout_s};
use abi::hash::mix;
use abi::limits::BUCKET_FLOWS;

use crate::atomic::exchange_half_if;
use crate::maps::{FLOW_MASK, FLOWS, HASH_SEED, POOLS};
use crate::nat;
use crate::packet::{same, subprogram};

/// No flow.
pub const NONE: u32 = u32::MAX;

/// What tells flows, and aliases, apart; laid out as in [`Flow`] from `inside` to `state`.
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
pub struct Key {
    /// The municipality's end; for an alias the public address.
    pub inside: Address,
    /// The Internet's end.
    pub outside: Address,
    /// The rest as one word, because it is read as one.
    ends: Ends,
}
const _: () = assert!(
    size_of::<Key>() == KEY_WORDS * 8
        && offset_of!(Flow, inside) == 8
        && offset_of!(Flow, inside_port) == 8 + offset_of!(Key, ends)
        && offset_of!(Flow, outside_port) == 2 + offset_of!(Flow, inside_port)
        && offset_of!(Flow, municipality) == 4 + offset_of!(Flow, inside_port)
        && offset_of!(Flow, protocol) == 6 + offset_of!(Flow, inside_port)
        && offset_of!(Flow, state) == 7 + offset_of!(Flow, inside_port)
);

/// Ports, municipality and protocol as they stand in a [`Flow`], with zero in the place of the state. A word that was
/// stored in parts would be slow to read: all of them must have left the core first.
#[repr(transparent)]
#[derive(Clone, Copy, Default)]
pub struct Ends(u64);

impl Ends {
    /// Ports or echo identifier in host order, municipality number, IP protocol.
    #[inline(always)]
    pub const fn new(inside_port: u16, outside_port: u16, municipality: u16, protocol: u8) -> Self {
        let [a, b] = inside_port.to_ne_bytes();
        let [c, d] = outside_port.to_ne_bytes();
        let [e, f] = municipality.to_ne_bytes();
        Self(u64::from_ne_bytes([a, b, c, d, e, f, protocol, 0]))
    }

    /// Port or echo identifier inside.
    #[inline(always)]
    pub const fn inside_port(self) -> u16 {
        let [a, b, ..] = self.0.to_ne_bytes();
        u16::from_ne_bytes([a, b])
    }

    /// Port outside.
    #[inline(always)]
    pub const fn outside_port(self) -> u16 {
        let [_, _, c, d, ..] = self.0.to_ne_bytes();
        u16::from_ne_bytes([c, d])
    }

    /// Municipality number.
    #[inline(always)]
    pub const fn municipality(self) -> u16 {
        let [.., e, f, _, _] = self.0.to_ne_bytes();
        u16::from_ne_bytes([e, f])
    }

    /// IP protocol.
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        let [.., protocol, _] = self.0.to_ne_bytes();
        protocol
    }
}

impl Key {
    /// Of both ends.
    #[inline(always)]
    pub const fn new(inside: Address, outside: Address, ends: Ends) -> Self {
        Self { inside, outside, ends }
    }

    /// Ports, municipality and protocol.
    #[inline(always)]
    pub const fn ends(&self) -> Ends {
        self.ends
    }

    /// Another inside end.
    #[inline(always)]
    pub fn move_inside(&mut self, address: Address, port: u16) {
        self.inside = address;
        self.ends = Ends::new(port, self.ends.outside_port(), self.ends.municipality(), self.ends.protocol());
    }
}

const KEY_WORDS: usize = 5;
/// Takes the state out of a flow's last key word.
const WITHOUT_STATE: u64 = u64::from_ne_bytes([255, 255, 255, 255, 255, 255, 255, 0]);

/// What a search is for.
pub mod search {
    /// Flows by their inside address.
    pub const FLOWS: u32 = 1;
    /// Aliases only.
    pub const ALIASES: u32 = 2;
    /// Aliases, then flows: what a packet from the uplink may belong to.
    pub const BOTH: u32 = FLOWS | ALIASES;
}

/// The flow that a key belongs to, alive at `now_s`: its index, or [`NONE`]. An alias leads to its flow.
#[inline(always)]
pub fn find(key: &mut Key, now_s: u32, wanted: u32) -> u32 {
    find_flow(key, now_s, wanted)
}

/// Likewise, with one call less: for where every packet of a flow passes, and where the stack has no room for another.
#[inline(always)]
pub fn find_in_place(key: &mut Key, now_s: u32, wanted: u32) -> u32 {
    let (first, second) = candidates(key);
    let found = find_in_bucket(key, first, now_s, wanted);
    if found & ONLY_DIRECT == 0 {
        return found as u32;
    }
    let other = find_in_bucket(key, second, now_s, wanted);
    let direct_found = found as u32 != NONE;
    let keep = other as u32 == NONE || (other & ONLY_DIRECT != 0 && direct_found);
    if keep { found as u32 } else { other as u32 }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_flow(key: *mut Key, now_s: u32, wanted: u32) -> u32 {
    subprogram(key, NONE, |key| find_in_place(key, now_s, wanted))
}

/// Above an index found in one bucket: an alias in the other bucket would come before it.
const ONLY_DIRECT: u64 = 1 << 32;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_in_bucket(key: *mut Key, bucket: u32, now_s: u32, wanted: u32) -> u64 {
    let none = ONLY_DIRECT | NONE as u64;
    subprogram(key, none, |key| {
        let mut found = none;
        let Some(flows) = FLOWS.get_ptr(bucket) else { return none };
        for index in 0..BUCKET_FLOWS {
            // SAFETY: the index is below the bucket's length, and array values live as long as the program.
            let flow = unsafe { &(*flows).flows[index as usize] };
            let kind = kind(flow);
            let alias = kind == slot::ALIAS && wanted & search::ALIASES != 0;
            let direct = kind == slot::FLOW && wanted & search::FLOWS != 0;
            if !(alias || direct) || !matches(flow, key) {
                continue;
            }
            if alias && target_is_alive(flow, now_s, 0) {
                return flow.other as u64;
            }
            if direct && is_alive(flow, now_s, 0) {
                found = (bucket * BUCKET_FLOWS + index) as u64;
                if wanted == search::FLOWS {
                    return found;
                }
                found |= ONLY_DIRECT;
            }
        }
        found
    })
}

/// The entry at an index. Other CPUs may hold it as well: see the module's first lines.
#[inline(always)]
pub fn at(index: u32) -> Option<&'static mut Flow> {
    let bucket: *mut Bucket = FLOWS.get_ptr_mut(index / BUCKET_FLOWS)?;
    let first = bucket.cast::<Flow>();
    // SAFETY: the remainder is below the bucket's length, and array values live as long as the program.
    Some(unsafe { &mut *first.add((index % BUCKET_FLOWS) as usize) })
}

/// The flow at an index if it is one and alive.
#[inline(always)]
pub fn alive_at(index: u32, now_s: u32) -> Option<&'static mut Flow> {
    at(index).filter(|flow| kind(flow) == slot::FLOW && is_alive(flow, now_s, 0))
}

/// Free entries that a key's first bucket must have to be taken without a look at the second: packets look into the
/// first bucket first, but a table whose buckets fill evenly refuses nobody until it is nearly full.
const ROOMY: u32 = 2;

/// Claims a free entry in one of the key's buckets: its index, or [`NONE`]. The caller fills and publishes it.
#[inline(always)]
pub fn claim(key: &Key, now_s: u32) -> u32 {
    let (mut first, mut second) = candidates(key);
    let room = room_in_bucket(first, now_s);
    if room < ROOMY && room_in_bucket(second, now_s) > room {
        (first, second) = (second, first);
    }
    match claim_in_bucket(first, now_s) {
        NONE => claim_in_bucket(second, now_s),
        index => index,
    }
}

/// Entries of a bucket that could be claimed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn room_in_bucket(bucket: u32, now_s: u32) -> u32 {
    let mut room = 0;
    for index in 0..BUCKET_FLOWS {
        let Some(flow) = at(bucket * BUCKET_FLOWS + index) else { continue };
        if is_reusable(flow, kind(flow), now_s) {
            room += 1;
        }
    }
    room
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn claim_in_bucket(bucket: u32, now_s: u32) -> u32 {
    for index in 0..BUCKET_FLOWS {
        let index = bucket * BUCKET_FLOWS + index;
        let Some(flow) = at(index) else { continue };
        let kind = kind(flow);
        if !is_reusable(flow, kind, now_s) || !exchange_if(flow, kind, slot::CLAIMED) {
            continue;
        }
        // Between the look and the claim another CPU may have claimed, filled and published it.
        if is_reusable(flow, kind, now_s) {
            if kind == slot::FLOW {
                add_to_count(flow.municipality, -1);
            }
            return index;
        }
        publish(flow, kind);
    }
    NONE
}

/// Makes a claimed entry visible, or gives it back, after all its fields were written.
#[inline(always)]
pub fn publish(flow: &mut Flow, kind: u32) {
    let at = &raw mut flow.slot;
    // SAFETY: `at` is the slot word of a map value. The exchange orders it after the stores before it.
    unsafe { asm!("w2 = xchg32_32(r1 + 0, w2)", in("r1") at, inout("r2") kind as u64 => _, options(nostack)) };
}

/// Ends a flow and its alias before their time. Like expired ones they keep their place for a while.
#[inline(always)]
pub fn end(flow: &mut Flow, index: u32, now_s: u32) {
    if flow.public_address != 0
        && let Some(alias) = at(flow.other)
        && alias.other == index
    {
        nat::let_go(flow, alias.rule, now_s);
        alias.last_seen_s = now_s;
        exchange_if(alias, slot::ALIAS, slot::ENDED);
    }
    flow.last_seen_s = now_s;
    if exchange_if(flow, slot::FLOW, slot::ENDED) {
        add_to_count(flow.municipality, -1);
    }
}

/// Makes a claimed entry a flow of its municipality.
#[inline(always)]
pub fn publish_flow(flow: &mut Flow) {
    add_to_count(flow.municipality, 1);
    publish(flow, slot::FLOW);
}

/// Entries that are flows of a municipality, expired ones that nobody has overwritten or swept among them. Exact: every
/// entry becomes a flow once and ceases to be one once.
#[inline(always)]
pub fn count(municipality: u16) -> u64 {
    let Some(pool) = POOLS.get_ptr(municipality as u32) else { return 0 };
    // SAFETY: array values live as long as the program. Volatile, because other CPUs write it.
    unsafe { (&raw const (*pool).flows).read_volatile() }
}

#[inline(always)]
fn add_to_count(municipality: u16, more: i64) {
    let Some(pool) = POOLS.get_ptr_mut(municipality as u32) else { return };
    // SAFETY: a word of a map value.
    unsafe {
        let at = &raw mut (*pool).flows;
        asm!("lock *(u64 *)(r1 + 0) += r2", in("r1") at, in("r2") more, options(nostack));
    }
}

/// Whether an entry seen `age` ago still exists; with `grace_s`, whether it must not be overwritten yet.
#[inline(always)]
fn is_alive(flow: &Flow, now_s: u32, grace_s: u32) -> bool {
    now_s.saturating_sub(flow.last_seen_s) <= timeout_s(flow.protocol, flow.state) + grace_s
}

/// Whether an alias still has the flow that it was made for.
#[inline(always)]
fn target_is_alive(alias: &Flow, now_s: u32, grace_s: u32) -> bool {
    let Some(flow) = at(alias.other) else { return false };
    kind(flow) == slot::FLOW
        && flow.public_address == alias.inside.v4_word()
        && flow.public_port == alias.inside_port
        && flow.outside_port == alias.outside_port
        && flow.municipality == alias.municipality
        && flow.protocol == alias.protocol
        && same(&flow.outside, &alias.outside)
        && is_alive(flow, now_s, grace_s)
}

#[inline(always)]
fn is_reusable(flow: &Flow, kind: u32, now_s: u32) -> bool {
    match kind {
        slot::FREE => true,
        slot::FLOW => !is_alive(flow, now_s, REUSE_GRACE_S),
        slot::ALIAS => !target_is_alive(flow, now_s, REUSE_GRACE_S),
        slot::ENDED => now_s.saturating_sub(flow.last_seen_s) > REUSE_GRACE_S,
        _ => false,
    }
}

#[inline(always)]
fn kind(flow: &Flow) -> u32 {
    // SAFETY: a reference is readable. Volatile, because other CPUs write it.
    unsafe { (&raw const flow.slot).read_volatile() }
}

#[inline(always)]
fn matches(flow: &Flow, key: &Key) -> bool {
    let ours = words(key);
    // SAFETY: as asserted above, a flow has the key's words from `inside` on, and is aligned to eight bytes.
    let theirs = unsafe { &*(&raw const flow.inside).cast::<[u64; KEY_WORDS]>() };
    theirs[4] & WITHOUT_STATE == ours[4]
        && theirs[3] == ours[3]
        && theirs[1] == ours[1]
        && theirs[2] == ours[2]
        && theirs[0] == ours[0]
}

#[inline(always)]
fn words(key: &Key) -> &[u64; KEY_WORDS] {
    let key: *const Key = key;
    // SAFETY: a key is as long as its words and aligned like them.
    unsafe { &*key.cast() }
}

/// Compare-and-exchange of the slot word.
#[inline(always)]
fn exchange_if(flow: &mut Flow, old: u32, new: u32) -> bool {
    // SAFETY: a flow is in a map value, aligned.
    unsafe { exchange_half_if(&raw mut flow.slot, old, new) }
}

/// The two buckets where a key may be, different from each other.
#[inline(always)]
fn candidates(key: &Key) -> (u32, u32) {
    let hash = hash(key);
    let mask = FLOW_MASK.load();
    let first = hash as u32 & mask;
    let second = (hash >> 32) as u32 & mask;
    (first, if second == first { (second ^ 1) & mask } else { second })
}

#[inline(always)]
fn hash(key: &Key) -> u64 {
    let [a, b, c, d, e] = *words(key);
    let hash = mix(mix(mix(HASH_SEED.load() as u64, a), b), c);
    mix(mix(mix(hash, d), e), 0)
}
