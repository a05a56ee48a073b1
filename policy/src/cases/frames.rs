//! Packets for the tables. Sound ones are built with etherparse, damaged ones are sound ones with bytes changed.

use std::net::{IpAddr, SocketAddr};

use etherparse::{Ethernet2Header, IpHeaders, Ipv4Header, Ipv6Header};
use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep, TcpHeader};

/// Where the IP header of an untagged frame begins.
pub(super) const IP: usize = 14;
/// Where the transport header begins, without options or extension headers.
pub(super) const L4_V4: usize = IP + 20;
pub(super) const L4_V6: usize = IP + 40;

/// A TCP segment, from and to address and port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    /// `S`, `SA`, `A`, `FA`, `R`, `RA`, …
    pub(super) flags: &'static str,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) payload_len: usize,
}

impl Tcp {
    pub(super) fn frame(&self) -> Vec<u8> {
        let (from, to) = (socket(self.from), socket(self.to));
        let mut header = TcpHeader::new(from.port(), to.port(), self.sequence, 65_000);
        header.acknowledgment_number = self.acknowledgement;
        for flag in self.flags.chars() {
            match flag {
                'S' => header.syn = true,
                'A' => header.ack = true,
                'F' => header.fin = true,
                'R' => header.rst = true,
                'P' => header.psh = true,
                other => panic!("no flag {other}"),
            }
        }
        written(ip(from.ip(), to.ip()).tcp_header(header), &vec![0; self.payload_len])
    }
}

/// The first segment of a connection.
pub(super) fn syn(from: &'static str, to: &'static str) -> Vec<u8> {
    Tcp { from, to, flags: "S", sequence: 1_000, acknowledgement: 0, payload_len: 0 }.frame()
}

/// A UDP datagram with eight bytes of data.
pub(super) fn udp(from: &str, to: &str) -> Vec<u8> {
    udp_of(from, to, 8)
}

/// A UDP datagram with so much data.
pub(super) fn udp_of(from: &str, to: &str, payload_len: usize) -> Vec<u8> {
    udp_with(from, to, &vec![0; payload_len])
}

/// A UDP datagram with this data.
pub(super) fn udp_with(from: &str, to: &str, data: &[u8]) -> Vec<u8> {
    let (from, to) = (socket(from), socket(to));
    written(ip(from.ip(), to.ip()).udp(from.port(), to.port()), data)
}

/// A DNS message with a question.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) is_answer: bool,
    pub(super) opcode: u8,
    /// How many there are, by the header.
    pub(super) questions: u8,
    pub(super) answers: u8,
}

impl Message {
    /// Asks for the address of a name; `.` is the root.
    pub(super) fn query(name: &str) -> Self {
        Self { name: name.to_owned(), is_answer: false, opcode: 0, questions: 1, answers: 0 }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let flags = u8::from(self.is_answer) << 7 | self.opcode << 3 | 1;
        let mut octets = vec![0x12, 0x34, flags, 0, 0, self.questions, 0, self.answers, 0, 0, 0, 0];
        for label in self.name.split('.').filter(|label| !label.is_empty()) {
            octets.push(u8::try_from(label.len()).expect("a label"));
            octets.extend(label.bytes());
        }
        octets.extend([0, 0, 1, 0, 1]);
        octets
    }
}

/// An echo request of either family.
pub(super) fn ping(from: &str, to: &str, identifier: u16) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    match from {
        IpAddr::V4(_) => written(ip(from, to).icmpv4_echo_request(identifier, 1), &[0; 8]),
        IpAddr::V6(_) => written(ip(from, to).icmpv6_echo_request(identifier, 1), &[0; 8]),
    }
}

/// An echo reply of either family.
pub(super) fn pong(from: &str, to: &str, identifier: u16) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    match from {
        IpAddr::V4(_) => written(ip(from, to).icmpv4_echo_reply(identifier, 1), &[0; 8]),
        IpAddr::V6(_) => written(ip(from, to).icmpv6_echo_reply(identifier, 1), &[0; 8]),
    }
}

/// An ICMP or ICMPv6 message of a type with code 0, carrying bytes.
pub(super) fn icmp(from: &str, to: &str, kind: u8, carried: &[u8]) -> Vec<u8> {
    let (from, to) = (address(from), address(to));
    match from {
        IpAddr::V4(_) => bare(from, to, 1, &[&[kind, 0, 0, 0, 0, 0, 0, 0], carried].concat()),
        IpAddr::V6(_) => bare(from, to, 58, &[&[kind, 0, 0, 0, 0, 0, 0, 0], carried].concat()),
    }
}

/// "Time exceeded" about a frame: its IP header and the first eight bytes behind.
pub(super) fn time_exceeded(from: &str, to: &str, about: &[u8]) -> Vec<u8> {
    match address(from) {
        IpAddr::V4(_) => icmp(from, to, 11, &about[IP..L4_V4 + 8]),
        IpAddr::V6(_) => icmp(from, to, 3, &about[IP..L4_V6 + 8]),
    }
}

