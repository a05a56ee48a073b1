//! TCP, UDP, ICMP and ICMPv6 headers, on whole datagrams and first fragments.

use abi::Reason;
use abi::event::parsed;

use crate::decision::{Stage, drop, go_on, or_drop};
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, note, protocol, tcp_flag};

#[inline(always)]
pub fn parse(frame: Frame, packet: &mut Packet) -> Stage {
    if packet.is(note::LATER_FRAGMENT) {
        return go_on();
    }
    match packet.event.protocol {
        protocol::TCP => tcp(frame, packet),
        protocol::UDP => udp(frame, packet),
        protocol::ICMP if packet.is(note::V4) => icmp(frame, packet),
        protocol::ICMPV6 if packet.is(note::V6) => icmpv6(frame, packet),
        _ => go_on(),
    }
}

#[inline(always)]
fn tcp(frame: Frame, packet: &mut Packet) -> Stage {
    let length = packet.transport_length();
    check_tcp_room(packet, length)?;
    tcp_header(packet, or_drop(frame.bytes::<20>(packet.l4), Reason::Unsupported)?, length)
}

/// Whether the datagram has so many bytes as a TCP header takes at least.
#[inline(always)]
pub const fn check_tcp_room(packet: &Packet, length: u32) -> Stage {
    if length < 20 { drop(cut_short(packet)) } else { go_on() }
}

/// Notes what a TCP header says that begins `length` bytes of the datagram.
#[inline(always)]
pub fn tcp_header(packet: &mut Packet, header: Bytes<20>, length: u32) -> Stage {
    let flags = header.u8::<13>();
    report_ports(packet, header.be16::<0>(), header.be16::<2>());
    packet.event.tcp_flags = flags;
    packet.sequence = header.be32::<4>();
    packet.acknowledgement = header.be32::<8>();
    let header_length = (header.u8::<12>() >> 4) as u32 * 4;
    if header_length < 20 {
        return drop(Reason::Malformed);
    }
    if header_length > length {
        return drop(cut_short(packet));
    }
    let takes_a_number = (flags & tcp_flag::SYN != 0) as u32 + (flags & tcp_flag::FIN != 0) as u32;
    packet.stream_length = length - header_length + takes_a_number;
    go_on()
}

#[inline(always)]
fn udp(frame: Frame, packet: &mut Packet) -> Stage {
    let length = packet.transport_length();
    check_udp_room(packet, length)?;
    udp_header(packet, or_drop(frame.bytes::<8>(packet.l4), Reason::Unsupported)?, length)
}

/// Whether the datagram has so many bytes as a UDP header takes.
#[inline(always)]
pub const fn check_udp_room(packet: &Packet, length: u32) -> Stage {
    if length < 8 { drop(cut_short(packet)) } else { go_on() }
}

/// Notes what a UDP header says that begins `length` bytes of the datagram.
#[inline(always)]
pub fn udp_header(packet: &mut Packet, header: Bytes<8>, length: u32) -> Stage {
    report_ports(packet, header.be16::<0>(), header.be16::<2>());
    let stated = header.be16::<4>() as u32;
    if stated < 8 || (stated > length && !packet.is(note::FIRST_FRAGMENT)) {
        return drop(Reason::Malformed);
    }
    go_on()
}

#[inline(always)]
fn icmp(frame: Frame, packet: &mut Packet) -> Stage {
    let kind = icmp_header(frame, packet)?;
    packet.notes |= match kind {
        8 => note::ECHO_REQUEST,
        0 => note::ECHO_REPLY,
        3 | 11 | 12 => note::ICMP_ERROR,
        _ => return drop(Reason::Unsupported),
    };
    go_on()
}

#[inline(always)]
fn icmpv6(frame: Frame, packet: &mut Packet) -> Stage {
    let kind = icmp_header(frame, packet)?;
    packet.notes |= match kind {
        128 => note::ECHO_REQUEST,
        129 => note::ECHO_REPLY,
        1..=4 => note::ICMP_ERROR,
        // RFC 4861: from the link itself, or forged. RFC 6980: never in fragments.
        133..=137 if packet.hop_limit != 255 => return drop(Reason::Malformed),
        133..=137 if packet.is(note::FIRST_FRAGMENT) => return drop(Reason::BadFragment),
        133..=137 => note::NEIGHBOUR_DISCOVERY,
        _ => return drop(Reason::Unsupported),
    };
    go_on()
}

/// What both ICMPs have in common; returns the type.
#[inline(always)]
fn icmp_header(frame: Frame, packet: &mut Packet) -> Stage<u8> {
    if packet.transport_length() < 8 {
        return drop(cut_short(packet));
    }
    let header = or_drop(frame.bytes::<8>(packet.l4), Reason::Unsupported)?;
    let kind = header.u8::<0>();
    report_ports(packet, kind as u16, header.u8::<1>() as u16);
    packet.echo = header.be16::<4>();
    Stage::Continue(kind)
}

#[inline(always)]
fn report_ports(packet: &mut Packet, source: u16, destination: u16) {
    packet.event.source_port = source;
    packet.event.destination_port = destination;
    packet.event.parsed |= parsed::PORTS;
}

/// A transport header that does not fit: split over fragments on purpose, or a lie.
#[inline(always)]
const fn cut_short(packet: &Packet) -> Reason {
    if packet.is(note::FIRST_FRAGMENT) { Reason::BadFragment } else { Reason::Malformed }
}
