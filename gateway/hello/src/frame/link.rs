//! Link layers: everything that may come before an IP header.

use super::Next;

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const PPP: u16 = 9;
const PPP_HDLC: u16 = 50;
const PPP_ETHER: u16 = 51;
const C_HDLC: u16 = 104;
const LOOP: u16 = 108;
const ENC: u16 = 109;
const LINUX_SLL: u16 = 113;
const PFLOG: u16 = 117;
const PPP_PPPD: u16 = 166;
const PPP_WITH_DIR: u16 = 204;
const LINUX_SLL2: u16 = 276;

/// What [`first`] knows.
pub(super) const KNOWN: [u16; 18] = [
    NULL,
    ETHERNET,
    PPP,
    12,
    14,
    PPP_HDLC,
    PPP_ETHER,
    101,
    C_HDLC,
    LOOP,
    ENC,
    LINUX_SLL,
    PFLOG,
    PPP_PPPD,
    PPP_WITH_DIR,
    228,
    229,
    LINUX_SLL2,
];

/// What a frame of a link type begins with.
pub(super) fn first(link: u16, frame: &[u8]) -> Option<Next<'_>> {
    match link {
        ETHERNET => Some(Next::Ethernet(frame)),
        // Raw IP has three numbers, and one for each version.
        12 | 14 | 101 | 228 | 229 => Some(Next::Ip(frame)),
        // The address family's number depends on the system that captured; the IP header says its version itself.
        NULL | LOOP => Some(Next::Ip(frame.get(4..)?)),
        ENC => Some(Next::Ip(frame.get(12..)?)),
        PFLOG => Some(Next::Ip(frame.get(usize::from(*frame.first()?).next_multiple_of(4)..)?)),
        PPP | PPP_HDLC => Some(Next::Ppp(frame)),
        PPP_PPPD | PPP_WITH_DIR => Some(Next::Ppp(frame.get(1..)?)),
        PPP_ETHER => pppoe(frame),
        C_HDLC => Some(Next::EtherType(number(frame, 2)?, frame.get(4..)?)),
        LINUX_SLL => type_or_length(number(frame, 14)?, frame.get(16..)?),
        LINUX_SLL2 => type_or_length(number(frame, 0)?, frame.get(20..)?),
        _ => None,
    }
}

pub(super) fn ethernet(frame: &[u8]) -> Option<Next<'_>> {
    type_or_length(number(frame, 12)?, frame.get(14..)?)
}

/// A type, or from 1,500 down the length of an 802.3 frame with LLC, where only SNAP leads to IP.
pub(super) fn type_or_length(kind: u16, data: &[u8]) -> Option<Next<'_>> {
    if kind > 1_500 {
        return Some(Next::EtherType(kind, data));
    }
    match data {
        [0xaa, 0xaa, 3, _, _, _, high, low, rest @ ..] => {
            Some(Next::EtherType(u16::from_be_bytes([*high, *low]), rest))
        }
        _ => None,
    }
}

/// A PPP frame, with or without address and control, with a protocol of one byte or two (RFC 1661 §6.5).
pub(super) fn ppp(frame: &[u8]) -> Option<Next<'_>> {
    let frame = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    match frame {
        [0, 0x21 | 0x57, rest @ ..] | [0x21 | 0x57, rest @ ..] => Some(Next::Ip(rest)),
        [2, 0x81, rest @ ..] => Some(Next::Mpls(rest)),
        _ => None,
    }
}

/// A PPPoE session.
pub(super) fn pppoe(data: &[u8]) -> Option<Next<'_>> {
    let length = usize::from(number(data, 4)?);
    let data = data.get(6..)?;
    Some(Next::Ppp(data.get(..length).unwrap_or(data)))
}

/// Labels down to the bottom of the stack; what follows says by its first digit what it is (RFC 4928).
pub(super) fn mpls(mut labels: &[u8]) -> Option<Next<'_>> {
    loop {
        let (label, rest) = labels.split_first_chunk::<4>()?;
        labels = rest;
        if label[2] & 1 != 0 {
            break;
        }
    }
    match labels.first()? >> 4 {
        4 | 6 => Some(Next::Ip(labels)),
        0 => Some(Next::Ethernet(labels.get(4..)?)),
        _ => Some(Next::Ethernet(labels)),
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
