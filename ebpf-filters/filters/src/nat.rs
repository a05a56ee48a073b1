//! Port blocks and mappings: which public address and port a new flow gets, and for how long. The layout is
//! [`abi::nat`].
//!
//! Lock-free. A unit, a client's reference and a cell are taken by compare-and-exchange; who loses looks again. A block
//! that lost its place among its client's references is nobody's loss: it is found empty and freed like any other, which
//! is user space's work.

mod blocks;
mod cells;

use abi::nat::{self, CLIENT_BLOCKS, ClientKey, GROUP, UNITS};
use abi::tables::{Municipality, pool, view};
use abi::{Address, Reason, Verdict};

use blocks::{LOST, client_blocks, extend, is_usable, reference_of};
use cells::{MATCH, NOTHING, begin, join, probe};

use crate::decision::{Decision, Stage, drop, from_code, go_on, to_code};
use crate::flow::key;
use crate::flows::{self, Key, NONE, search};
use crate::maps::NAT_ADDRESSES;
use crate::packet::{Packet, note, protocol, subprogram};
use crate::tables;

pub use cells::{keep, let_go};

/// Times that a flow looks again when another CPU was faster.
const ATTEMPTS: u32 = 3;

/// Gives the flow that the packet is about to begin a public address and port, if it is to be translated.
#[inline(always)]
pub fn choose(packet: &mut Packet, decision: Decision) -> Stage {
    // The inspector's kernel translates what it sends itself, so only forwarded flows are translated here.
    if !packet.is_egress() || !packet.is(note::V4) || decision.verdict() != Verdict::Forward as u8 {
        return go_on();
    }
    from_code(choose_public(packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn choose_public(packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(chosen(packet)))
}

#[inline(always)]
fn chosen(packet: &mut Packet) -> Stage {
    let town = tables::municipality(packet.half, packet.event.municipality)?;
    let source = tables::view(packet.half, packet.views, packet.source_class)?;
    if pool::size(town.pool_shape) == 0 || source.flags & view::PUBLISHED != 0 {
        return go_on();
    }
    let mut public = key(packet);
    let number = public.ends().protocol();
    // Of ICMP only echo begins flows, and its identifier is translated like a port.
    if !matches!(number, protocol::TCP | protocol::UDP | protocol::ICMP) {
        return without_ports(packet, &mut public, town);
    }
    let port = public.ends().inside_port();
    let part = if packet.is(note::INSPECTOR) {
        1 + (port as u32 / (nat::UNIT_PORTS << pool::block_shift(town.pool_shape))) as u16
    } else {
        0
    };
    packet.client = ClientKey { client: public.inside.v4_word(), municipality: packet.event.municipality, part };
    packet.cell = nat::NO_CELL;
    let mut outcome = AGAIN;
    for _ in 0..ATTEMPTS {
        if outcome == AGAIN {
            outcome = map(packet, port, number);
        }
    }
    if outcome != MAPPED {
        return drop(Reason::NatExhausted);
    }
    let (address, port) = nat::place(packet.cell);
    let Some(entry) = NAT_ADDRESSES.get(address) else { return drop(Reason::NatExhausted) };
    public.move_inside(Address::from_v4_word(entry.address), port);
    // A flow of one of the very addresses, from outside, may be in the way of this flow alone.
    if flows::find(&mut public, packet.now_s, search::BOTH) != NONE {
        return drop(Reason::NatExhausted);
    }
    packet.public_address = entry.address;
    packet.public_port = port;
    go_on()
}

/// A protocol without ports has no mapping: one client at a time has a public address towards one outside, and the pool
/// is walked for a free one.
#[inline(always)]
fn without_ports(packet: &mut Packet, public: &mut Key, town: &Municipality) -> Stage {
    let client = u32::from_be(public.inside.v4_word());
    packet.cell = nat::NO_CELL;
    for n in 0..GROUP {
        let index = nat::pool_choice(client, n, pool::size(town.pool_shape));
        let address = tables::pool_address(packet.half, town.pool.wrapping_add(index));
        public.move_inside(Address::from_v4_word(address), 0);
        if flows::find(public, packet.now_s, search::BOTH) == NONE {
            packet.public_address = address;
            return go_on();
        }
    }
    drop(Reason::NatExhausted)
}

const MAPPED: u32 = 0;
const EXHAUSTED: u32 = 1;
const AGAIN: u32 = 2;

/// Finds the mapping of the packet's client's port, or makes one.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn map(packet: *mut Packet, port: u16, number: u8) -> u32 {
    subprogram(packet, EXHAUSTED, |packet| {
        let Some(blocks) = client_blocks(&packet.client) else { return EXHAUSTED };
        let mut free = NOTHING;
        let mut paired = NONE;
        for n in 0..CLIENT_BLOCKS {
            let reference = reference_of(blocks, n);
            if is_usable(packet, reference) == 0 {
                continue;
            }
            if paired == NONE {
                paired = nat::referred(reference).0 / UNITS;
            }
            let found = probe(reference, port, number, packet.now_s);
            if found & MATCH != 0 {
                packet.cell = found as u32;
                return join(found as u32, port, number, packet.now_s);
            }
            if free == NOTHING {
                free = found;
            }
        }
        if free == NOTHING {
            let reference = extend(packet, paired);
            if reference == 0 || reference == LOST {
                return if reference == 0 { EXHAUSTED } else { AGAIN };
            }
            free = probe(reference, port, number, packet.now_s);
        }
        packet.cell = free as u32;
        begin(free as u32, port, number, packet.now_s)
    })
}
