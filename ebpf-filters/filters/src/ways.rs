//! Next hops that flows remember for the rest of the second in which the host's routes named them.
//!
//! A flow keeps a number; what it stands for is in `WAYS`, where an entry is written once and never changes: a next hop
//! with another address, or behind another port, is another entry. A flow forgets its number with the first packet of
//! every second, so that a route, a neighbour or a link that changes is heeded within one.

use abi::flow::Flow;
use abi::ports::Way;

use crate::atomic::exchange_if;
use crate::maps::WAYS;
use crate::packet::{Packet, note};

/// Entries that are tried for a next hop; when all are others', its flows ask for each packet.
const TRIES: u32 = 8;
const MAC: u64 = 0xffff_ffff_ffff;

/// A next hop, unpacked.
#[derive(Default)]
pub struct Hop {
    /// MAC address of the next hop.
    pub peer_mac: [u8; 6],
    /// Our MAC address there.
    pub our_mac: [u8; 6],
    /// Number of the port.
    pub exit: u8,
    /// The interface on which `peer_mac` must be asked for first; 0: it is known.
    pub unknown_on: u32,
}

/// Notes that a packet of the flow was passed. The number goes first: whoever sees the new second sees it gone.
#[inline(always)]
pub fn enter_second(flow: &mut Flow, now_s: u32) {
    if flow.last_seen_s != now_s {
        let (way, second) = (&raw mut flow.way, &raw mut flow.last_seen_s);
        // SAFETY: references are writable. Volatile, because other CPUs read both, in the other order.
        unsafe {
            way.write_volatile(0);
            second.write_volatile(now_s);
        }
    }
}

/// The way of the packet's flow, if it was asked for in this second and has room for the packet.
#[inline(always)]
pub fn recall(packet: &Packet, flow: &Flow) -> Option<Hop> {
    if packet.is(note::ICMP_ERROR) {
        // From a router that the flow leads past.
        return None;
    }
    // SAFETY: a reference is readable. Volatile, because other CPUs write it.
    let number = unsafe { (&raw const flow.way).read_volatile() };
    let way = WAYS.get(number as u32)?;
    if number == 0 || packet.ip_length() > (way.peer >> 48) as u32 {
        return None;
    }
    Some(Hop { peer_mac: mac(way.peer), our_mac: mac(way.ours), exit: (way.ours >> 48) as u8, unknown_on: 0 })
}

/// Lets the flow remember a complete answer. `mtu` is the route's.
#[inline(always)]
pub fn remember(packet: &Packet, flow: &mut Flow, hop: &Hop, mtu: u16) {
    if mtu == 0 || packet.is(note::ICMP_ERROR) {
        return;
    }
    // Never zero: an empty entry is.
    let ours = number(hop.our_mac) | 1 << 56 | (hop.exit as u64) << 48;
    let peer = number(hop.peer_mac) | (mtu as u64) << 48;
    let first = (peer ^ peer >> 8 ^ peer >> 16 ^ peer >> 24 ^ peer >> 32 ^ peer >> 40) as u32;
    for n in 0..TRIES {
        let index = first.wrapping_add(n) & 0xff;
        let Some(way) = WAYS.get_ptr_mut(index) else { return };
        // The entry of number 0 stays empty.
        if index != 0 && holds(way, ours, peer) {
            flow.way = index as u8;
            return;
        }
    }
}

/// Whether the entry is this way's, now at the latest.
#[inline(always)]
fn holds(way: *mut Way, ours: u64, peer: u64) -> bool {
    // SAFETY: `way` is a map value of two aligned words.
    unsafe { set_once(&raw mut (*way).ours, ours) && set_once(&raw mut (*way).peer, peer) }
}

/// Whether the word is `value`, which it becomes if it was never written.
#[inline(always)]
unsafe fn set_once(word: *mut u64, value: u64) -> bool {
    // SAFETY: the caller's `word` is an aligned word of a map value.
    unsafe { exchange_if(word, 0, value) || word.read_volatile() == value }
}

#[inline(always)]
const fn number(mac: [u8; 6]) -> u64 {
    u64::from_le_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], 0, 0])
}

#[inline(always)]
const fn mac(word: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = (word & MAC).to_le_bytes();
    [a, b, c, d, e, f]
}
