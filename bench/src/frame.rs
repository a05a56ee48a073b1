//! The frames that are judged, of the smallest usual size: IPv4 in one VLAN tag or in none, and IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Length on the wire, without the frame check sequence.
pub const LENGTH: usize = 64;
/// Where the source address of an untagged IPv4 frame is.
pub const SOURCE_V4_AT: i16 = 26;
/// Where its destination address is.
pub const DESTINATION_V4_AT: i16 = 30;
/// Where the source address of an untagged IPv6 frame is.
pub const SOURCE_V6_AT: i16 = 22;

/// MAC address of the port that frames of a municipality enter.
pub const LAN_MAC: &str = "02:00:00:00:00:02";
/// Of the port towards the Internet.
pub const WAN_MAC: &str = "02:00:00:00:00:03";

/// A whole frame.
pub type Frame = [u8; LENGTH];

/// What tells one flow from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The municipality's end.
    pub inside: Ipv4Addr,
    /// The Internet's end.
    pub outside: Ipv4Addr,
    /// Ports of both.
    pub ports: (u16, u16),
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// Of the municipality; 0: none.
    pub vlan: u16,
}

/// Of a flow.
pub const TCP: u8 = 6;
/// Of a flow.
pub const UDP: u8 = 17;

/// What a TCP segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Syn = 0x02,
    SynAck = 0x12,
    Ack = 0x10,
}

impl Flow {
    /// The packet from the municipality that begins it.
    pub fn first(&self) -> Frame {
        self.outward(Segment::Syn)
    }

    /// Any later packet from the municipality.
    pub fn outwards(&self) -> Frame {
        self.outward(Segment::Ack)
    }

    fn outward(&self, segment: Segment) -> Frame {
        let mut head = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9];
        if self.vlan != 0 {
            head.extend([0x81, 0x00]);
            head.extend(self.vlan.to_be_bytes());
        }
        let ends = [(self.inside, self.ports.0), (self.outside, self.ports.1)];
        v4(head, ends, self.protocol, segment)
    }

    /// The first answer from the Internet.
    pub fn inwards(&self) -> Frame {
        let ends = [(self.outside, self.ports.1), (self.inside, self.ports.0)];
        v4(vec![2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 9], ends, self.protocol, Segment::SynAck)
    }
}

/// Sequence numbers of both ends of every connection: the first segment has 1, what follows 2.
fn v4(mut head: Vec<u8>, ends: [(Ipv4Addr, u16); 2], protocol: u8, segment: Segment) -> Frame {
    head.extend([0x08, 0x00]);
    let [source, destination] = ends;
    let ip_length = (LENGTH - head.len()) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend(ip_length.to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    ip.extend(source.0.octets());
    ip.extend(destination.0.octets());
    // Kernels check it before they forward.
    let checksum = checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    head.extend(ip);
    head.extend(source.1.to_be_bytes());
    head.extend(destination.1.to_be_bytes());
    if protocol == TCP {
        let (sequence, acknowledged): (u32, u32) = match segment {
            Segment::Syn => (1, 0),
            Segment::SynAck => (1, 2),
            Segment::Ack => (2, 2),
        };
        head.extend(sequence.to_be_bytes());
        head.extend(acknowledged.to_be_bytes());
        head.extend([0x50, segment as u8, 0x20, 0, 0, 0, 0, 0]);
    } else {
        head.extend((ip_length - 20).to_be_bytes());
        head.extend([0, 0]);
    }
    padded(&head)
}

/// A UDP packet from the Internet over IPv6.
pub fn inwards_v6(source: Ipv6Addr, destination: Ipv6Addr) -> Frame {
    let mut head = vec![2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 9, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, UDP, 64];
    head.extend(source.octets());
    head.extend(destination.octets());
    for word in [5_000_u16, 53, 8, 0] {
        head.extend(word.to_be_bytes());
    }
    padded(&head)
}

fn padded(head: &[u8]) -> Frame {
    let mut bytes = [0; LENGTH];
    bytes[..head.len()].copy_from_slice(head);
    bytes
}

/// RFC 1071, over a header with an even number of bytes.
pub fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        inside: Ipv4Addr::new(10, 0, 0, 5),
        outside: Ipv4Addr::new(198, 18, 0, 1),
        ports: (5_000, 53),
        protocol: UDP,
        vlan: 0,
    };

    #[test]
    fn addresses_are_where_programs_look_for_them() {
        let source = |frame: &Frame, at: i16| frame[at as usize..at as usize + 4].to_vec();
        assert_eq!(source(&FLOW.outwards(), SOURCE_V4_AT), [10, 0, 0, 5]);
        assert_eq!(source(&FLOW.inwards(), SOURCE_V4_AT), [198, 18, 0, 1]);
        assert_eq!(source(&FLOW.inwards(), DESTINATION_V4_AT), [10, 0, 0, 5]);
        assert_eq!(source(&Flow { vlan: 101, ..FLOW }.first(), SOURCE_V4_AT + 4), [10, 0, 0, 5]);
        let v6 = inwards_v6(Ipv6Addr::new(0x2400, 1, 2, 3, 4, 5, 6, 7), Ipv6Addr::LOCALHOST);
        assert_eq!(source(&v6, SOURCE_V6_AT), [0x24, 0, 0, 1]);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        assert_eq!(checksum(&FLOW.outwards()[14..34]), 0);
        assert_eq!(checksum(&FLOW.inwards()[14..34]), 0);
    }
}
