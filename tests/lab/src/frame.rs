//! Frames by hand: what honest stacks never send. Built with pnet, checksums right unless a caller breaks them.

use std::net::{IpAddr, SocketAddr};

use pnet::packet::ethernet::{EtherType, EtherTypes};
use pnet::packet::icmp::{self, IcmpPacket};
use pnet::packet::icmpv6::{self, Icmpv6Packet};
use pnet::packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet::packet::ipv4::{self, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::{self, MutableTcpPacket};
use pnet::packet::udp::{self, MutableUdpPacket};
use pnet::util::MacAddr;

/// Hop limit of every packet unless changed.
pub const HOPS: u8 = 64;
/// TCP flags as on the wire.
pub mod flags {
    /// No more from this side.
    pub const FIN: u8 = 1;
    /// The first segment.
    pub const SYN: u8 = 2;
    /// Give up.
    pub const RST: u8 = 4;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
}

/// A TCP segment without data.
pub fn tcp(source: SocketAddr, destination: SocketAddr, flags: u8, sequence: u32, acknowledgement: u32) -> Vec<u8> {
    let mut segment = vec![0; 20];
    if let Some(mut view) = MutableTcpPacket::new(&mut segment) {
        view.set_source(source.port());
        view.set_destination(destination.port());
        view.set_sequence(sequence);
        view.set_acknowledgement(acknowledgement);
        view.set_data_offset(5);
        view.set_flags(flags);
        view.set_window(64_240);
        let checksum = match (source.ip(), destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => tcp::ipv4_checksum(&view.to_immutable(), &from, &to),
            (IpAddr::V6(from), IpAddr::V6(to)) => tcp::ipv6_checksum(&view.to_immutable(), &from, &to),
            _ => 0,
        };
        view.set_checksum(checksum);
    }
    ip(source.ip(), destination.ip(), IpNextHeaderProtocols::Tcp, &segment)
}

/// A UDP datagram.
pub fn udp(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8];
    datagram.extend_from_slice(payload);
    let length = word(datagram.len());
    if let Some(mut view) = MutableUdpPacket::new(&mut datagram) {
        view.set_source(source.port());
        view.set_destination(destination.port());
        view.set_length(length);
        let checksum = match (source.ip(), destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => udp::ipv4_checksum(&view.to_immutable(), &from, &to),
            (IpAddr::V6(from), IpAddr::V6(to)) => udp::ipv6_checksum(&view.to_immutable(), &from, &to),
            _ => 0,
        };
        view.set_checksum(checksum);
    }
    ip(source.ip(), destination.ip(), IpNextHeaderProtocols::Udp, &datagram)
}

/// An echo request.
pub fn echo(source: IpAddr, destination: IpAddr, identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![if source.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
    message.extend_from_slice(&identifier.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(b"bangasa-lab-echo");
    let (protocol, checksum) = match (source, destination) {
        (IpAddr::V6(from), IpAddr::V6(to)) => (
            IpNextHeaderProtocols::Icmpv6,
            Icmpv6Packet::new(&message).map_or(0, |view| icmpv6::checksum(&view, &from, &to)),
        ),
        _ => (IpNextHeaderProtocols::Icmp, IcmpPacket::new(&message).map_or(0, |view| icmp::checksum(&view))),
    };
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    ip(source, destination, protocol, &message)
}

/// An IP packet around `payload`; both addresses are of one family.
pub fn ip(source: IpAddr, destination: IpAddr, protocol: IpNextHeaderProtocol, payload: &[u8]) -> Vec<u8> {
    let header = if source.is_ipv4() { 20 } else { 40 };
    let mut packet = vec![0; header];
    packet.extend_from_slice(payload);
    match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = word(packet.len());
            if let Some(mut view) = MutableIpv4Packet::new(&mut packet) {
                view.set_version(4);
                view.set_header_length(5);
                view.set_total_length(length);
                view.set_ttl(HOPS);
                view.set_next_level_protocol(protocol);
                view.set_source(from);
                view.set_destination(to);
            }
            seal(&mut packet);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            if let Some(mut view) = MutableIpv6Packet::new(&mut packet) {
                view.set_version(6);
                view.set_payload_length(word(payload.len()));
                view.set_hop_limit(HOPS);
                view.set_next_header(protocol);
                view.set_source(from);
                view.set_destination(to);
            }
        }
        _ => {}
    }
    packet
}

