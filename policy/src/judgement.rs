//! What an engine says about one packet, in names: the line that `replay` prints and what events resolve to.

use std::net::IpAddr;

use abi::{Direction, Limit, Reason, Verdict};

/// One packet judged. Both engines produce it independently; equality of the two is what the tests demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// VLAN ids from the outside in; of more than two tags the first two.
    pub vlans: Vec<u16>,
    /// Source address, if parsing reached it.
    pub source: Option<IpAddr>,
    /// Destination address, if parsing reached it.
    pub destination: Option<IpAddr>,
    /// Final protocol after extension headers.
    pub protocol: Option<u8>,
    /// TCP or UDP source port, or ICMP type (told apart by `protocol`); none for later fragments.
    pub source_port: Option<u16>,
    /// TCP or UDP destination port, or ICMP code.
    pub destination_port: Option<u16>,
    /// Whether the packet is a fragment (an IPv6 atomic fragment is not).
    pub fragment: bool,
    /// Which way it crosses the gateway.
    pub direction: Direction,
    /// What happens to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Set, for `blocked`.
    pub set: Option<String>,
    /// Rule, where one decided, now or when the flow began.
    pub rule: Option<String>,
    /// The budget that is used up, for `limited`.
    pub limit: Option<Limit>,
    /// Municipality, if known.
    pub municipality: Option<String>,
    /// Generation that judged.
    pub generation: u32,
}
