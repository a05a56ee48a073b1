//! Typed access to the policy tables of the packet's generation.

use abi::limits;
use abi::nat::{Inbound, inbound};
use abi::prefixes::{POINTER, Record, kind, kind_of, number_of, v4_root_index, v6_root_index};
use abi::tables::{Class, Municipality, RULES_A_WORD, Row, VIEW_BLOCK, View};
use abi::{Address, pairs, prefixes, tables};

use crate::decision::{Stage, need};
use crate::maps::{
    CLASSES, CLASSES_PER_HALF, INBOUND, INNER_VLANS, MUNICIPALITIES, NODES, NODES_PER_HALF, PAIRS, PAIRS_PER_HALF,
    POOL_ADDRESSES, RECORDS, RECORDS_PER_HALF, RULES, SERVICE_VIEWS, SERVICE_VIEWS_PER_HALF, SERVICES, V4_ROOT,
    V6_ROOT, VIEW_ROOTS, VIEW_ROOTS_PER_HALF, VIEWS, VIEWS_PER_HALF, VLANS, word,
};

/// The class of an address: the prefix tables' answer, by at most two steps for IPv4.
#[inline(always)]
pub fn class_of(half: u32, address: &Address) -> u32 {
    if !address.is_v4() {
        let [a, b, c, d] = address.0.map(u32::from_be);
        return class_of_v6(half, (a as u64) << 32 | b as u64, (c as u64) << 32 | d as u64);
    }
    let bits = u32::from_be(address.v4_word());
    let entry = word(&V4_ROOT, half, limits::V4_ROOT, v4_root_index(bits));
    if entry & POINTER == 0 { entry } else { follow(half, entry, (bits as u64) << 32, 0) & !POINTER }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn class_of_v6(half: u32, high: u64, low: u64) -> u32 {
    let mut entry = word(&V6_ROOT, half, limits::V6_ROOT, v6_root_index(high));
    for _ in 0..limits::PREFIX_STEPS {
        if entry & POINTER == 0 {
            break;
        }
        entry = follow(half, entry, high, low);
    }
    entry & !POINTER
}

/// The entry that a pointer leads to. On its own, because the ways through it would multiply in a loop.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn follow(half: u32, pointer: u32, high: u64, low: u64) -> u32 {
    let window = prefixes::window(pointer, high, low);
    match kind_of(pointer) {
        kind::NODE => node_entry(half, pointer, (window >> 56) as u32),
        kind => record(half, pointer).map_or(0, |record| record.find(kind, window)),
    }
}

#[inline(always)]
fn node_entry(half: u32, pointer: u32, octet: u32) -> u32 {
    let capacity = NODES_PER_HALF.load().wrapping_mul(limits::NODE_ENTRIES);
    word(&NODES, half, capacity, number_of(pointer).wrapping_mul(limits::NODE_ENTRIES).wrapping_add(octet))
}

#[inline(always)]
fn record(half: u32, pointer: u32) -> Option<&'static Record> {
    RECORDS.get(half.wrapping_mul(RECORDS_PER_HALF.load()).wrapping_add(number_of(pointer)))
}

/// What is true of a class for everyone.
#[inline(always)]
pub fn class(half: u32, number: u32) -> Stage<&'static Class> {
    need(CLASSES.get(half.wrapping_mul(CLASSES_PER_HALF.load()).wrapping_add(number)))
}

/// A class as the municipality whose views begin at `views` sees it.
#[inline(always)]
pub fn view(half: u32, views: u32, number: u32) -> Stage<&'static View> {
    let block = word(&VIEW_ROOTS, half, VIEW_ROOTS_PER_HALF.load(), views.wrapping_add(number / VIEW_BLOCK));
    let index = block.wrapping_mul(VIEW_BLOCK).wrapping_add(number % VIEW_BLOCK);
    need(VIEWS.get(half.wrapping_mul(VIEWS_PER_HALF.load()).wrapping_add(index)))
}

/// A municipality by its number.
#[inline(always)]
pub fn municipality(half: u32, number: u16) -> Stage<&'static Municipality> {
    need(MUNICIPALITIES.get(half.wrapping_mul(limits::MUNICIPALITIES).wrapping_add(number as u32)))
}

/// Entry of a port and outer VLAN; 0: nobody.
#[inline(always)]
pub fn vlan(half: u32, port: u8, outer: u16) -> u32 {
    let index = (port as u32).wrapping_mul(limits::VLANS).wrapping_add(outer as u32);
    word(&VLANS, half, limits::PORTS * limits::VLANS, index)
}

/// Entry of a block and inner VLAN; 0: nobody.
#[inline(always)]
pub fn inner_vlan(half: u32, block: u32, inner: u16) -> u32 {
    let index = block.wrapping_mul(limits::VLANS).wrapping_add(inner as u32);
    word(&INNER_VLANS, half, limits::QINQ_BLOCKS * limits::VLANS, index)
}

/// The service row of a protocol and port in the rulebook whose service views begin at `views`.
#[inline(always)]
pub fn service_row(half: u32, views: u32, service: u32) -> Stage<Row> {
    let class = word(&SERVICES, half, tables::SERVICES, service);
    let index = half.wrapping_mul(SERVICE_VIEWS_PER_HALF.load()).wrapping_add(views).wrapping_add(class);
    need(SERVICE_VIEWS.get(index)).map_continue(|row| *row)
}

/// An entry of `PAIRS`; beyond its end, that the rows tell.
#[inline(always)]
pub fn pair(half: u32, index: u32) -> u64 {
    let index = half.wrapping_mul(PAIRS_PER_HALF.load()).wrapping_add(index);
    PAIRS.get(index).copied().unwrap_or(pairs::ROWS)
}

/// What a rule says.
#[inline(always)]
pub fn action(half: u32, rule: u32) -> u32 {
    let actions = word(&RULES, half, limits::RULES / RULES_A_WORD, rule / RULES_A_WORD);
    actions >> (rule % RULES_A_WORD * 2) & 3
}

/// A NAT pool address in network order.
#[inline(always)]
pub fn pool_address(half: u32, index: u32) -> u32 {
    word(&POOL_ADDRESSES, half, limits::POOL_ADDRESSES, index)
}

/// Where a port of a public IPv4 address leads, if it stands for an inside server's: the address in network order, and
/// the port.
#[inline(always)]
pub fn inbound(half: u32, public: u32, protocol: u8, port: u16) -> Option<(u32, u16)> {
    let place = inbound::place(u32::from_be(public), protocol, port);
    // Runs that begin at the place or before it.
    let mut before = 0_u32;
    for n in 1..=limits::INBOUND.trailing_zeros() {
        let step = limits::INBOUND >> n;
        before += step * begins_by(half, before.wrapping_add(step) - 1, place);
    }
    let run = run(half, before.wrapping_sub(1))?;
    run.inside_port_of(place).map(|port| (run.inside, port))
}

/// Whether a run begins at a place or before it: 1 or 0. On its own, because the ways through the search would multiply.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn begins_by(half: u32, index: u32, place: u64) -> u32 {
    run(half, index).is_some_and(|run| run.is_by(place)) as u32
}

#[inline(always)]
fn run(half: u32, index: u32) -> Option<&'static Inbound> {
    if index < limits::INBOUND { INBOUND.get(half.wrapping_mul(limits::INBOUND).wrapping_add(index)) } else { None }
}
