//! What an IP packet carries: TCP, UDP, ICMP and ICMPv6, and the packet that an ICMP error quotes.

use std::net::IpAddr;

use abi::Reason;
use etherparse::err::tcp::HeaderSliceError;
use etherparse::{
    Icmpv4Slice, Icmpv6Slice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice,
};

use super::{Fields, Fragment};

/// The transport layer of a packet.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Tcp(Ports, Segment),
    Udp(Ports),
    /// ICMP or ICMPv6 echo.
    Echo {
        kind: EchoKind,
        identifier: u16,
    },
    /// An ICMP or ICMPv6 error, with what it quotes if that can be read.
    IcmpError(Option<Quote>),
    /// A protocol without ports.
    Other,
    /// Not the first fragment: there is no header to read.
    LaterFragment,
}

/// Source and destination port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) source: u16,
    pub(crate) destination: u16,
}

/// Which half of an echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EchoKind {
    Request,
    Reply,
}

/// What the state of a TCP connection depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) syn: bool,
    pub(crate) ack: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    /// Bytes of data, without SYN and FIN.
    pub(crate) payload_len: u32,
}

/// The beginning of a packet, as an ICMP error quotes it.
#[derive(Clone, Debug)]
pub(crate) struct Quote {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) carried: Quoted,
}

/// What the quoted packet carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quoted {
    Ports(Ports),
    Echo(u16),
    Other,
}

/// What the transport layer's reader must know of the IP header.
pub(super) struct Carrier<'a> {
    pub(super) protocol: u8,
    pub(super) hop_limit: u8,
    pub(super) fragment: Option<&'a Fragment>,
    pub(super) is_v6: bool,
}

impl Carrier<'_> {
    /// Why a packet is dropped whose transport header is not all there: a first fragment must hold it.
    fn short(&self) -> Reason {
        if self.fragment.is_some() { Reason::BadFragment } else { Reason::Malformed }
    }
}

/// Reads what the packet carries; `None` is neighbour discovery.
pub(super) fn read(bytes: &[u8], carrier: &Carrier, fields: &mut Fields) -> Result<Option<Transport>, Reason> {
    if carrier.fragment.is_some_and(|fragment| !fragment.is_first()) {
        return Ok(Some(Transport::LaterFragment));
    }
    match (carrier.protocol, carrier.is_v6) {
        (6, _) => tcp(bytes, carrier, fields).map(Some),
        (17, _) => udp(bytes, carrier, fields).map(Some),
        (1, false) => icmp(bytes, carrier, fields).map(Some),
        (58, true) => icmpv6(bytes, carrier, fields),
        _ => Ok(Some(Transport::Other)),
    }
}

fn tcp(bytes: &[u8], carrier: &Carrier, fields: &mut Fields) -> Result<Transport, Reason> {
    let fixed = bytes.first_chunk::<20>().ok_or(carrier.short())?;
    let ports = leading_ports(fixed, fields);
    let header = TcpHeaderSlice::from_slice(bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) => carrier.short(),
        HeaderSliceError::Content(_) => Reason::Malformed,
    })?;
    let payload_len = bytes.len() - header.slice().len();
    let segment = Segment {
        syn: header.syn(),
        ack: header.ack(),
        fin: header.fin(),
        rst: header.rst(),
        sequence: header.sequence_number(),
        acknowledgement: header.acknowledgment_number(),
        payload_len: u32::try_from(payload_len).unwrap_or(u32::MAX),
    };
    Ok(Transport::Tcp(ports, segment))
}

fn udp(bytes: &[u8], carrier: &Carrier, fields: &mut Fields) -> Result<Transport, Reason> {
    let header = UdpHeaderSlice::from_slice(bytes).map_err(|_| carrier.short())?;
    let ports = leading_ports(header.slice(), fields);
    let length = usize::from(header.length());
    if length < header.slice().len() || (carrier.fragment.is_none() && length > bytes.len()) {
        return Err(Reason::Malformed);
    }
    Ok(Transport::Udp(ports))
}

/// The data of a UDP datagram to a DNS server, as far as its header says that it reaches.
pub(super) fn data(transport: &Transport, bytes: &[u8]) -> Vec<u8> {
    match transport {
        Transport::Udp(ports) if ports.destination == abi::dns::PORT => {
            let length = UdpHeaderSlice::from_slice(bytes).map_or(0, |header| usize::from(header.length()));
            bytes.get(UDP_HEADER..length).unwrap_or_default().to_vec()
        }
        _ => Vec::new(),
    }
}

const UDP_HEADER: usize = 8;

/// The ports at the start of a TCP or UDP header, reported even if the header then proves unsound.
fn leading_ports(header: &[u8], fields: &mut Fields) -> Ports {
    let ports = first_ports(header);
    fields.source_port = Some(ports.source);
    fields.destination_port = Some(ports.destination);
    ports
}

