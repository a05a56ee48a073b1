//! What is decided about a packet, and why. Numbers are never reused: they stand in pinned counters.

/// What happens to a packet.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[must_use]
pub enum Verdict {
    /// It goes no further.
    Drop = 0,
    /// It leaves through another port.
    Forward = 1,
    /// It goes to the inspector in the municipality's namespace.
    Inspect = 2,
    /// The gateway itself is meant: ARP, neighbour discovery, echo to the gateway's address, its proxy.
    Local = 3,
}

impl Verdict {
    /// Every verdict, in number order.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Forward, Self::Inspect, Self::Local];

    /// The verdict with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Drop),
            1 => Some(Self::Forward),
            2 => Some(Self::Inspect),
            3 => Some(Self::Local),
            _ => None,
        }
    }

    /// The name in JSON, metrics and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Forward => "forward",
            Self::Inspect => "inspect",
            Self::Local => "local",
        }
    }
}

/// Which way a packet crosses the gateway.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From a municipality, or from its inspector, towards the Internet: entered an access port.
    Egress = 0,
    /// From the Internet towards a municipality: entered an uplink.
    Ingress = 1,
}

impl Direction {
    /// Both directions, in number order.
    pub const ALL: [Self; 2] = [Self::Egress, Self::Ingress];

    /// The name in JSON, metrics and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why a packet got its verdict. The stage that decided names the reason.
        #[repr(u16)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Reason {
            /// Every reason, in number order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in JSON, metrics and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What the reason means, for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, )+).trim_ascii(),)+ }
            }

            /// The reason with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// no policy is installed yet; the gateway is closed until the first apply
    NoPolicy = 0, "no_policy";
    /// the frame ends before the lengths in its headers say it does
    Truncated = 1, "truncated";
    /// a header contradicts itself
    Malformed = 2, "malformed";
    /// a protocol or encapsulation that the gateway does not pass
    Unsupported = 3, "unsupported";
    /// a source address that no sender may use: multicast, broadcast, loopback, unspecified, link-local
    BadSource = 4, "bad_source";
    /// a destination that a router must not forward to: multicast, broadcast, loopback, unspecified, link-local
    BadDestination = 5, "bad_destination";
    /// a combination of TCP flags that no sender produces
    BadFlags = 6, "bad_flags";
    /// source and destination address are the same
    Land = 7, "land";
    /// a fragment that cannot belong to a sound datagram
    BadFragment = 8, "bad_fragment";
    /// source routing: an IPv6 routing header still in use, or IPv4 loose or strict source route
    RoutingHeader = 9, "routing_header";
    /// no municipality is attached at this port and VLAN
    UnknownAttachment = 10, "unknown_attachment";
    /// from the uplink, for an address of no municipality or of several
    UnknownDestination = 11, "unknown_destination";
    /// the source is outside the municipality's prefixes or the gateway's own, or, on the uplink, inside ours
    SpoofedSource = 12, "spoofed_source";
    /// the municipality, section or terminal is cut off
    Isolated = 13, "isolated";
    /// source or destination is in a block set
    Blocked = 14, "blocked";
    /// the packet does not fit the state of its flow, or there is no flow where one is needed
    BadState = 15, "bad_state";
    /// a later fragment whose first fragment was not passed
    FragmentUnmatched = 16, "fragment_unmatched";
    /// a rule of the prefecture's baseline
    BaselineRule = 17, "baseline_rule";
    /// a rule of the municipality
    Rule = 18, "rule";
    /// no rule matched and the default of this direction is deny
    DefaultDeny = 19, "default_deny";
    /// no rule matched and the default of this direction is allow
    DefaultAllow = 20, "default_allow";
    /// a budget of the municipality or the source is used up
    Limited = 21, "limited";
    /// the flow table has no room for another flow here
    FlowTableFull = 22, "flow_table_full";
    /// the client's port blocks are full and it may have no more, or its municipality's NAT pool has none left
    NatExhausted = 23, "nat_exhausted";
    /// belongs to an established flow
    Established = 24, "established";
    /// an ICMP error about a packet of an established flow
    Related = 25, "related";
    /// a later fragment of a datagram whose first fragment was passed
    Fragment = 26, "fragment";
    /// address resolution on the segment
    Arp = 27, "arp";
    /// IPv6 neighbour discovery on the segment
    NeighbourDiscovery = 28, "neighbour_discovery";
    /// an echo request to the gateway's own address
    GatewayAddress = 29, "gateway_address";
    /// the kernel has no route to the destination through an uplink
    NoRoute = 30, "no_route";
    /// the hop limit ends here; the sender is told by ICMP
    HopLimit = 31, "hop_limit";
    /// larger than the next link carries; the sender is told by ICMP
    TooBig = 32, "too_big";
    /// the program met a state that it must never meet
    Internal = 33, "internal";
    /// a connection of the inspector's own, which no rule judges: the rules judged the one that it serves
    Inspector = 34, "inspector";
    /// to the municipality's proxy, at the gateway's own address
    Proxy = 35, "proxy";
    /// to be inspected by its rule, which lets it pass unopened while the municipality's inspector is down
    InspectorDown = 36, "inspector_down";
    /// from the Internet, what looks like the answer of an abused service that nobody here has asked
    Reflection = 37, "reflection";
    /// the first packet of a connection to a service under attack, which the gateway answered itself with a cookie
    SynCookie = 38, "syn_cookie";
    /// to a service under attack, of no flow, and without the cookie that the gateway would have given
    BadCookie = 39, "bad_cookie";
    /// a query to a guarded DNS server that the gateway has answered itself, by asking to come again over TCP
    DnsGuard = 40, "dns_guard";
    /// to a guarded DNS server, what is not a query with one question
    BadQuery = 41, "bad_query";
}

/// Room for reasons in a counter row; above every reason's number.
pub const REASON_SLOTS: usize = 64;
const _: () = assert!(Reason::ALL.len() <= REASON_SLOTS);