/// A packet of any protocol.
pub(super) fn protocol(from: &str, to: &str, number: u8, carried: &[u8]) -> Vec<u8> {
    bare(address(from), address(to), number, carried)
}

/// IPv6 with headers between the fixed one and what is carried; `first` is the first header's number.
pub(super) fn extended(frame: &[u8], first: u8, headers: &[u8]) -> Vec<u8> {
    let mut extended = [&frame[..L4_V6], headers, &frame[L4_V6..]].concat();
    extended[IP + 6] = first;
    set_v6_length(&mut extended);
    extended
}

/// An extension header without contents: hop-by-hop, destination options, routing with no segments left.
pub(super) fn extension(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

/// A fragment header.
pub(super) fn fragment_header(next: u8, offset: u16, more: bool, identification: u32) -> [u8; 8] {
    let [high, low] = (offset | u16::from(more)).to_be_bytes();
    let [a, b, c, d] = identification.to_be_bytes();
    [next, 0, high, low, a, b, c, d]
}

/// A part of an IPv4 or IPv6 packet as a fragment: the bytes `offset..end` of what it carries.
pub(super) fn fragment(frame: &[u8], identification: u16, offset: usize, end: usize) -> Vec<u8> {
    let is_v4 = frame[IP] >> 4 == 4;
    let payload = if is_v4 { L4_V4 } else { L4_V6 };
    let more = payload + end < frame.len();
    let offset_field = u16::try_from(offset).expect("an offset");
    if is_v4 {
        let mut part = [&frame[..payload], &frame[payload + offset..payload + end]].concat();
        let field = (offset_field / 8) | (u16::from(more) << 13);
        part[IP + 4..IP + 6].copy_from_slice(&identification.to_be_bytes());
        part[IP + 6..IP + 8].copy_from_slice(&field.to_be_bytes());
        set_v4_length(&mut part);
        return part;
    }
    let part = [&frame[..payload], &frame[payload + offset..payload + end]].concat();
    let header = fragment_header(frame[IP + 6], offset_field, more, u32::from(identification));
    extended(&part, 44, &header)
}

/// An IPv4 packet with options, a multiple of four bytes.
pub(super) fn with_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    let mut longer = [&frame[..L4_V4], options, &frame[L4_V4..]].concat();
    longer[IP] += u8::try_from(options.len() / 4).expect("forty bytes at most");
    set_v4_length(&mut longer);
    longer
}

/// A frame with bytes changed.
pub(super) fn changed(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// An ARP request of a gateway's client.
pub(super) fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(CLIENT);
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(CLIENT);
    frame.extend([10, 4, 20, 7, 0, 0, 0, 0, 0, 0, 10, 4, 0, 1]);
    frame
}

/// A neighbour solicitation.
pub(super) fn neighbour_solicitation() -> Vec<u8> {
    let frame = icmp("fe80::7", "ff02::1:ff00:1", 135, &[0; 16]);
    changed(&frame, IP + 7, &[255])
}

fn bare(from: IpAddr, to: IpAddr, number: u8, carried: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ip(from, to).write(&mut frame, IpNumber(number), carried).expect("a vector takes everything");
    // The builder leaves the number of an IPv6 packet's first header to its extension headers.
    let at = if from.is_ipv4() { IP + 9 } else { IP + 6 };
    frame[at] = number;
    frame
}

fn ip(from: IpAddr, to: IpAddr) -> PacketBuilderStep<IpHeaders> {
    let ethernet = PacketBuilder::ethernet2(CLIENT, GATEWAY);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("{from} and {to} are of different families"),
    }
}

fn written<S>(step: PacketBuilderStep<S>, payload: &[u8]) -> Vec<u8>
where
    PacketBuilderStep<S>: Finish,
{
    step.finish(payload)
}

/// What the builder's last steps have in common.
pub(super) trait Finish {
    fn finish(self, payload: &[u8]) -> Vec<u8>;
}

macro_rules! finish {
    ($($header:ty),+) => {$(
        impl Finish for PacketBuilderStep<$header> {
            fn finish(self, payload: &[u8]) -> Vec<u8> {
                let mut frame = Vec::new();
                self.write(&mut frame, payload).expect("a vector takes everything");
                frame
            }
        }
    )+};
}
finish!(TcpHeader, etherparse::UdpHeader, etherparse::Icmpv4Header, etherparse::Icmpv6Header);

fn set_v4_length(frame: &mut [u8]) {
    let length = u16::try_from(frame.len() - IP).expect("a packet's length");
    frame[IP + 2..IP + 4].copy_from_slice(&length.to_be_bytes());
}

fn set_v6_length(frame: &mut [u8]) {
    let length = u16::try_from(frame.len() - L4_V6).expect("a packet's length");
    frame[IP + 4..IP + 6].copy_from_slice(&length.to_be_bytes());
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and port of the tables")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of the tables")
}

const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 7];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 1];
const _: () = assert!(IP == Ethernet2Header::LEN && L4_V4 == IP + Ipv4Header::MIN_LEN && L4_V6 == IP + Ipv6Header::LEN);
