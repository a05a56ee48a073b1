//! IPv4 and IPv6 headers, extension headers included.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::Next;

/// Extension headers that are followed.
const MAX_EXTENSIONS: usize = 16;

/// What an IP header leads to.
pub(super) enum Packet<'a> {
    /// The packet's payload.
    Whole(Next<'a>),
    /// A part of one.
    Fragment(Fragment<'a>),
}

/// A part of a packet's payload.
pub(crate) struct Fragment<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) identification: u32,
    /// In bytes.
    pub(crate) offset: u64,
    pub(crate) is_last: bool,
    pub(crate) data: &'a [u8],
}

pub(super) fn parse(packet: &[u8]) -> Option<Packet<'_>> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

fn v4(packet: &[u8]) -> Option<Packet<'_>> {
    let header = Ipv4HeaderSlice::from_slice(packet).ok()?;
    let header_bytes = header.slice().len();
    let total = usize::from(header.total_len());
    // A length of 0 is what a network card that segments leaves to itself.
    let end = if total == 0 { packet.len() } else { total.min(packet.len()) };
    let data = packet.get(header_bytes..end)?;
    let (source, destination) = (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()));
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        return Some(Packet::Fragment(Fragment {
            source,
            destination,
            protocol,
            identification: header.identification().into(),
            offset: u64::from(header.fragments_offset().value()) * 8,
            is_last: !header.more_fragments(),
            data,
        }));
    }
    behind(source, destination, protocol, data)
}

fn v6(packet: &[u8]) -> Option<Packet<'_>> {
    let header = Ipv6HeaderSlice::from_slice(packet).ok()?;
    let data = &packet[header.slice().len()..];
    let length = usize::from(header.payload_length());
    let data = if length == 0 { data } else { data.get(..length).unwrap_or(data) };
    behind(IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()), header.next_header().0, data)
}

/// Follows extension headers, AH among them, which IPv4 has too.
fn behind(source: IpAddr, destination: IpAddr, protocol: u8, data: &[u8]) -> Option<Packet<'_>> {
    let (mut protocol, mut data) = (protocol, data);
    for _ in 0..MAX_EXTENSIONS {
        let bytes = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY if source.is_ipv6() => {
                (usize::from(*data.get(1)?) + 1) * 8
            }
            AUTHENTICATION => (usize::from(*data.get(1)?) + 2) * 4,
            FRAGMENT if source.is_ipv6() => {
                let (header, rest) = data.split_first_chunk::<8>()?;
                let place = u16::from_be_bytes([header[2], header[3]]);
                let (offset, is_last) = (u64::from(place & !7), place & 1 == 0);
                if offset == 0 && is_last {
                    8
                } else {
                    return Some(Packet::Fragment(Fragment {
                        source,
                        destination,
                        protocol: header[0],
                        identification: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
                        offset,
                        is_last,
                        data: rest,
                    }));
                }
            }
            _ => return Some(Packet::Whole(Next::Payload { source, destination, protocol, data })),
        };
        protocol = *data.first()?;
        data = data.get(bytes..)?;
    }
    None
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
