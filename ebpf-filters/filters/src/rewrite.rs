//! Translates addresses and ports in the frame and lowers the hop limit, with every checksum kept right by its
//! difference (RFC 1624), so that a wrong one arrives as wrong as it came.

use abi::Reason;
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::frame::{Bytes, Frame};
use crate::icmp_error::QUOTE;
use crate::packet::{Packet, note, protocol, subprogram};
use crate::{flows, proxied};

/// Whether a router passes the packet on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum HopLimit {
    /// Here: one less.
    Lower,
    /// The kernel behind will.
    Keep,
}

/// Rewrites the packet for the side that it goes to.
#[inline(always)]
pub fn rewrite(frame: Frame, packet: &mut Packet, hop_limit: HopLimit) -> Stage {
    if packet.is(note::PROXIED) {
        proxied::adapt(frame, packet)?;
    }
    if packet.event.public_address != 0 {
        return from_code(translate_packet(frame.context(), packet, (hop_limit == HopLimit::Lower) as u32));
    }
    if hop_limit == HopLimit::Keep {
        return go_on();
    }
    if packet.is(note::V6) {
        need(frame.bytes::<40>(packet.l3))?.put_u8::<7>(packet.hop_limit.wrapping_sub(1));
        return go_on();
    }
    let header = need(frame.bytes::<20>(packet.l3))?;
    let change = lower_hop_limit(header);
    header.put_u16::<10>(change.applied(header.u16::<10>()));
    go_on()
}

#[inline(always)]
fn lower_hop_limit(header: Bytes<20>) -> Change {
    let mut change = Change::NONE;
    // With the protocol beside it, as one half-word: what a byte was just stored into is slow to read by two.
    let old = header.u16::<8>();
    let new = u16::from_be(old).wrapping_sub(1 << 8).to_be();
    header.put_u16::<8>(new);
    change.half(old, new);
    change
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn translate_packet(context: *mut xdp_md, packet: *mut Packet, lower: u32) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| {
        to_code(translated(Frame::new(context), packet, lower != 0))
    })
}

#[inline(always)]
fn translated(frame: Frame, packet: &Packet, lower: bool) -> Stage {
    let header = need(frame.bytes::<20>(packet.l3))?;
    let mut change = if lower { lower_hop_limit(header) } else { Change::NONE };
    let flow = need(flows::at(packet.flow))?;
    let to = if packet.is_egress() {
        End { address: flow.public_address, port: flow.public_port }
    } else {
        End { address: flow.inside.v4_word(), port: flow.inside_port }
    };
    let outer_side = if packet.is_egress() { Side::Source } else { Side::Destination };
    let address = put_address(header, outer_side, &to);
    change.join(address);
    header.put_u16::<10>(change.applied(header.u16::<10>()));
    if packet.is(note::LATER_FRAGMENT) {
        return go_on();
    }
    if packet.is(note::ICMP_ERROR) {
        let quoted_side = if packet.is_egress() { Side::Destination } else { Side::Source };
        return quote(frame, packet, quoted_side, &to);
    }
    let room = packet.transport_length();
    let _ = transport(frame, packet.l4, room, packet.event.protocol, outer_side, &to, address)?;
    go_on()
}

/// What an end becomes: address in network order, port or echo identifier in host order.
struct End {
    address: u32,
    port: u16,
}

/// Which end of a header is rewritten.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// The quoted packet travels the other way, so its other end is rewritten; the error's own checksum covers it all.
#[inline(always)]
fn quote(frame: Frame, packet: &Packet, side: Side, to: &End) -> Stage {
    let at = packet.l4 + QUOTE;
    let header = need(frame.bytes::<20>(at))?;
    let header_length = (header.u8::<0>() & 15) as u32 * 4;
    let transport_at = at + header_length;
    let address = put_address(header, side, to);
    let check = header.u16::<10>();
    let new_check = address.applied(check);
    header.put_u16::<10>(new_check);
    let number = header.u8::<9>();
    let mut change = address;
    change.half(check, new_check);
    let room = packet.end.wrapping_sub(transport_at);
    change.join(transport(frame, transport_at, room, number, side, to, address)?);
    let icmp = need(frame.bytes::<8>(packet.l4))?;
    icmp.put_u16::<2>(change.applied(icmp.u16::<2>()));
    go_on()
}

#[inline(always)]
fn put_address(header: Bytes<20>, side: Side, to: &End) -> Change {
    let mut change = Change::NONE;
    if side == Side::Source {
        change.word(header.u32::<12>(), to.address);
        header.put_u32::<12>(to.address);
    } else {
        change.word(header.u32::<16>(), to.address);
        header.put_u32::<16>(to.address);
    }
    change
}

/// Rewrites a port or identifier and the transport checksum, which covers the address too. `room` is what the datagram
/// has of the transport: a quote may end before TCP's checksum. Returns the change to the transport's own bytes.
#[inline(always)]
fn transport(frame: Frame, at: u32, room: u32, number: u8, side: Side, to: &End, address: Change) -> Stage<Change> {
    let mut change = Change::NONE;
    if !matches!(number, protocol::TCP | protocol::UDP | protocol::ICMP) {
        return Stage::Continue(change);
    }
    let start = need(frame.bytes::<8>(at))?;
    let port = to.port.to_be();
    let old_port = match (number, side) {
        (protocol::ICMP, _) => start.u16::<4>(),
        (_, Side::Source) => start.u16::<0>(),
        (_, Side::Destination) => start.u16::<2>(),
    };
    match (number, side) {
        (protocol::ICMP, _) => start.put_u16::<4>(port),
        (_, Side::Source) => start.put_u16::<0>(port),
        (_, Side::Destination) => start.put_u16::<2>(port),
    }
    change.half(old_port, port);
    let mut covered = change;
    if number == protocol::ICMP {
        let check = start.u16::<2>();
        let new_check = covered.applied(check);
        start.put_u16::<2>(new_check);
        change.half(check, new_check);
        return Stage::Continue(change);
    }
    covered.join(address);
    if number == protocol::UDP {
        let check = start.u16::<6>();
        if check != 0 {
            let new_check = match covered.applied(check) {
                0 => 0xffff,
                sum => sum,
            };
            start.put_u16::<6>(new_check);
            change.half(check, new_check);
        }
    } else if room >= 18 {
        let start = need(frame.bytes::<18>(at))?;
        let check = start.u16::<16>();
        let new_check = covered.applied(check);
        start.put_u16::<16>(new_check);
        change.half(check, new_check);
    }
    Stage::Continue(change)
}

/// The sum of differences to bytes that a checksum covers.
#[derive(Clone, Copy)]
pub struct Change(pub u64);

impl Change {
    /// Nothing is changed.
    pub const NONE: Self = Self(0);

    /// Two bytes, as in memory.
    #[inline(always)]
    pub fn half(&mut self, old: u16, new: u16) {
        self.0 += !old as u64 + new as u64;
    }

    /// Four bytes, as in memory.
    #[inline(always)]
    pub fn word(&mut self, old: u32, new: u32) {
        self.0 += !old as u64 + new as u64;
    }

    #[inline(always)]
    fn join(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// The checksum of the changed bytes, from that of the old ones.
    #[inline(always)]
    pub fn applied(self, check: u16) -> u16 {
        let mut sum = self.0 + !check as u64;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        !(sum as u16)
    }
}
