//! What is known about the packet so far; every stage reads and adds.

use core::mem::offset_of;

use abi::event::Event;
use abi::nat::ClientKey;
use abi::tables::Class;
use abi::{Address, Direction};

/// One packet on its way through the stages.
#[repr(C)]
#[derive(Default)]
pub struct Packet {
    /// What will be told about it; also where parsed addresses, ports and tags are kept.
    pub event: Event,
    /// Bits of [`note`].
    pub notes: u32,
    /// Half of the policy tables: the generation's parity.
    pub half: u32,
    /// Second of the clock.
    pub now_s: u32,
    /// Offset of the header after Ethernet and tags.
    pub l3: u32,
    /// Offset of the transport header.
    pub l4: u32,
    /// Offset of the end of the IP datagram; the frame may be longer by padding.
    pub end: u32,
    /// Attachment number, on access ports; 0 elsewhere.
    pub attachment: u32,
    /// `Municipality::views` of its municipality.
    pub views: u32,
    /// `Municipality::flags` of its municipality.
    pub municipality_flags: u32,
    /// Address class of the source.
    pub source_class: u32,
    /// Address class of the destination.
    pub destination_class: u32,
    /// What is true of the source's class for everyone.
    pub source_about: Class,
    /// Likewise of the destination's.
    pub destination_about: Class,
    /// Index of its flow, or [`crate::flows::NONE`].
    pub flow: u32,
    /// Of a flow that is about to be translated: whose it is,
    pub client: ClientKey,
    /// the cell of its mapping,
    pub cell: u32,
    /// its public address in network order, 0 of any other flow,
    pub public_address: u32,
    /// and its public port or echo identifier.
    pub public_port: u16,
    /// From the Internet to a published port: the inside server's,
    pub server_port: u16,
    /// and its address in network order; 0: the packet is for the very address that it carries.
    pub server: u32,
    /// Zero.
    pub reserved: u32,
    /// TCP sequence number.
    pub sequence: u32,
    /// TCP acknowledgement number.
    pub acknowledgement: u32,
    /// What it takes of the sequence space: payload bytes, SYN and FIN.
    pub stream_length: u32,
    /// Fragment identification as on the wire.
    pub identification: u32,
    /// Bytes after the IP header, or after the fragment header.
    pub fragment_length: u32,
    /// Fragment offset in units of eight bytes.
    pub fragment_offset: u16,
    /// Echo identifier.
    pub echo: u16,
    /// Ethernet type after the tags.
    pub ethertype: u16,
    /// Protocol as the fragments' own header names it.
    pub fragment_protocol: u8,
    /// TTL or hop limit on arrival.
    pub hop_limit: u8,
}

/// Bits of [`Packet::notes`].
pub mod note {
    /// IPv4; with [`V6`] off too, it is ARP.
    pub const V4: u32 = 1;
    /// IPv6.
    pub const V6: u32 = 1 << 1;
    /// Neighbour discovery.
    pub const NEIGHBOUR_DISCOVERY: u32 = 1 << 2;
    /// The first of several fragments.
    pub const FIRST_FRAGMENT: u32 = 1 << 3;
    /// A fragment without the transport header.
    pub const LATER_FRAGMENT: u32 = 1 << 4;
    /// More fragments follow.
    pub const MORE_FRAGMENTS: u32 = 1 << 5;
    /// The sender chose the route.
    pub const SOURCE_ROUTE: u32 = 1 << 6;
    /// IPv4: must not be fragmented.
    pub const DONT_FRAGMENT: u32 = 1 << 7;
    /// ICMP or ICMPv6 echo request.
    pub const ECHO_REQUEST: u32 = 1 << 8;
    /// ICMP or ICMPv6 echo reply.
    pub const ECHO_REPLY: u32 = 1 << 9;
    /// ICMP or ICMPv6 error, quoting the packet that it is about.
    pub const ICMP_ERROR: u32 = 1 << 10;
    /// Its flow is vouched for: every stage before the flow's passes it.
    pub const VOUCHED: u32 = 1 << 11;
    /// It has passed every stage before the flow's.
    pub const PASSED: u32 = 1 << 12;
    /// It came from the municipality's inspector and not from a trunk.
    pub const INSPECTOR: u32 = 1 << 13;
    /// Packets or bits of its municipality are limited.
    pub const METERED: u32 = 1 << 14;
    /// It came by the hairpin: from a municipality, as if from the Internet.
    pub const HAIRPIN: u32 = 1 << 15;
    /// Its connection began with a cookie.
    pub const PROXIED: u32 = 1 << 16;
    /// It stands for the SYN of such a connection.
    pub const COOKIE: u32 = 1 << 17;
}

