//! IPv4 header, options and fragment fields.

use abi::Reason;
use abi::event::parsed;
use aya_ebpf::bindings::xdp_md;

use super::transport;
use crate::decision::{Stage, drop, go_on, or_drop};
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, note};

/// Bytes of a header without options.
pub const HEADER: u32 = 20;
const OPTIONS: u32 = 40;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

#[inline(always)]
pub fn parse(frame: Frame, packet: &mut Packet, left: u32) -> Stage {
    if left < HEADER {
        return drop(Reason::Truncated);
    }
    let header = or_drop(frame.bytes::<20>(packet.l3), Reason::Unsupported)?;
    let first = header.u8::<0>();
    if first >> 4 != 4 {
        return drop(Reason::Malformed);
    }
    note_header(packet, header);
    let header_length = (first & 15) as u32 * 4;
    if header_length < HEADER {
        return drop(Reason::Malformed);
    }
    note_lengths(packet, header, header_length, left)?;
    if header_length > HEADER {
        options(frame, packet, packet.l3 + HEADER, packet.l4)?;
    }
    note_fragment(packet, header.be16::<6>());
    transport::parse(frame, packet)
}

/// Notes what stands in every header, whatever its length.
#[inline(always)]
pub fn note_header(packet: &mut Packet, header: Bytes<20>) {
    packet.notes |= note::V4;
    packet.keep_addresses(header.v4_halves::<12>(), header.v4_halves::<16>());
    packet.event.protocol = header.u8::<9>();
    packet.event.parsed = parsed::ADDRESSES | parsed::PROTOCOL;
    packet.fragment_protocol = packet.event.protocol;
    packet.hop_limit = header.u8::<8>();
    packet.identification = header.u16::<4>() as u32;
}

/// Checks the datagram's lengths against the bytes left in the frame, and notes where its parts are.
#[inline(always)]
pub fn note_lengths(packet: &mut Packet, header: Bytes<20>, header_length: u32, left: u32) -> Stage {
    if left < header_length {
        return drop(Reason::Truncated);
    }
    let total_length = header.be16::<2>() as u32;
    if total_length < header_length {
        return drop(Reason::Malformed);
    }
    if left < total_length {
        return drop(Reason::Truncated);
    }
    packet.l4 = packet.l3 + header_length;
    packet.end = packet.l3 + total_length;
    packet.fragment_length = total_length - header_length;
    go_on()
}

/// Walks the options between two offsets: only source routes matter, but a broken list is malformed.
#[inline(always)]
fn options(frame: Frame, packet: &mut Packet, start: u32, end: u32) -> Stage {
    let mut at = start;
    for _ in 0..OPTIONS {
        if at >= end {
            break;
        }
        let step = option(frame.context(), at, end);
        if step & BROKEN != 0 {
            return drop(Reason::Malformed);
        }
        if step & SOURCE_ROUTE != 0 {
            packet.notes |= note::SOURCE_ROUTE;
        }
        at = step & NEXT;
    }
    go_on()
}

const NEXT: u32 = 0xffff;
const BROKEN: u32 = 1 << 30;
const SOURCE_ROUTE: u32 = 1 << 29;

/// One option: the offset of the next one, or of the end, and what was found. A subprogram, so that the verifier looks
/// at one option instead of at every list of forty.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn option(context: *mut xdp_md, at: u32, end: u32) -> u32 {
    let frame = Frame::new(context);
    let Some(kind) = frame.bytes::<1>(at) else { return BROKEN };
    let kind = kind.u8::<0>();
    if kind == END_OF_OPTIONS {
        return end & NEXT;
    }
    if kind == NO_OPERATION {
        return (at + 1) & NEXT;
    }
    let Some(header) = frame.bytes::<2>(at) else { return BROKEN };
    let length = header.u8::<1>() as u32;
    if at + 1 >= end || length < 2 || at + length > end {
        return BROKEN;
    }
    let found = if matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE) { SOURCE_ROUTE } else { 0 };
    (at + length) & NEXT | found
}

/// Notes the word of flags and fragment offset.
#[inline(always)]
pub fn note_fragment(packet: &mut Packet, word: u16) {
    packet.fragment_offset = word & 0x1fff;
    if word & 0x4000 != 0 {
        packet.notes |= note::DONT_FRAGMENT;
    }
    if word & 0x2000 != 0 {
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
