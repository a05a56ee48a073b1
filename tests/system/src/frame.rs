//! Raw Ethernet frames, byte by byte, so that tests can also build what no library would. Checksums are left zero:
//! judging does not verify them.

use std::net::IpAddr;

/// What stands above IP.
#[derive(Clone, Debug)]
pub enum Payload {
    /// TCP without options.
    Tcp {
        /// Source and destination.
        ports: (u16, u16),
        /// As on the wire.
        flags: u8,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgement number.
        acknowledgement: u32,
        /// Bytes of data.
        data: usize,
    },
    /// UDP.
    Udp {
        /// Source and destination.
        ports: (u16, u16),
        /// Bytes of data.
        data: usize,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// The four bytes after the checksum.
        rest: [u8; 4],
        /// What follows.
        body: Vec<u8>,
    },
    /// Any protocol.
    Raw {
        /// Its number.
        protocol: u8,
        /// What stands after the IP header.
        bytes: Vec<u8>,
    },
}

impl Payload {
    /// The IP protocol number, given the family.
    pub fn protocol(&self, v4: bool) -> u8 {
        match self {
            Self::Tcp { .. } => 6,
            Self::Udp { .. } => 17,
            Self::Icmp { .. } => {
                if v4 {
                    1
                } else {
                    58
                }
            }
            Self::Raw { protocol, .. } => *protocol,
        }
    }

    /// The bytes after the IP header.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Tcp { ports, flags, sequence, acknowledgement, data } => {
                out.extend(ports.0.to_be_bytes());
                out.extend(ports.1.to_be_bytes());
                out.extend(sequence.to_be_bytes());
                out.extend(acknowledgement.to_be_bytes());
                out.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                out.resize(out.len() + data, 0x61);
            }
            Self::Udp { ports, data } => {
                out.extend(ports.0.to_be_bytes());
                out.extend(ports.1.to_be_bytes());
                out.extend(((8 + data) as u16).to_be_bytes());
                out.extend([0, 0]);
                out.resize(out.len() + data, 0x62);
            }
            Self::Icmp { kind, code, rest, body } => {
                out.extend([*kind, *code, 0, 0]);
                out.extend(rest);
                out.extend(body);
            }
            Self::Raw { bytes, .. } => out.extend(bytes),
        }
        out
    }
}

/// Fragmentation fields: offset in units of 8 bytes, "more fragments", identification.
#[derive(Clone, Copy, Debug)]
pub struct Fragment {
    /// In units of 8 bytes.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
    /// Identification.
    pub identification: u32,
}

/// An IP packet; addresses are of one family.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Source.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
    /// IPv4 options, padded by the caller to a multiple of four.
    pub options: Vec<u8>,
    /// IPv6 extension headers as (number, whole header bytes with a placeholder in byte 0), in order.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Fragmentation, if any.
    pub fragment: Option<Fragment>,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What stands above; of a later fragment its bytes are merely data.
    pub payload: Payload,
}

impl Packet {
    /// A plain packet.
    pub fn new(source: IpAddr, destination: IpAddr, payload: Payload) -> Self {
        Self {
            source,
            destination,
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            hop_limit: 64,
            payload,
        }
    }

    /// The packet from the IP header on.
    pub fn ip_bytes(&self) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => self.v4_bytes(source.octets(), destination.octets()),
            (IpAddr::V6(source), IpAddr::V6(destination)) => self.v6_bytes(source.octets(), destination.octets()),
            _ => panic!("source and destination are of different families"),
        }
    }

    fn v4_bytes(&self, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let payload = self.payload.bytes();
        let header = 20 + self.options.len();
        let mut out = vec![0x40 | (header / 4) as u8, 0];
        out.extend(((header + payload.len()) as u16).to_be_bytes());
        let (identification, word) = match self.fragment {
            Some(f) => (f.identification as u16, (f.offset & 0x1fff) | if f.more { 0x2000 } else { 0 }),
            None => (0, 0x4000),
        };
        out.extend(identification.to_be_bytes());
        out.extend(word.to_be_bytes());
        out.extend([self.hop_limit, self.payload.protocol(true), 0, 0]);
        out.extend(source);
        out.extend(destination);
        out.extend(&self.options);
        out.extend(payload);
        out
    }

    fn v6_bytes(&self, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
        let mut chain: Vec<(u8, Vec<u8>)> = self.extensions.clone();
        if let Some(f) = self.fragment {
            let mut header = vec![0, 0];
            header.extend(((f.offset << 3) | u16::from(f.more)).to_be_bytes());
            header.extend(f.identification.to_be_bytes());
            chain.push((44, header));
        }
        let last = self.payload.protocol(false);
        let mut tail = Vec::new();
        for (index, (_, bytes)) in chain.iter().enumerate() {
            let mut bytes = bytes.clone();
            bytes[0] = chain.get(index + 1).map_or(last, |(number, _)| *number);
            tail.extend(bytes);
        }
        tail.extend(self.payload.bytes());
        let mut out = vec![0x60, 0, 0, 0];
        out.extend((tail.len() as u16).to_be_bytes());
        out.extend([chain.first().map_or(last, |(number, _)| *number), self.hop_limit]);
        out.extend(source);
        out.extend(destination);
        out.extend(tail);
        out
    }

    /// The whole frame with these VLAN tags, from the outside in.
    pub fn frame(&self, vlans: &[u16]) -> Vec<u8> {
        let ethertype = if self.source.is_ipv4() { 0x0800 } else { 0x86dd };
        ethernet(vlans, ethertype, &self.ip_bytes())
    }
}

/// An Ethernet frame with these VLAN tags (the outer of two is 802.1ad).
pub fn ethernet(vlans: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
    for (index, vlan) in vlans.iter().enumerate() {
        let tpid: u16 = if index + 1 < vlans.len() { 0x88a8 } else { 0x8100 };
        out.extend(tpid.to_be_bytes());
        out.extend(vlan.to_be_bytes());
    }
    out.extend(ethertype.to_be_bytes());
    out.extend(payload);
    out
}
