//! Stage "parse": a frame becomes a packet, or a reason to drop it together with what was read until then.
//!
//! Owns Ethernet, VLAN tags and ARP; IP headers are in `ip`, what they carry in `transport`. Fields are read with
//! etherparse's header slices, so that no parser is shared with the program in the kernel; lengths and the order of
//! checks are this code's. Checksums are not verified.

mod ip;
mod transport;

use std::net::IpAddr;

use abi::Reason;
use etherparse::{ArpHardwareId, ArpPacketSlice, EtherType, Ethernet2HeaderSlice, SingleVlanHeaderSlice};

pub(crate) use transport::{EchoKind, Ports, Quote, Quoted, Segment, Transport};

/// What was read of a frame, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    /// What the reader reached, also where it then failed.
    pub(crate) fields: Fields,
    /// What the frame holds, or why it is dropped.
    pub(crate) contents: Result<Contents, Reason>,
}

/// What a judgement reports of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) vlans: Vec<u16>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
    pub(crate) protocol: Option<u8>,
    pub(crate) source_port: Option<u16>,
    pub(crate) destination_port: Option<u16>,
    pub(crate) fragment: bool,
}

/// What a sound frame holds.
#[derive(Clone, Debug)]
pub(crate) enum Contents {
    /// ARP for IPv4 over Ethernet.
    Arp,
    /// ICMPv6 types 133 to 137.
    NeighbourDiscovery,
    /// Anything that may cross the gateway.
    Ip(Packet),
}

/// An IP packet, both families alike.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// After extension headers; of a later fragment what its fragment header says.
    pub(crate) protocol: u8,
    /// Loose or strict source route, or a routing header still in use.
    pub(crate) source_route: bool,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) transport: Transport,
    /// What a UDP datagram to a DNS server carries; of others nobody asks.
    pub(crate) data: Vec<u8>,
}

/// The place of a packet in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) offset_bytes: u32,
    pub(crate) more: bool,
    pub(crate) identification: u32,
    /// Protocol (IPv4), or the fragment header's next header (IPv6): equal in all fragments of a datagram.
    pub(crate) carried: u8,
    /// Bytes of the datagram in this fragment.
    pub(crate) payload_len: u32,
}

impl Fragment {
    /// Whether this fragment begins the datagram.
    pub(crate) fn is_first(&self) -> bool {
        self.offset_bytes == 0
    }
}

/// Reads a frame.
pub(crate) fn parse(frame: &[u8]) -> Parsed {
    let mut fields = Fields::default();
    let contents = ethernet(frame, &mut fields);
    Parsed { fields, contents }
}

/// What was read, for people.
pub(crate) fn describe(parsed: &Parsed) -> String {
    let Fields { vlans, source, destination, protocol, source_port, destination_port, fragment } = &parsed.fields;
    let mut text = String::new();
    for vlan in vlans {
        text.push_str(&format!("VLAN {vlan}, "));
    }
    match (source, destination) {
        (Some(source), Some(destination)) => text.push_str(&format!("{source} > {destination}")),
        _ if matches!(parsed.contents, Ok(Contents::Arp)) => text.push_str("ARP"),
        _ => text.push_str("no addresses"),
    }
    if let Some(protocol) = protocol {
        text.push_str(&format!(", protocol {protocol}"));
    }
    if let (Some(source_port), Some(destination_port)) = (source_port, destination_port) {
        match protocol {
            Some(6 | 17) => text.push_str(&format!(", port {source_port} > {destination_port}")),
            _ => text.push_str(&format!(", type {source_port} code {destination_port}")),
        }
    }
    if *fragment {
        text.push_str(", fragment");
    }
    text
}

fn ethernet(frame: &[u8], fields: &mut Fields) -> Result<Contents, Reason> {
    let header = Ethernet2HeaderSlice::from_slice(frame).map_err(|_| Reason::Truncated)?;
    let mut rest = &frame[header.slice().len()..];
    let mut kind = header.ether_type();
    while is_tag(kind) {
        if fields.vlans.len() == abi::limits::VLAN_DEPTH {
            return Err(Reason::Unsupported);
        }
        let tag = SingleVlanHeaderSlice::from_slice(rest).map_err(|_| Reason::Truncated)?;
        fields.vlans.push(tag.vlan_identifier().value());
        kind = tag.ether_type();
        rest = &rest[tag.slice().len()..];
    }
    match kind {
        EtherType::ARP => arp(rest),
        EtherType::IPV4 => ip::v4(rest, fields),
        EtherType::IPV6 => ip::v6(rest, fields),
        _ => Err(Reason::Unsupported),
    }
}

fn is_tag(kind: EtherType) -> bool {
    matches!(kind, EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME)
}

fn arp(bytes: &[u8]) -> Result<Contents, Reason> {
    if bytes.len() < ARP_BYTES {
        return Err(Reason::Truncated);
    }
    let packet = ArpPacketSlice::from_slice(bytes).map_err(|_| Reason::Malformed)?;
    let sound = packet.hw_addr_type() == ArpHardwareId::ETHERNET
        && packet.proto_addr_type() == EtherType::IPV4
        && packet.hw_addr_size() == 6
        && packet.proto_addr_size() == 4;
    if sound { Ok(Contents::Arp) } else { Err(Reason::Malformed) }
}

/// ARP for IPv4 over Ethernet.
const ARP_BYTES: usize = 28;
