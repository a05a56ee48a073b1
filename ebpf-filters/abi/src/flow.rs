//! The flow table's layout and the timeouts and states that every engine shares.

use crate::{Address, plain};

/// One flow, or one alias that finds a translated flow by its public side. 128 bytes: the first cache line decides,
/// the second is needed to forward.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// One of [`slot`]; claimed by compare-and-exchange, published last.
    pub slot: u32,
    /// Second of the coarse monotonic clock at which a packet was last passed.
    pub last_seen_s: u32,
    /// The municipality's end. For an alias: the public address.
    pub inside: Address,
    /// The Internet's end.
    pub outside: Address,
    /// Port (or echo identifier) inside, host order. For an alias: the public port.
    pub inside_port: u16,
    /// Port outside, host order; 0 for protocols without.
    pub outside_port: u16,
    /// Municipality number.
    pub municipality: u16,
    /// IP protocol.
    pub protocol: u8,
    /// One of [`state`]; unused by an alias.
    pub state: u8,
    /// Generation that last judged the flow.
    pub generation: u32,
    /// Generation under which every stage before the flow's passes its packets in both directions, with
    /// [`VOUCHED_METERED`]; 0: not known.
    pub vouched: u32,
    /// Direction number of the packet that created the flow.
    pub origin: u8,
    /// Verdict number: forward or inspect.
    pub verdict: u8,
    /// Entry of `WAYS` by which it leaves towards the Internet, as asked in second `last_seen_s`; 0: not asked.
    pub way: u8,
    /// Bits of [`flags`].
    pub flags: u8,

    /// Public IPv4 address in network order; 0: not translated.
    pub public_address: u32,
    /// Public port or echo identifier, host order.
    pub public_port: u16,
    /// Port number of the municipality's trunk.
    pub port: u8,
    /// Number of `vlans`.
    pub vlan_count: u8,
    /// VLAN ids towards the municipality, from the outside in.
    pub vlans: [u16; 2],
    /// MAC address of the municipality's side, learned from what it sent; valid with [`flags::L2_KNOWN`].
    pub peer_mac: [u8; 6],
    /// Our MAC address there.
    pub our_mac: [u8; 6],
    /// For an alias: index of the flow (`bucket * 4 + slot`); for a translated flow: index of its alias.
    pub other: u32,
    /// TCP, by direction of the sender (0: from the originator): one past the highest sequence number seen.
    pub end: [u32; 2],
    /// TCP, by direction of the sender: highest number of its stream that the peer has acknowledged.
    pub acked: [u32; 2],
    /// Second at which the flow was created.
    pub created_s: u32,
    /// Rule that decided (as in [`crate::event::Event::rule`]). For an alias: the cell of its mapping in `NAT_CELLS`, or
    /// [`crate::nat::NO_CELL`].
    pub rule: u32,
    /// Bytes from both ends.
    pub bytes: u64,
    /// With [`flags::PROXIED`]: what is added to the responder's sequence numbers on their way to the originator.
    pub shift: u32,
    /// With [`flags::PROXIED`]: by how many bits windows are shifted, from the lowest byte on: the responder's to the left,
    /// then to the right; the originator's to the left.
    pub windows: u32,
}
const _: () = assert!(core::mem::offset_of!(Flow, public_address) == 60);
plain!(Flow, 128);

/// Entry of array `FLOWS`: flows whose hash meets here. A key has two candidate buckets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// The flows.
    pub flows: [Flow; crate::limits::BUCKET_FLOWS as usize],
}
plain!(Bucket, 512);

/// In [`Flow::vouched`]: packets or bits of the municipality are limited in that generation.
pub const VOUCHED_METERED: u32 = 1 << 31;

/// Values of [`Flow::slot`].
pub mod slot {
    /// Nothing here.
    pub const FREE: u32 = 0;
    /// A CPU is writing.
    pub const CLAIMED: u32 = 1;
    /// A flow.
    pub const FLOW: u32 = 2;
    /// An alias: the public side of a translated flow.
    pub const ALIAS: u32 = 3;
    /// Ended before its time at `last_seen_s`; may be overwritten [`super::REUSE_GRACE_S`] later.
    pub const ENDED: u32 = 4;
}