/// Turns an IPv4 packet into a fragment: its payload is what stands at `offset` bytes (a multiple of 8) of a datagram.
pub fn fragment(mut packet: Vec<u8>, identification: u16, offset: u16, more: More) -> Vec<u8> {
    if let Some(mut view) = MutableIpv4Packet::new(&mut packet) {
        view.set_identification(identification);
        view.set_fragment_offset(offset / 8);
        view.set_flags(match more {
            More::Follow => ipv4::Ipv4Flags::MoreFragments,
            More::NoneFollow => 0,
        });
    }
    seal(&mut packet);
    packet
}

/// Whether a fragment is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// It is not.
    Follow,
    /// It is.
    NoneFollow,
}

/// Sets the hop limit of either family.
pub fn with_hops(mut packet: Vec<u8>, hops: u8) -> Vec<u8> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => {
            packet[8] = hops;
            seal(&mut packet);
        }
        _ => packet[7] = hops,
    }
    packet
}

/// An Ethernet frame with 802.1Q tags, from the outside in.
pub fn ethernet(source: MacAddr, destination: MacAddr, vlans: &[u16], packet: &[u8]) -> Vec<u8> {
    let ethertype = match packet.first().map(|byte| byte >> 4) {
        Some(6) => EtherTypes::Ipv6,
        _ => EtherTypes::Ipv4,
    };
    ethernet_of(source, destination, vlans, ethertype, packet)
}

/// An Ethernet frame around anything.
pub fn ethernet_of(
    source: MacAddr,
    destination: MacAddr,
    vlans: &[u16],
    ethertype: EtherType,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = [destination.octets(), source.octets()].concat();
    for (depth, vlan) in vlans.iter().enumerate() {
        // Not pnet's `QinQ`, which is the older 0x9100: kernels call 0x88a8 a tag.
        let tag = if depth + 1 < vlans.len() { EtherTypes::PBridge } else { EtherTypes::Vlan };
        frame.extend_from_slice(&tag.0.to_be_bytes());
        frame.extend_from_slice(&vlan.to_be_bytes());
    }
    frame.extend_from_slice(&ethertype.0.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Renews the checksum of an IPv4 header.
fn seal(packet: &mut [u8]) {
    if let Some(mut view) = MutableIpv4Packet::new(packet) {
        view.set_checksum(ipv4::checksum(&view.to_immutable()));
    }
}

/// A length that fits its field: nothing here is longer than a frame.
fn word(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use pnet::packet::Packet;
    use pnet::packet::ethernet::EthernetPacket;
    use pnet::packet::ipv4::Ipv4Packet;

    use super::*;

    #[test]
    fn a_tagged_syn_reads_back() {
        let (from, to) = (("10.0.0.1:1000".parse().expect("address")), ("192.0.2.1:80".parse().expect("address")));
        let mac = MacAddr::new(2, 0, 0, 0, 0, 1);
        let frame = ethernet(mac, MacAddr::broadcast(), &[200, 101], &tcp(from, to, flags::SYN, 7, 0));
        let outer = EthernetPacket::new(&frame).expect("an Ethernet frame");
        assert_eq!(outer.get_ethertype().0, 0x88a8);
        assert_eq!(&outer.payload()[..6], &[0, 200, 0x81, 0, 0, 101]);
        let packet = Ipv4Packet::new(&outer.payload()[8..]).expect("an IPv4 packet");
        assert_eq!(packet.get_checksum(), ipv4::checksum(&packet));
        assert_eq!(packet.payload().len(), 20);
    }
}
