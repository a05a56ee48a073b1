//! ICMP errors belong to the flow of the packet that they quote, and to nothing else.

use abi::Reason;
use abi::flow::flags;
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, or_drop, to_code};
use crate::flow::{has_ports, wanted};
use crate::flows::{self, Ends, Key, NONE};
use crate::frame::Frame;
use crate::packet::{Packet, note, protocol, same, subprogram};

/// Offset of the quoted packet from the ICMP header.
pub const QUOTE: u32 = 8;
/// IPv6 fragment header.
const FRAGMENT: u8 = 44;

/// A quoted packet, as its sender addressed it.
struct Quote {
    source: abi::Address,
    destination: abi::Address,
    source_port: u16,
    destination_port: u16,
    /// Echo identifier, which stands for the port at either end.
    echo: Option<u16>,
    protocol: u8,
}

/// The flow of the quoted packet. The quote must travel the other way, and the error must go to, or from the
/// municipality come from, the quoted packet's own end.
#[inline(always)]
pub fn quoted_flow(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    let answer = find_quoted(frame.context(), packet);
    match from_code(answer as u32) {
        Stage::Continue(()) => Stage::Continue((answer >> 32) as u32),
        Stage::Break(decision) => Stage::Break(decision),
    }
}

/// The flow's index above 0, or a decision's code. On its own, because a quote would not fit on the stack of the way to
/// the rules.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_quoted(context: *mut xdp_md, packet: *mut Packet) -> u64 {
    subprogram(packet, to_code(drop(Reason::Internal)) as u64, |packet| match quoted(Frame::new(context), packet) {
        Stage::Continue(index) => {
            // What the Internet quotes of a connection that began with a cookie has the client's numbers.
            if !packet.is_egress() && flows::at(index).is_some_and(|flow| flow.flags & flags::PROXIED != 0) {
                packet.notes |= note::PROXIED;
            }
            (index as u64) << 32
        }
        Stage::Break(decision) => decision.code() as u64,
    })
}

#[inline(always)]
fn quoted(frame: Frame, packet: &Packet) -> Stage<u32> {
    let quote = if packet.is(note::V4) { v4(frame, packet)? } else { v6(frame, packet)? };
    let from_uplink = !packet.is_egress();
    let (ours, carrier) =
        if from_uplink { (quote.source, packet.event.destination) } else { (quote.destination, packet.event.source) };
    if !same(&ours, &carrier) {
        return drop(Reason::BadState);
    }
    let (inside_port, outside_port) = match quote.echo {
        Some(identifier) => (identifier, 0),
        None if from_uplink => (quote.source_port, quote.destination_port),
        None => (quote.destination_port, quote.source_port),
    };
    let outside = if from_uplink { quote.destination } else { quote.source };
    let ends = Ends::new(inside_port, outside_port, packet.event.municipality, quote.protocol);
    let mut key = Key::new(ours, outside, ends);
    match flows::find_in_place(&mut key, packet.now_s, wanted(packet)) {
        NONE => drop(Reason::BadState),
        index => Stage::Continue(index),
    }
}

#[inline(always)]
fn v4(frame: Frame, packet: &Packet) -> Stage<Quote> {
    let at = packet.l4 + QUOTE;
    let header = quoted_bytes::<20>(frame, packet, at)?;
    let header_length = (header.u8::<0>() & 15) as u32 * 4;
    let later_fragment = header.be16::<6>() & 0x1fff != 0;
    if header.u8::<0>() >> 4 != 4 || header_length < 20 || later_fragment {
        return drop(Reason::BadState);
    }
    let (source, destination, number) = (header.v4::<12>(), header.v4::<16>(), header.u8::<9>());
    let transport = quoted_bytes::<8>(frame, packet, at + header_length)?;
    let echo = match number {
        protocol::ICMP => Some(echo_identifier(transport, 8, 0)?),
        _ => None,
    };
    Stage::Continue(Quote { source, destination, echo, ..ports(transport, number) })
}

#[inline(always)]
fn v6(frame: Frame, packet: &Packet) -> Stage<Quote> {
    let at = packet.l4 + QUOTE;
    let header = quoted_bytes::<40>(frame, packet, at)?;
    let mut number = header.u8::<6>();
    let mut transport_at = at + 40;
    if number == FRAGMENT {
        // What was too big for a link is often a fragment already. Only the first tells whose.
        let fragment = quoted_bytes::<8>(frame, packet, transport_at)?;
        if fragment.be16::<2>() >> 3 != 0 {
            return drop(Reason::BadState);
        }
        number = fragment.u8::<0>();
        transport_at += 8;
    }
    // Other extension headers of a quote are not followed.
    if header.u8::<0>() >> 4 != 6 || matches!(number, 0 | 43 | FRAGMENT | 51 | 60) {
        return drop(Reason::BadState);
    }
    let (source, destination) = (header.v6::<8>(), header.v6::<24>());
    let transport = quoted_bytes::<8>(frame, packet, transport_at)?;
    let echo = match number {
        protocol::ICMPV6 => Some(echo_identifier(transport, 128, 129)?),
        _ => None,
    };
    Stage::Continue(Quote { source, destination, echo, ..ports(transport, number) })
}

/// `N` quoted bytes that the datagram itself, not only the frame, must have.
#[inline(always)]
fn quoted_bytes<const N: usize>(frame: Frame, packet: &Packet, at: u32) -> Stage<crate::frame::Bytes<N>> {
    if at + N as u32 > packet.end {
        return drop(Reason::BadState);
    }
    or_drop(frame.bytes::<N>(at), Reason::BadState)
}

/// Only echo has flows; an error about an error, or about neighbour discovery, has none.
#[inline(always)]
fn echo_identifier(transport: crate::frame::Bytes<8>, request: u8, reply: u8) -> Stage<u16> {
    let kind = transport.u8::<0>();
    if kind == request || kind == reply { Stage::Continue(transport.be16::<4>()) } else { drop(Reason::BadState) }
}

#[inline(always)]
fn ports(transport: crate::frame::Bytes<8>, number: u8) -> Quote {
    let (source_port, destination_port) =
        if has_ports(number) { (transport.be16::<0>(), transport.be16::<2>()) } else { (0, 0) };
    Quote {
        source: abi::Address::NONE,
        destination: abi::Address::NONE,
        source_port,
        destination_port,
        echo: None,
        protocol: number,
    }
}
