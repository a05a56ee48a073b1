//! Tunnels: IP in IP, GRE, EtherIP, and those over UDP that are known by their port.

use super::Next;

/// What an IP protocol carries that is a tunnel.
pub(super) fn ip(protocol: u8, data: &[u8]) -> Option<Next<'_>> {
    match protocol {
        4 | 41 => Some(Next::Ip(data)),
        47 => gre(data),
        97 => Some(Next::Ethernet(data.get(2..)?)),
        137 => Some(Next::Mpls(data)),
        _ => None,
    }
}

/// What a datagram between these ports carries, if it is a tunnel's.
pub(super) fn udp(source_port: u16, destination_port: u16, data: &[u8]) -> Option<Next<'_>> {
    match destination_port {
        // VXLAN, RFC 7348: the flag that says that there is a network identifier.
        4789 | 8472 if *data.first()? == 0x08 => Some(Next::Ethernet(data.get(8..)?)),
        6081 => geneve(data),
        _ if destination_port == 2152 || source_port == 2152 => gtp(data),
        _ if destination_port == 3544 || source_port == 3544 => teredo(data),
        _ if destination_port == 1701 || source_port == 1701 => l2tp(data),
        _ => None,
    }
}

/// RFC 2784 and 2890; version 1 is PPTP's, RFC 2637.
fn gre(data: &[u8]) -> Option<Next<'_>> {
    let (header, rest) = data.split_first_chunk::<4>()?;
    let kind = u16::from_be_bytes([header[2], header[3]]);
    let flag = |bit: u8| usize::from(header[0] & bit != 0) * 4;
    let (version, sequence) = (header[1] & 7, flag(0x10));
    if version == 1 {
        let acknowledgement = usize::from(header[1] & 0x80 != 0) * 4;
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let payload = rest.get(4 + sequence + acknowledgement..)?;
        return (kind == 0x880b).then_some(Next::Ppp(payload.get(..length).unwrap_or(payload)));
    }
    let checksum_or_routing = usize::from(header[0] & 0xc0 != 0) * 4;
    let payload = rest.get(checksum_or_routing + flag(0x20) + sequence..)?;
    match kind {
        // ERSPAN: type II has a header of its own, and a sequence number; type I has neither.
        0x88be => Some(Next::Ethernet(payload.get(if sequence > 0 { 8 } else { 0 }..)?)),
        0x22eb => {
            let has_subheader = payload.get(11)? & 1 != 0;
            Some(Next::Ethernet(payload.get(if has_subheader { 20 } else { 12 }..)?))
        }
        _ => Some(Next::EtherType(kind, payload)),
    }
}

fn geneve(data: &[u8]) -> Option<Next<'_>> {
    let (header, rest) = data.split_first_chunk::<8>()?;
    let options = usize::from(header[0] & 0x3f) * 4;
    let version = header[0] >> 6;
    (version == 0).then_some(Next::EtherType(u16::from_be_bytes([header[2], header[3]]), rest.get(options..)?))
}

/// A user's packet in GTP version 1, 3GPP TS 29.281.
fn gtp(data: &[u8]) -> Option<Next<'_>> {
    const USER_PACKET: u8 = 255;
    let (header, mut rest) = data.split_first_chunk::<8>()?;
    if header[0] >> 4 != 3 || header[1] != USER_PACKET {
        return None;
    }
    if header[0] & 7 != 0 {
        let (optional, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let mut kind = if header[0] & 4 != 0 { optional[3] } else { 0 };
        while kind != 0 {
            let bytes = usize::from(*rest.first()?) * 4;
            kind = *rest.get(bytes.checked_sub(1)?)?;
            rest = rest.get(bytes..)?;
        }
    }
    looks_like_ip(rest).then_some(Next::Ip(rest))
}

/// RFC 4380 §5.1.1: authentication and origin may come before the packet.
fn teredo(data: &[u8]) -> Option<Next<'_>> {
    let mut rest = data;
    if let [0, 1, identifier, authentication, after @ ..] = rest {
        rest = after.get(usize::from(*identifier) + usize::from(*authentication) + 9..)?;
    }
    if let [0, 0, after @ ..] = rest {
        rest = after.get(6..)?;
    }
    (*rest.first()? >> 4 == 6).then_some(Next::Ip(rest))
}

/// A data message of RFC 2661 §3.1.
fn l2tp(data: &[u8]) -> Option<Next<'_>> {
    let (flags, mut rest) = data.split_first_chunk::<2>()?;
    if flags[0] & 0x80 != 0 || flags[1] & 0x0f != 2 {
        return None;
    }
    let has = |bit: u8| flags[0] & bit != 0;
    rest = rest.get(if has(0x40) { 2 } else { 0 } + 4 + if has(0x08) { 4 } else { 0 }..)?;
    if has(0x02) {
        let padding = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        rest = rest.get(2 + padding..)?;
    }
    Some(Next::Ppp(rest))
}

fn looks_like_ip(data: &[u8]) -> bool {
    data.first().is_some_and(|first| matches!(first >> 4, 4 | 6))
}