/// Bits of [`Flow::flags`].
pub mod flags {
    /// `peer_mac`, `our_mac`, `port` and `vlans` are known.
    pub const L2_KNOWN: u8 = 1;
    /// The municipality's inspector began it: nobody else may send on it, and its answers end in the namespace.
    pub const INSPECTOR: u8 = 2;
    /// The originator was answered with a SYN cookie before the responder heard of it: their sequence numbers of the
    /// responder's stream differ. The numbers in the flow are the responder's; but until it has answered, its `end` is the
    /// number after the cookie.
    pub const PROXIED: u8 = 4;
}

/// Values of [`Flow::state`]. "Originator" is who sent the first packet.
pub mod state {
    /// TCP: SYN seen from the originator.
    pub const SYN_SENT: u8 = 1;
    /// TCP: SYN seen from both sides, no acknowledgement yet (simultaneous open).
    pub const SYN_BOTH: u8 = 2;
    /// TCP: SYN-ACK seen, not yet acknowledged.
    pub const SYN_RECEIVED: u8 = 3;
    /// TCP: handshake complete.
    pub const ESTABLISHED: u8 = 4;
    /// TCP: the originator has sent FIN.
    pub const FIN_ORIGINATOR: u8 = 5;
    /// TCP: the responder has sent FIN.
    pub const FIN_RESPONDER: u8 = 6;
    /// TCP: both have sent FIN.
    pub const CLOSING: u8 = 7;
    /// TCP: reset.
    pub const CLOSED: u8 = 8;
    /// Other protocols: seen in one direction only.
    pub const ONE_WAY: u8 = 9;
    /// Other protocols: seen in both directions.
    pub const TWO_WAY: u8 = 10;
}

/// Seconds after the last packet at which a flow no longer exists, by protocol and state. Established TCP follows
/// RFC 5382 (at least 2 h 4 min), UDP RFC 4787 (at least 2 min, 5 recommended), ICMP RFC 5508 (at least 60 s).
#[inline(always)]
pub const fn timeout_s(protocol: u8, flow_state: u8) -> u32 {
    match flow_state {
        state::SYN_SENT | state::SYN_BOTH | state::SYN_RECEIVED => 30,
        state::ESTABLISHED => 7_440,
        state::FIN_ORIGINATOR | state::FIN_RESPONDER => 240,
        state::CLOSING => 60,
        state::CLOSED => 10,
        state::ONE_WAY => match protocol {
            17 => 30,
            _ => 60,
        },
        _ => match protocol {
            17 => 300,
            1 | 58 => 60,
            _ => 600,
        },
    }
}

/// Seconds after expiry or end before a slot may be overwritten, so that no CPU can still be reading it as a live flow.
pub const REUSE_GRACE_S: u32 = 2;

/// A RST is believed if its sequence number lies between what the peer has acknowledged and this far past the
/// highest byte seen.
pub const RST_SLACK: u32 = 65_535;

/// Key of LRU hash `FRAGMENTS`: a datagram that arrives in fragments, as it looked on arrival.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentKey {
    /// Source as on arrival.
    pub source: Address,
    /// Destination as on arrival.
    pub destination: Address,
    /// Identification, as on the wire.
    pub identification: u32,
    /// Municipality number.
    pub municipality: u16,
    /// Protocol (IPv4), or next header of the fragment header (IPv6).
    pub protocol: u8,
    /// Direction number.
    pub direction: u8,
}
plain!(FragmentKey, 40);

/// Value of `FRAGMENTS`: the flow that the first fragment belongs to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentOwner {
    /// Index of the flow (`bucket * 4 + slot`).
    pub flow: u32,
    /// Second at which the first fragment was passed.
    pub seen_s: u32,
    /// `inside_port` of the flow, to tell that the slot still holds it.
    pub inside_port: u16,
    /// `outside_port` of the flow, likewise.
    pub outside_port: u16,
    /// `created_s` of the flow, likewise.
    pub created_s: u32,
}
plain!(FragmentOwner, 16);

/// Seconds in which all fragments of a datagram must arrive (Linux's own reassembly time).
pub const FRAGMENT_TIMEOUT_S: u32 = 30;
