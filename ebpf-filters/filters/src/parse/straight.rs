//! The commonest datagram, read in place without a call: at most one tag, no options or extension headers, no fragment,
//! TCP or UDP, all headers in the first buffer.
//!
//! Only the shape is judged here. What has it is read by the same functions as everything else; what has not is left
//! as it came, for them.

use super::{IPV4, IPV6, ipv4, ipv6, is_tag, transport};
use crate::decision::Stage;
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, protocol};

const UNTAGGED: u32 = 14;
const TAGGED: u32 = 18;
/// More fragments follow, or this is a later one.
const FRAGMENT: u16 = 0x3fff;

/// Whether the frame had the shape and was read.
#[inline(always)]
pub fn parse(frame: Frame, packet: &mut Packet) -> Stage<bool> {
    let Some(start) = frame.bytes::<18>(0) else { return Stage::Continue(false) };
    let outer = start.be16::<12>();
    let (at, ethertype, vlan) =
        if is_tag(outer) { (TAGGED, start.be16::<16>(), Some(start.be16::<14>())) } else { (UNTAGGED, outer, None) };
    match ethertype {
        IPV4 => v4(frame, packet, at, vlan),
        IPV6 => v6(frame, packet, at, vlan),
        _ => Stage::Continue(false),
    }
}

#[inline(always)]
fn v4(frame: Frame, packet: &mut Packet, at: u32, vlan: Option<u16>) -> Stage<bool> {
    let Some(headers) = frame.bytes::<40>(at) else { return Stage::Continue(false) };
    let header = headers.part::<0, 20>();
    if header.u8::<0>() != 0x45 || header.be16::<6>() & FRAGMENT != 0 || !is_read_here(header.u8::<9>()) {
        return Stage::Continue(false);
    }
    envelope(packet, at, IPV4, vlan);
    let left = packet.event.length.wrapping_sub(at);
    ipv4::note_header(packet, header);
    ipv4::note_lengths(packet, header, ipv4::HEADER, left)?;
    ipv4::note_fragment(packet, header.be16::<6>());
    read_transport(packet, headers.part::<20, 20>())
}

#[inline(always)]
fn v6(frame: Frame, packet: &mut Packet, at: u32, vlan: Option<u16>) -> Stage<bool> {
    let Some(headers) = frame.bytes::<60>(at) else { return Stage::Continue(false) };
    let header = headers.part::<0, 40>();
    if header.u8::<0>() >> 4 != 6 || !is_read_here(header.u8::<6>()) {
        return Stage::Continue(false);
    }
    envelope(packet, at, IPV6, vlan);
    let left = packet.event.length.wrapping_sub(at);
    ipv6::note_header(packet, header);
    ipv6::note_lengths(packet, header, left)?;
    ipv6::note_protocol(packet, header.u8::<6>());
    read_transport(packet, headers.part::<40, 20>())
}

#[inline(always)]
const fn is_read_here(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP)
}

#[inline(always)]
fn envelope(packet: &mut Packet, at: u32, ethertype: u16, vlan: Option<u16>) {
    if let Some(vlan) = vlan {
        packet.keep_vlan(vlan & 0x0fff);
    }
    packet.l3 = at;
    packet.ethertype = ethertype;
}

#[inline(always)]
fn read_transport(packet: &mut Packet, header: Bytes<20>) -> Stage<bool> {
    let length = packet.transport_length();
    if packet.event.protocol == protocol::TCP {
        transport::check_tcp_room(packet, length)?;
        transport::tcp_header(packet, header, length)?;
    } else {
        transport::check_udp_room(packet, length)?;
        transport::udp_header(packet, header.part::<0, 8>(), length)?;
    }
    Stage::Continue(true)
}
