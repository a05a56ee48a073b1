//! IPv6 header and its chain of extension headers.

use abi::Reason;
use abi::event::parsed;
use abi::limits::EXTENSION_HEADERS;
use aya_ebpf::bindings::xdp_md;

use super::transport;
use crate::decision::{Stage, drop, from_code, go_on, or_drop, to_code};
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, note, subprogram};

const HEADER: u32 = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;

#[inline(always)]
pub fn parse(frame: Frame, packet: &mut Packet, left: u32) -> Stage {
    if left < HEADER {
        return drop(Reason::Truncated);
    }
    let header = or_drop(frame.bytes::<40>(packet.l3), Reason::Unsupported)?;
    if header.u8::<0>() >> 4 != 6 {
        return drop(Reason::Malformed);
    }
    note_header(packet, header);
    let next = header.u8::<6>();
    if header.be16::<4>() == 0 && next == HOP_BY_HOP {
        // A jumbogram.
        return drop(Reason::Unsupported);
    }
    note_lengths(packet, header, left)?;
    let last = chain(frame, packet, next)?;
    note_protocol(packet, last);
    transport::parse(frame, packet)
}

/// Notes what stands in every header.
#[inline(always)]
pub fn note_header(packet: &mut Packet, header: Bytes<40>) {
    packet.notes |= note::V6;
    packet.keep_addresses(header.v6_halves::<8>(), header.v6_halves::<24>());
    packet.event.parsed = parsed::ADDRESSES | parsed::V6;
    packet.hop_limit = header.u8::<7>();
}

/// Checks the datagram's length against the bytes left in the frame, and notes where its parts are.
#[inline(always)]
pub fn note_lengths(packet: &mut Packet, header: Bytes<40>, left: u32) -> Stage {
    let payload_length = header.be16::<4>() as u32;
    if left < HEADER || payload_length > left - HEADER {
        return drop(Reason::Truncated);
    }
    packet.l4 = packet.l3 + HEADER;
    packet.end = packet.l4 + payload_length;
    go_on()
}

/// Notes the final protocol.
#[inline(always)]
pub const fn note_protocol(packet: &mut Packet, number: u8) {
    packet.event.protocol = number;
    packet.event.parsed |= parsed::PROTOCOL;
}

/// Follows extension headers to the final protocol, or to a later fragment's header, behind which nothing can be read.
#[inline(always)]
fn chain(frame: Frame, packet: &mut Packet, first: u8) -> Stage<u8> {
    let mut next = first;
    let mut fragment_seen = false;
    for count in 0..=EXTENSION_HEADERS {
        if !is_extension(next) || packet.is(note::LATER_FRAGMENT) {
            return Stage::Continue(next);
        }
        if count == EXTENSION_HEADERS {
            break;
        }
        if next == HOP_BY_HOP && count > 0 {
            return drop(Reason::Malformed);
        }
        if next == FRAGMENT && fragment_seen {
            return drop(Reason::BadFragment);
        }
        fragment_seen |= next == FRAGMENT;
        let step = extension(frame.context(), packet, next as u32);
        if step > NEXT {
            from_code(step)?;
        }
        next = step as u8;
    }
    drop(Reason::Unsupported)
}

#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

/// The greatest return value of [`extension`] that is a next header; a decision's code is greater.
const NEXT: u32 = 0xff;

/// One extension header. A subprogram, so that the verifier looks at one header instead of at every chain of eight.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn extension(context: *mut xdp_md, packet: *mut Packet, kind: u32) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| {
        match header(Frame::new(context), packet, kind as u8) {
            Stage::Continue(next) => next as u32,
            Stage::Break(decision) => decision.code(),
        }
    })
}

/// Notes what one header says and steps over it; the next one's kind.
#[inline(always)]
fn header(frame: Frame, packet: &mut Packet, kind: u8) -> Stage<u8> {
    if packet.l4 + 8 > packet.end {
        return cut_short(packet);
    }
    let header = or_drop(frame.bytes::<8>(packet.l4), Reason::Unsupported)?;
    let length = match kind {
        FRAGMENT => 8,
        AUTHENTICATION => (header.u8::<1>() as u32 + 2) * 4,
        _ => (header.u8::<1>() as u32 + 1) * 8,
    };
    if packet.l4 + length > packet.end {
        return cut_short(packet);
    }
    if kind == ROUTING && (header.u8::<2>() == 0 || header.u8::<3>() != 0) {
        packet.notes |= note::SOURCE_ROUTE;
    }
    packet.l4 += length;
    if kind == FRAGMENT {
        fragment(packet, header);
    }
    Stage::Continue(header.u8::<0>())
}

/// A header beyond the datagram's end: in a first fragment it was split, which RFC 7112 forbids.
#[inline(always)]
const fn cut_short<T>(packet: &Packet) -> Stage<T> {
    drop(if packet.is(note::FIRST_FRAGMENT) { Reason::BadFragment } else { Reason::Malformed })
}

/// Notes a fragment header's fields.
#[inline(always)]
fn fragment(packet: &mut Packet, header: Bytes<8>) {
    let word = header.be16::<2>();
    packet.fragment_protocol = header.u8::<0>();
    packet.identification = header.u32::<4>();
    packet.fragment_offset = word >> 3;
    packet.fragment_length = packet.end - packet.l4;
    if word & 1 != 0 {
        packet.notes |= note::MORE_FRAGMENTS;
    }
    if packet.fragment_offset != 0 {
        packet.notes |= note::LATER_FRAGMENT;
        packet.event.parsed |= parsed::FRAGMENT;
    } else if packet.is(note::MORE_FRAGMENTS) {
        packet.notes |= note::FIRST_FRAGMENT;
        packet.event.parsed |= parsed::FRAGMENT;
    }
}