fn first_ports(header: &[u8]) -> Ports {
    match *header {
        [s0, s1, d0, d1, ..] => {
            Ports { source: u16::from_be_bytes([s0, s1]), destination: u16::from_be_bytes([d0, d1]) }
        }
        _ => Ports::default(),
    }
}

fn icmp(bytes: &[u8], carrier: &Carrier, fields: &mut Fields) -> Result<Transport, Reason> {
    let header = bytes.first_chunk::<8>().ok_or(carrier.short())?;
    report_type(header, fields);
    // Types whose length etherparse finds wrong are types that are not supported anyway.
    let message = Icmpv4Slice::from_slice(bytes).map_err(|_| Reason::Unsupported)?;
    match message.type_u8() {
        8 => Ok(echo(EchoKind::Request, message.bytes5to8())),
        0 => Ok(echo(EchoKind::Reply, message.bytes5to8())),
        3 | 11 | 12 => Ok(Transport::IcmpError(quoted_v4(&bytes[header.len()..]))),
        _ => Err(Reason::Unsupported),
    }
}

fn icmpv6(bytes: &[u8], carrier: &Carrier, fields: &mut Fields) -> Result<Option<Transport>, Reason> {
    let header = bytes.first_chunk::<8>().ok_or(carrier.short())?;
    report_type(header, fields);
    let message = Icmpv6Slice::from_slice(bytes).map_err(|_| Reason::Unsupported)?;
    match message.type_u8() {
        128 => Ok(Some(echo(EchoKind::Request, message.bytes5to8()))),
        129 => Ok(Some(echo(EchoKind::Reply, message.bytes5to8()))),
        1..=4 => Ok(Some(Transport::IcmpError(quoted_v6(&bytes[header.len()..])))),
        // A router never forwards neighbour discovery, so one that comes from afar is forged (RFC 4861).
        133..=137 if carrier.hop_limit != 255 => Err(Reason::Malformed),
        133..=137 if carrier.fragment.is_some() => Err(Reason::BadFragment),
        133..=137 => Ok(None),
        _ => Err(Reason::Unsupported),
    }
}

fn report_type(header: &[u8; 8], fields: &mut Fields) {
    fields.source_port = Some(u16::from(header[0]));
    fields.destination_port = Some(u16::from(header[1]));
}

fn echo(kind: EchoKind, rest_of_header: [u8; 4]) -> Transport {
    let [high, low, ..] = rest_of_header;
    Transport::Echo { kind, identifier: u16::from_be_bytes([high, low]) }
}

/// An IPv4 header and eight bytes of what it carries; not of a later fragment, whose bytes are no header.
fn quoted_v4(bytes: &[u8]) -> Option<Quote> {
    let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
    if header.fragments_offset().value() != 0 {
        return None;
    }
    let protocol = header.protocol().0;
    Some(Quote {
        source: IpAddr::V4(header.source_addr()),
        destination: IpAddr::V4(header.destination_addr()),
        protocol,
        carried: quoted(protocol, &bytes[header.slice().len()..], (1, [8, 0]))?,
    })
}

/// An IPv6 header and eight bytes of what it carries. Of extension headers only that of a first fragment is followed:
/// what was too big for a link is often a fragment already.
fn quoted_v6(bytes: &[u8]) -> Option<Quote> {
    let header = Ipv6HeaderSlice::from_slice(bytes).ok()?;
    let mut protocol = header.next_header().0;
    let mut carried = &bytes[header.slice().len()..];
    if protocol == 44 {
        let fragment = Ipv6FragmentHeaderSlice::from_slice(carried).ok()?;
        if fragment.fragment_offset().value() != 0 {
            return None;
        }
        (protocol, carried) = (fragment.next_header().0, &carried[fragment.slice().len()..]);
    }
    if matches!(protocol, 0 | 43 | 44 | 51 | 60) {
        return None;
    }
    Some(Quote {
        source: IpAddr::V6(header.source_addr()),
        destination: IpAddr::V6(header.destination_addr()),
        protocol,
        carried: quoted(protocol, carried, (58, [128, 129]))?,
    })
}

fn quoted(protocol: u8, bytes: &[u8], (icmp, echo_types): (u8, [u8; 2])) -> Option<Quoted> {
    let &[kind, _, _, _, id_high, id_low, ..] = bytes.first_chunk::<8>()?;
    Some(match protocol {
        6 | 17 => Quoted::Ports(first_ports(bytes)),
        p if p == icmp && echo_types.contains(&kind) => Quoted::Echo(u16::from_be_bytes([id_high, id_low])),
        p if p == icmp => return None,
        _ => Quoted::Other,
    })
}
