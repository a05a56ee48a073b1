//! IPv4 with its options, IPv6 with its extension headers.

use std::net::{IpAddr, Ipv4Addr};

use abi::Reason;
use etherparse::{Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice};

use super::transport::{self, Carrier};
use super::{Contents, Fields, Fragment, Packet};

/// An IPv4 packet; what follows its total length is padding.
pub(super) fn v4(bytes: &[u8], fields: &mut Fields) -> Result<Contents, Reason> {
    let fixed = bytes.first_chunk::<20>().ok_or(Reason::Truncated)?;
    if fixed[0] >> 4 != 4 {
        return Err(Reason::Malformed);
    }
    // Reported even if the header then proves unsound: the twenty bytes that hold them are there.
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *fixed;
    let source = IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3));
    let destination = IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3));
    let protocol = fixed[9];
    fields.source = Some(source);
    fields.destination = Some(destination);
    fields.protocol = Some(protocol);

    let header_len = usize::from(fixed[0] & 0x0f) * 4;
    if header_len < fixed.len() {
        return Err(Reason::Malformed);
    }
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| Reason::Truncated)?;
    let total_len = usize::from(header.total_len());
    if total_len < header_len {
        return Err(Reason::Malformed);
    }
    let payload = bytes.get(header_len..total_len).ok_or(Reason::Truncated)?;
    let source_route = has_source_route(header.options())?;
    fields.fragment = header.is_fragmenting_payload();
    let fragment = fields.fragment.then(|| Fragment {
        offset_bytes: u32::from(header.fragments_offset().value()) * 8,
        more: header.more_fragments(),
        identification: u32::from(header.identification()),
        carried: protocol,
        payload_len: length(payload),
    });
    let carrier = Carrier { protocol, hop_limit: header.ttl(), fragment: fragment.as_ref(), is_v6: false };
    Ok(match transport::read(payload, &carrier, fields)? {
        Some(transport) => {
            let data = transport::data(&transport, payload);
            Contents::Ip(Packet { source, destination, protocol, source_route, fragment, transport, data })
        }
        None => Contents::NeighbourDiscovery,
    })
}

/// Walks IPv4 options; whether one of them is a loose or strict source route.
fn has_source_route(mut options: &[u8]) -> Result<bool, Reason> {
    let mut found = false;
    while let [kind, rest @ ..] = options {
        match kind {
            0 => break,
            1 => options = rest,
            kind => {
                found |= matches!(kind, 131 | 137);
                let length = usize::from(*rest.first().ok_or(Reason::Malformed)?);
                if length < 2 {
                    return Err(Reason::Malformed);
                }
                options = options.get(length..).ok_or(Reason::Malformed)?;
            }
        }
    }
    Ok(found)
}

/// An IPv6 packet; what follows its payload length is padding.
pub(super) fn v6(bytes: &[u8], fields: &mut Fields) -> Result<Contents, Reason> {
    if bytes.len() < V6_HEADER_BYTES {
        return Err(Reason::Truncated);
    }
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| Reason::Malformed)?;
    let source = IpAddr::V6(header.source_addr());
    let destination = IpAddr::V6(header.destination_addr());
    fields.source = Some(source);
    fields.destination = Some(destination);
    let payload_len = usize::from(header.payload_length());
    let next_header = header.next_header().0;
    if payload_len == 0 && next_header == HOP_BY_HOP {
        return Err(Reason::Unsupported);
    }
    let payload = bytes[V6_HEADER_BYTES..].get(..payload_len).ok_or(Reason::Truncated)?;
    let Chain { protocol, rest, fragment, source_route } = extensions(payload, next_header, fields)?;
    fields.protocol = Some(protocol);
    let carrier = Carrier { protocol, hop_limit: header.hop_limit(), fragment: fragment.as_ref(), is_v6: true };
    Ok(match transport::read(rest, &carrier, fields)? {
        Some(transport) => {
            let data = transport::data(&transport, rest);
            Contents::Ip(Packet { source, destination, protocol, source_route, fragment, transport, data })
        }
        None => Contents::NeighbourDiscovery,
    })
}

/// What a chain of extension headers leads to.
struct Chain<'a> {
    protocol: u8,
    rest: &'a [u8],
    fragment: Option<Fragment>,
    source_route: bool,
}

/// Walks the extension headers. A later fragment's chain ends at its fragment header: what follows is data.
fn extensions<'a>(payload: &'a [u8], first: u8, fields: &mut Fields) -> Result<Chain<'a>, Reason> {
    let mut chain = Chain { protocol: first, rest: payload, fragment: None, source_route: false };
    let mut fragment_headers = 0;
    for position in 0.. {
        let kind = chain.protocol;
        if !is_extension(kind) {
            break;
        }
        if position == abi::limits::EXTENSION_HEADERS {
            return Err(Reason::Unsupported);
        }
        if kind == HOP_BY_HOP && position > 0 {
            return Err(Reason::Malformed);
        }
        // The headers of a fragmented datagram must all be in its first fragment (RFC 8200, section 4.5).
        let short = if chain.fragment.is_some() { Reason::BadFragment } else { Reason::Malformed };
        let rest = chain.rest;
        let header_len = match kind {
            FRAGMENT => {
                fragment_headers += 1;
                if fragment_headers > 1 {
                    return Err(Reason::BadFragment);
                }
                let header = Ipv6FragmentHeaderSlice::from_slice(rest).map_err(|_| short)?;
                fields.fragment = header.is_fragmenting_payload();
                chain.fragment = fields.fragment.then(|| Fragment {
                    offset_bytes: u32::from(header.fragment_offset().value()) * 8,
                    more: header.more_fragments(),
                    identification: header.identification(),
                    carried: header.next_header().0,
                    payload_len: length(&rest[header.slice().len()..]),
                });
                header.slice().len()
            }
            AUTHENTICATION => authentication_length(rest).ok_or(short)?,
            _ => {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest).map_err(|_| short)?;
                let [_, _, routing_type, segments_left, ..] = *header.slice() else {
                    return Err(short);
                };
                chain.source_route |= kind == ROUTING && (routing_type == 0 || segments_left > 0);
                header.slice().len()
            }
        };
        chain.protocol = rest[0];
        chain.rest = &rest[header_len..];
        if chain.fragment.is_some_and(|fragment| !fragment.is_first()) {
            break;
        }
    }
    Ok(chain)
}

/// Length of an authentication header, in units of four bytes (RFC 4302); of any length, unlike etherparse's slice,
/// which wants the twelve bytes of the current format.
fn authentication_length(bytes: &[u8]) -> Option<usize> {
    let fixed = bytes.first_chunk::<8>()?;
    let length = (usize::from(fixed[1]) + 2) * 4;
    (length <= bytes.len()).then_some(length)
}

fn is_extension(kind: u8) -> bool {
    matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

const V6_HEADER_BYTES: usize = 40;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
