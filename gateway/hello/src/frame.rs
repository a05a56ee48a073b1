//! From a captured frame to the TCP segment or UDP datagram inside it, through tags, tunnels and fragments.
//!
//! This reads what others captured, wherever they did it; what may enter the gateway is for the packet path to say, which
//! is stricter. What cannot be read is no segment: there is nobody to complain to.

mod fragments;
mod ip;
mod link;
mod tunnel;

use std::net::IpAddr;

pub use fragments::Fragments;

/// Headers inside headers that are followed.
const MAX_DEPTH: usize = 16;

/// Most VLAN tags that are told apart.
pub const MAX_TAGS: usize = 4;

/// Who speaks to whom, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// VLANs, the outermost first; 0 past the last.
    pub vlan: [u16; MAX_TAGS],
}

impl Ends {
    /// The other direction.
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            vlan: self.vlan,
        }
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried<'a> {
    /// A TCP segment.
    Tcp {
        /// Sequence number of the segment.
        sequence: u32,
        /// Acknowledged by it, if it acknowledges.
        acknowledgement: Option<u32>,
        /// SYN flag.
        syn: bool,
        /// RST flag.
        rst: bool,
        /// Its data, as far as captured.
        data: &'a [u8],
    },
    /// A UDP datagram's data, as far as captured.
    Udp(&'a [u8]),
}

/// Gets what frames carry: usually one thing, none of a fragment.
pub type Tell<'t> = dyn FnMut(Ends, Carried<'_>) + 't;

/// Takes a frame of a link type (a number of the registry of link types) apart.
pub fn walk(link: u16, frame: &[u8], fragments: &mut Fragments, tell: &mut Tell<'_>) {
    if let Some(next) = link::first(link, frame) {
        Walk { vlan: [0; MAX_TAGS], tags: 0, depth: 0, fragments, tell }.go(next);
    }
}

/// Whether frames of a link type can be taken apart.
pub fn can_walk(link: u16) -> bool {
    link::KNOWN.contains(&link)
}

/// What comes next in a frame.
#[derive(Clone, Copy)]
enum Next<'a> {
    /// An Ethernet header.
    Ethernet(&'a [u8]),
    /// What an Ethernet type says.
    EtherType(u16, &'a [u8]),
    /// An IP header of the version that it says.
    Ip(&'a [u8]),
    /// A PPP frame.
    Ppp(&'a [u8]),
    /// A stack of MPLS labels.
    Mpls(&'a [u8]),
    /// What an IP packet carries.
    Payload { source: IpAddr, destination: IpAddr, protocol: u8, data: &'a [u8] },
}

struct Walk<'w, 't> {
    vlan: [u16; MAX_TAGS],
    tags: usize,
    depth: usize,
    fragments: &'w mut Fragments,
    tell: &'w mut Tell<'t>,
}

impl Walk<'_, '_> {
    fn go(&mut self, first: Next<'_>) {
        let mut next = Some(first);
        while let Some(here) = next.take().filter(|_| self.depth < MAX_DEPTH) {
            self.depth += 1;
            next = match here {
                Next::Ethernet(frame) => link::ethernet(frame),
                Next::EtherType(kind, data) => self.ether_type(kind, data),
                Next::Ppp(frame) => link::ppp(frame),
                Next::Mpls(labels) => link::mpls(labels),
                Next::Ip(packet) => match ip::parse(packet) {
                    Some(ip::Packet::Whole(payload)) => Some(payload),
                    Some(ip::Packet::Fragment(fragment)) => {
                        if let Some(whole) = self.fragments.add(self.vlan, &fragment) {
                            let ip::Fragment { source, destination, protocol, .. } = fragment;
                            self.go(Next::Payload { source, destination, protocol, data: &whole });
                        }
                        None
                    }
                    None => None,
                },
                Next::Payload { source, destination, protocol, data } => {
                    self.payload(source, destination, protocol, data)
                }
            };
        }
    }

    fn ether_type<'a>(&mut self, kind: u16, data: &'a [u8]) -> Option<Next<'a>> {
        match kind {
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                let (tag, rest) = data.split_first_chunk::<4>()?;
                if let Some(slot) = self.vlan.get_mut(self.tags) {
                    *slot = u16::from_be_bytes([tag[0], tag[1]]) & 0x0fff;
                    self.tags += 1;
                }
                link::type_or_length(u16::from_be_bytes([tag[2], tag[3]]), rest)
            }
            0x0800 | 0x86dd => Some(Next::Ip(data)),
            0x6558 => Some(Next::Ethernet(data)),
            0x8847 | 0x8848 => Some(Next::Mpls(data)),
            0x8864 => link::pppoe(data),
            0x880b => Some(Next::Ppp(data)),
            _ => None,
        }
    }

    fn payload<'a>(&mut self, source: IpAddr, destination: IpAddr, protocol: u8, data: &'a [u8]) -> Option<Next<'a>> {
        let ends = |source_port, destination_port| Ends {
            source,
            destination,
            source_port,
            destination_port,
            vlan: self.vlan,
        };
        match protocol {
            TCP => {
                let header = etherparse::TcpHeaderSlice::from_slice(data).ok()?;
                let carried = Carried::Tcp {
                    sequence: header.sequence_number(),
                    acknowledgement: header.ack().then(|| header.acknowledgment_number()),
                    syn: header.syn(),
                    rst: header.rst(),
                    data: &data[header.slice().len()..],
                };
                (self.tell)(ends(header.source_port(), header.destination_port()), carried);
                None
            }
            UDP => {
                let header = etherparse::UdpHeaderSlice::from_slice(data).ok()?;
                let data = &data[header.slice().len()..];
                // 0 and what is cut off by the capture: all that is there.
                let length = usize::from(header.length()).checked_sub(header.slice().len());
                let data = length.and_then(|length| data.get(..length)).unwrap_or(data);
                let ends = ends(header.source_port(), header.destination_port());
                let inside = tunnel::udp(ends.source_port, ends.destination_port, data);
                if inside.is_none() {
                    (self.tell)(ends, Carried::Udp(data));
                }
                inside
            }
            other => tunnel::ip(other, data),
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
