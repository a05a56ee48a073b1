//! The frame that a packet's text stands for: hop limit 64, right lengths. Transport checksums are left 0, since no stage
//! reads them.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpNumber,
    Ipv4Header, Ipv6Header, TcpHeader, UdpHeader,
};

use super::packet::{Asked, Carried};

/// Builds it, untagged.
pub(super) fn build(asked: &Asked) -> Vec<u8> {
    let (protocol, carried) = carried(asked);
    let (ether_type, ip) = ip(asked, protocol, carried.len());
    let ethernet = Ethernet2Header { source: CLIENT, destination: GATEWAY, ether_type };
    [ethernet.to_bytes().as_slice(), &ip, &carried].concat()
}

fn ip(asked: &Asked, protocol: IpNumber, payload_len: usize) -> (EtherType, Vec<u8>) {
    // At most a TCP header without options.
    let payload_length = u16::try_from(payload_len).unwrap_or(u16::MAX);
    match (asked.source, asked.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = Ipv4Header {
                time_to_live: HOP_LIMIT,
                protocol,
                source: source.octets(),
                destination: destination.octets(),
                ..Ipv4Header::default()
            };
            header.total_len = payload_length.saturating_add(Ipv4Header::MIN_LEN_U16);
            header.header_checksum = header.calc_header_checksum();
            (EtherType::IPV4, header.to_bytes().to_vec())
        }
        (source, destination) => {
            let header = Ipv6Header {
                payload_length,
                next_header: protocol,
                hop_limit: HOP_LIMIT,
                source: v6(source),
                destination: v6(destination),
                ..Ipv6Header::default()
            };
            (EtherType::IPV6, header.to_bytes().to_vec())
        }
    }
}

fn carried(asked: &Asked) -> (IpNumber, Vec<u8>) {
    match (asked.carried, asked.source) {
        (Carried::Tcp { source, destination, flags }, _) => {
            let mut header = TcpHeader::new(source, destination, 1, 65_535);
            (header.syn, header.ack, header.fin, header.rst) = (flags.syn, flags.ack, flags.fin, flags.rst);
            (IpNumber::TCP, header.to_bytes().to_vec())
        }
        (Carried::Udp { source, destination }, _) => {
            // What a guarded DNS server is asked: the name servers of the root.
            let data: &[u8] = if destination == DNS { &QUERY } else { &[] };
            let length = 8 + data.len() as u16;
            let header = UdpHeader { source_port: source, destination_port: destination, length, checksum: 0 };
            (IpNumber::UDP, [header.to_bytes().as_slice(), data].concat())
        }
        (Carried::Echo, IpAddr::V4(_)) => {
            let header = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(ECHO), &[]);
            (IpNumber::ICMP, header.to_bytes().to_vec())
        }
        (Carried::Echo, IpAddr::V6(_)) => {
            let header = Icmpv6Header::new(Icmpv6Type::EchoRequest(ECHO));
            (IpNumber::IPV6_ICMP, header.to_bytes().to_vec())
        }
        (Carried::Protocol(number), _) => (IpNumber(number), vec![0; 8]),
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

const DNS: u16 = abi::dns::PORT;
const QUERY: [u8; 17] = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
const HOP_LIMIT: u8 = 64;
const ECHO: IcmpEchoHeader = IcmpEchoHeader { id: 1, seq: 1 };
/// Locally administered addresses; no stage looks at them.
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 1];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 2];
