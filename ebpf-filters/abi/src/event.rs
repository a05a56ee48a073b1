//! What the program says about one packet.

use crate::{Address, plain};

/// One record of the ring buffer `EVENTS`, and, for programs loaded with `REPLAY` set, the entry of map `JUDGEMENT`.
///
/// Fields that the program did not reach hold 0; `parsed` says which were.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `CLOCK_MONOTONIC` (coarse) in ns; the capture's clock in a replay.
    pub time_ns: u64,
    /// Source as in the packet that arrived, before any translation.
    pub source: Address,
    /// Destination as in the packet that arrived, before any translation.
    pub destination: Address,
    /// The generation that judged.
    pub generation: u32,
    /// Rule index within its generation, plus 1; 0: none.
    pub rule: u32,
    /// Length of the frame in bytes.
    pub length: u32,
    /// Source port in host order (TCP, UDP), or the ICMP type.
    pub source_port: u16,
    /// Destination port in host order (TCP, UDP), or the ICMP code.
    pub destination_port: u16,
    /// VLAN ids from the outside in.
    pub vlans: [u16; 2],
    /// Municipality number; 0: none.
    pub municipality: u16,
    /// [`crate::Reason`] number.
    pub reason: u16,
    /// Set number of a `blocked`; 0: none.
    pub set: u16,
    /// Number of the port that the packet entered; [`crate::ports::INSPECTOR`] for an inspector's own,
    /// [`crate::ports::HAIRPIN`] for what came by the hairpin.
    pub port: u8,
    /// [`crate::Verdict`] number.
    pub verdict: u8,
    /// [`crate::Direction`] number.
    pub direction: u8,
    /// Final protocol after extension headers.
    pub protocol: u8,
    /// Which fields were reached: bits of [`parsed`].
    pub parsed: u8,
    /// Number of `vlans`.
    pub vlan_count: u8,
    /// TCP flags as on the wire; 0 otherwise.
    pub tcp_flags: u8,
    /// [`NEW_FLOW`] and nothing else so far.
    pub flags: u8,
    /// Municipality-side address translation: public address used on the uplink, network order; 0: none.
    pub public_address: u32,
    /// Public port or echo identifier used on the uplink, host order; 0: none.
    pub public_port: u16,
    /// [`crate::Limit`] number of a `limited`; 0: none.
    pub limit: u8,
    /// Zero.
    pub reserved: u8,
}
plain!(Event, 88);

/// Bits of [`Event::parsed`].
pub mod parsed {
    /// Source and destination address.
    pub const ADDRESSES: u8 = 1;
    /// The final protocol.
    pub const PROTOCOL: u8 = 2;
    /// Ports, or ICMP type and code.
    pub const PORTS: u8 = 4;
    /// The packet is a fragment.
    pub const FRAGMENT: u8 = 8;
    /// The addresses are IPv6: an IPv4-mapped one in an IPv6 header is told from IPv4 by this.
    pub const V6: u8 = 16;
}

/// In [`Event::flags`]: this packet created its flow.
pub const NEW_FLOW: u8 = 1;