/// TCP flags as on the wire.
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// The acknowledgement number is valid.
    pub const ACK: u8 = 16;
}

/// IP protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

const _: () = assert!(
    offset_of!(Packet, event) == 0
        && offset_of!(Event, source) % 8 == 0
        && offset_of!(Event, destination) % 8 == 0
        && offset_of!(Event, vlans) % 4 == 0
);

impl Packet {
    /// Keeps both addresses, each as [`Bytes::v4_halves`] and [`Bytes::v6_halves`] give it.
    ///
    /// Flow keys read them by eight bytes soon after: a load that spans two stores waits until both have left the core,
    /// and with them everything that came before.
    ///
    /// [`Bytes::v4_halves`]: crate::frame::Bytes::v4_halves
    /// [`Bytes::v6_halves`]: crate::frame::Bytes::v6_halves
    #[inline(always)]
    pub fn keep_addresses(&mut self, source: [u64; 2], destination: [u64; 2]) {
        // SAFETY: an address has sixteen bytes, and these two are aligned to eight, as asserted above.
        unsafe {
            (&raw mut self.event.source).cast::<[u64; 2]>().write(source);
            (&raw mut self.event.destination).cast::<[u64; 2]>().write(destination);
        }
    }

    /// Keeps the id of the only tag. Attachments are looked up by both ids as one word, so they are stored as one.
    #[inline(always)]
    pub fn keep_vlan(&mut self, id: u16) {
        let [first, second] = id.to_ne_bytes();
        let ids = u32::from_ne_bytes([first, second, 0, 0]);
        // SAFETY: two ids have four bytes, and are aligned to four, as asserted above.
        unsafe { (&raw mut self.event.vlans).cast::<u32>().write(ids) };
        self.event.vlan_count = 1;
    }

    /// Whether any of these notes was made.
    #[inline(always)]
    pub const fn is(&self, notes: u32) -> bool {
        self.notes & notes != 0
    }

    /// Whether it came from the municipality, or from its inspector.
    #[inline(always)]
    pub const fn is_egress(&self) -> bool {
        self.event.direction == Direction::Egress as u8
    }

    /// The municipality's end, as on arrival.
    #[inline(always)]
    pub const fn inside(&self) -> Address {
        if self.is_egress() { self.event.source } else { self.event.destination }
    }

    /// The Internet's end, as on arrival.
    #[inline(always)]
    pub const fn outside(&self) -> Address {
        if self.is_egress() { self.event.destination } else { self.event.source }
    }

    /// What is true of the Internet's end for everyone.
    #[inline(always)]
    pub const fn outside_about(&self) -> Class {
        if self.is_egress() { self.destination_about } else { self.source_about }
    }

    /// Bytes of transport header and payload that this frame has.
    #[inline(always)]
    pub const fn transport_length(&self) -> u32 {
        self.end.wrapping_sub(self.l4)
    }

    /// Bytes of the IP datagram.
    #[inline(always)]
    pub const fn ip_length(&self) -> u32 {
        self.end.wrapping_sub(self.l3)
    }

    /// Tags that count: a priority tag alone does not.
    #[inline(always)]
    pub const fn tags(&self) -> u8 {
        if self.event.vlan_count == 1 && self.event.vlans[0] == 0 { 0 } else { self.event.vlan_count }
    }
}

/// Runs a subprogram's body on its caller's packet. Subprograms are verified on their own, once, with a packet of
/// unknown contents, instead of at each call with each state that leads there; the verifier wants the check for null.
#[inline(always)]
pub fn subprogram<T, R>(packet: *mut T, otherwise: R, body: impl FnOnce(&mut T) -> R) -> R {
    // SAFETY: the verifier admits only null or memory of `T`'s size; the caller lends its own exclusively.
    match unsafe { packet.as_mut() } {
        Some(packet) => body(packet),
        None => otherwise,
    }
}

/// Whether two addresses are the same, word by word: the derived comparison calls a function that BPF lacks.
#[inline(always)]
pub const fn same(a: &Address, b: &Address) -> bool {
    a.0[3] == b.0[3] && a.0[2] == b.0[2] && a.0[1] == b.0[1] && a.0[0] == b.0[0]
}
