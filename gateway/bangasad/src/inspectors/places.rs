//! Where inspectors listen, by what the policy says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dataplane::namespaces::INSPECTOR_PORT;
use policy::Policy;
use policy::checked::{Action, Municipality};

/// QUIC's own port.
const QUIC: u16 = 443;
/// Where the gateway hands connections and datagrams over.
const HOSTS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A listening socket's address, and whom clients mean who come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Anybody: connections that the gateway hands over keep the destination that the client meant.
    Transparent(SocketAddr),
    /// Anybody, by datagrams.
    Datagrams(SocketAddr),
    /// The address itself.
    Proxy(SocketAddr),
}

impl Place {
    /// How the program is told of a socket there.
    pub fn option(self) -> &'static str {
        match self {
            Self::Transparent(_) => "--transparent",
            Self::Datagrams(_) => "--datagrams",
            Self::Proxy(_) => "--proxy",
        }
    }

    /// Its address.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Transparent(address) | Self::Datagrams(address) | Self::Proxy(address) => address,
        }
    }
}

/// Where an inspector listens besides its place for connections that the gateway hands over.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// As the municipality's proxy: the gateway's own addresses, in order.
    pub proxy: Vec<SocketAddr>,
    /// For datagrams that the gateway hands over: their ports, in order.
    pub udp: Vec<u16>,
}

impl Places {
    /// Whether who listens here does so wherever `wanted`. A UDP port too many hears nothing.
    pub fn are_enough_for(&self, wanted: &Self) -> bool {
        self.proxy == wanted.proxy && wanted.udp.iter().all(|port| self.udp.contains(port))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Place> {
        let transparent = HOSTS.map(|host| Place::Transparent(SocketAddr::new(host, INSPECTOR_PORT)));
        let udp = self.udp.iter().flat_map(|port| HOSTS.map(|host| Place::Datagrams(SocketAddr::new(host, *port))));
        transparent.into_iter().chain(udp).chain(self.proxy.iter().copied().map(Place::Proxy))
    }
}

/// Municipalities of which a rule inspects anything, or that have a proxy, and where their inspectors listen.
pub fn wanted(policy: &Policy) -> BTreeMap<&str, Places> {
    let inspects = |rules: &[policy::checked::Rule]| rules.iter().any(|rule| rule.action == Action::Inspect);
    let all = inspects(&policy.baseline);
    let towns = policy.municipalities.iter();
    let towns = towns
        .filter(|town| all || town.proxy.is_some() || inspects(&town.egress.rules) || inspects(&town.ingress.rules));
    let places = |town| {
        let mut udp = policy.inspected_udp_ports(town);
        // There in any case, so that a rule about QUIC's own port takes no new process.
        udp.insert(QUIC);
        Places { proxy: proxy(town), udp: udp.into_iter().collect() }
    };
    towns.map(|town| (town.id.as_str(), places(town))).collect()
}

/// Where a municipality's proxy listens, in order.
fn proxy(town: &Municipality) -> Vec<SocketAddr> {
    let Some(proxy) = &town.proxy else { return Vec::new() };
    let addresses = town.attachments.iter().flat_map(|attachment| &attachment.addresses);
    let all: BTreeSet<_> = addresses.map(|address| SocketAddr::new(address.addr(), proxy.port)).collect();
    all.into_iter().collect()
}
