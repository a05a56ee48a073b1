//! The checked policy: every name resolved, every prefix parsed, every location kept. Only [`crate::check`] makes one.

mod addresses;
mod budgets;
mod dns;
mod flood;
mod http;
mod municipalities;
mod nat;
mod proxy;
mod public;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use abi::Direction;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use addresses::{Addresses, Prefixes};
pub use budgets::{Budget, Budgets};
pub use dns::Dns;
pub(crate) use dns::labels;
pub use flood::{Flood, SynCookies};
pub use http::{Http, HttpRule};
pub use municipalities::Municipalities;
pub use nat::{Inbound, PortBlocks};
pub use proxy::Proxy;
pub(crate) use public::is_private;
pub use tls::{Hosts, NameList, Tls, TlsRule};

use crate::source::Location;
use crate::tls::{Limits, RevocationLists, Root, Transport};
use crate::words::words;

/// A whole prefecture; by default one with nothing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `[prefecture] id`.
    pub id: String,
    /// `[prefecture] name`.
    pub name: String,
    /// Uplink port names.
    pub uplinks: Vec<String>,
    /// Access port (trunk) names.
    pub accesses: Vec<String>,
    /// Every named set, by name.
    pub sets: BTreeMap<String, Set>,
    /// `[block] sets`, in order: the first that contains an address names the drop.
    pub block: Vec<String>,
    /// `[isolation] essential`: stays reachable under isolation.
    pub essential: Vec<IpNet>,
    /// `[flood]`.
    pub flood: Flood,
    /// The prefecture's rules, before any municipality's.
    pub baseline: Vec<Rule>,
    /// `[names]`: every named list of host names, by name.
    pub names: BTreeMap<String, NameList>,
    /// `[tls]`: the prefecture's rules, before any municipality's, and what holds where a municipality says nothing.
    pub tls: Tls,
    /// `[tls] resolvers`: where names of spliced connections are looked up.
    pub resolvers: Vec<SocketAddr>,
    /// `[tls] roots`: further roots that upstream certificates may chain to.
    pub roots: Vec<Root>,
    /// `[tls] crls`: certificates that authorities have taken back.
    pub crls: Vec<RevocationLists>,
    /// `[http]`: the prefecture's rules, before any municipality's.
    pub http: Http,
    /// Sorted by id.
    pub municipalities: Municipalities,
}

impl Policy {
    /// When a municipality's services answer with SYN cookies.
    pub fn syn_cookies_of(&self, municipality: &Municipality) -> SynCookies {
        municipality.syn_cookies.unwrap_or(self.flood.syn_cookies)
    }

    /// UDP ports of which rules hand anything of a municipality's to its inspector.
    pub fn inspected_udp_ports(&self, municipality: &Municipality) -> BTreeSet<u16> {
        let rules = self.baseline.iter().chain(&municipality.egress.rules);
        let services =
            rules.filter(|rule| rule.action == Action::Inspect).flat_map(|rule| rule.services.iter().flatten());
        let udp = services.filter(|service| service.protocol == Transport::Udp.protocol());
        udp.filter_map(|service| service.ports).flat_map(|(first, last)| first..=last).collect()
    }
}

/// A named set of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// What is in it.
    pub prefixes: Prefixes,
    /// Where it is defined.
    pub location: Location,
}

/// One municipality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Municipality {
    /// Slug.
    pub id: String,
    /// In people's script.
    pub name: String,
    /// Where its packets enter.
    pub attachments: Vec<Attachment>,
    /// Its own addresses.
    pub prefixes: Vec<IpNet>,
    /// Literal addresses in `to` of its ingress rules: published, its own as well, and never translated.
    pub published: Vec<IpNet>,
    /// IPv4 addresses of `[nat] pool`, in ascending order; empty: routed untranslated.
    pub nat_pool: Vec<std::net::Ipv4Addr>,
    /// How the ports of the pool are given to clients.
    pub nat_blocks: PortBlocks,
    /// `[[nat.inbound]]`, in order; no two share a port of an address.
    pub inbound: Vec<Inbound>,
    /// Named parts.
    pub sections: BTreeMap<String, Vec<IpNet>>,
    /// `isolated`: whole, or these prefixes.
    pub isolation: Isolation,
    /// `[proxy]`, with what the prefecture's says.
    pub proxy: Option<Proxy>,
    /// `[limits]`.
    pub limits: Budgets,
    /// `[flood] syn_cookies`, in place of the prefecture's.
    pub syn_cookies: Option<SynCookies>,
    /// `[dns]`; none: it has no DNS server that is guarded.
    pub dns: Option<Dns>,
    /// `[egress]`.
    pub egress: Rules,
    /// `[ingress]`.
    pub ingress: Rules,
    /// `[tls]`.
    pub tls: Tls,
    /// `[tls] limits`.
    pub tls_limits: Limits,
    /// `[http]`.
    pub http: Http,
    /// The file it stands in.
    pub location: Location,
}

/// Who is cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// Nobody.
    #[default]
    None,
    /// The whole municipality.
    All,
    /// Sections and terminals.
    Parts(Vec<IpNet>),
}

/// A port and VLAN where a municipality's packets enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Access port name.
    pub port: String,
    /// No, one or two VLAN ids, from the outside in.
    pub vlans: Vec<u16>,
    /// The gateway's own addresses there, with prefix length.
    pub addresses: Vec<IpNet>,
    /// The municipality's routers: next hops for its prefixes that are not on the segment.
    pub routers: Vec<IpAddr>,
    /// Where it stands.
    pub location: Location,
}

impl Attachment {
    /// `lan0`, `lan0.101` or `lan0.200.101`.
    pub fn name(&self) -> String {
        self.vlans.iter().fold(self.port.clone(), |name, vlan| format!("{name}.{vlan}"))
    }
}

/// Rules of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What happens to what no rule matches: allow or deny.
    pub default: Action,
    /// In order; the first match wins.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Unique within its list.
    pub name: String,
    /// Directions it holds in: one for a municipality's rule, one or both for the baseline's.
    pub directions: Vec<Direction>,
    /// Sources; `None` is any.
    pub from: Option<Addresses>,
    /// Destinations; `None` is any.
    pub to: Option<Addresses>,
    /// Protocols and destination ports; `None` is any, an empty list is nothing.
    pub services: Option<Vec<Service>>,
    /// What it says.
    pub action: Action,
    /// Where that is to inspect: what happens while nobody can.
    pub when_down: WhenDown,
    /// Where it stands.
    pub location: Location,
}

words! {
    /// What becomes of a rule's new connections while the municipality's inspector is not there.
    WhenDown {
        /// They do not come about.
        Closed = "closed",
        /// The fast path forwards them, unopened.
        Splice = "splice",
    }
}

/// A protocol, with destination ports where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Service {
    /// IP protocol number.
    pub protocol: u8,
    /// First and last destination port, for TCP and UDP; `None` is any.
    pub ports: Option<(u16, u16)>,
}

/// What a rule, or a default, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Drop.
    Deny,
    /// Forward.
    Allow,
    /// Hand to the inspector; TCP only.
    Inspect,
}
