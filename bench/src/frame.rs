//! The frames that are judged: IPv4 and UDP, in one VLAN tag or in none, of the smallest usual size.

use std::net::Ipv4Addr;

/// Length on the wire, without the frame check sequence.
pub const LENGTH: usize = 64;
/// So many leading bytes hold every header; frames of one feeder differ only there.
pub const HEADER_BYTES: usize = 48;
/// Where the destination address of a tagged frame is.
pub const TAGGED_DESTINATION_AT: i16 = 34;

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
}

impl Flow {
    /// A packet from the municipality, in this VLAN.
    pub fn tagged(&self, vlan: u16) -> Frame {
        let [high, low] = vlan.to_be_bytes();
        frame(&[0x81, 0x00, high, low], 2, (self.inside, self.ports.0), (self.outside, self.ports.1))
    }

    /// A packet from the municipality, untagged.
    pub fn outwards(&self) -> Frame {
        frame(&[], 2, (self.inside, self.ports.0), (self.outside, self.ports.1))
    }

    /// An answer from the Internet.
    pub fn inwards(&self) -> Frame {
        frame(&[], 3, (self.outside, self.ports.1), (self.inside, self.ports.0))
    }
}

/// `port_mac` is the last byte of the MAC address that the frame is for.
fn frame(tags: &[u8], port_mac: u8, source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16)) -> Frame {
    let mut head = vec![2, 0, 0, 0, 0, port_mac, 2, 0, 0, 0, 0, 9];
    head.extend(tags);
    head.extend([0x08, 0x00]);
    let ip_length = (LENGTH - head.len()) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend(ip_length.to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(source.0.octets());
    ip.extend(destination.0.octets());
    // Kernels check it before they forward.
    let checksum = checksum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    head.extend(ip);
    for word in [source.1, destination.1, ip_length - 20, 0] {
        head.extend(word.to_be_bytes());
    }
    let mut bytes = [0; LENGTH];
    bytes[..head.len()].copy_from_slice(&head);
    bytes
}

/// RFC 1071, over a header with an even number of bytes.
fn checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow =
        Flow { inside: Ipv4Addr::new(10, 0, 0, 5), outside: Ipv4Addr::new(198, 18, 0, 1), ports: (5_000, 53) };

    #[test]
    fn headers_end_within_what_the_feeder_writes() {
        let (tagged, untagged) = (FLOW.tagged(101), FLOW.outwards());
        assert_eq!(tagged[HEADER_BYTES..], [0; LENGTH - HEADER_BYTES]);
        assert_eq!(untagged[HEADER_BYTES..], [0; LENGTH - HEADER_BYTES]);
        let at = TAGGED_DESTINATION_AT as usize;
        assert_eq!(tagged[at..at + 4], [198, 18, 0, 1]);
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_zero() {
        assert_eq!(checksum(&FLOW.outwards()[14..34]), 0);
        assert_eq!(checksum(&FLOW.inwards()[14..34]), 0);
    }
}
