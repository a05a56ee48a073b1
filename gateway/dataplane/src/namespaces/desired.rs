//! What the namespaces should look like for a policy. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use policy::checked::{Attachment, Municipality};
use policy::{Numbering, Policy};

/// Everything that should exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// Names of our namespaces begin with this.
    pub prefix: String,
    /// One a municipality.
    pub towns: Vec<Town>,
    /// The gateway's ports.
    pub ports: Vec<String>,
    /// What the host should have a route to, with the MTU there.
    pub inside: Vec<(IpNet, u32)>,
}

/// One municipality's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Town {
    /// Its id.
    pub municipality: String,
    /// Its number.
    pub number: u16,
    /// Name of the namespace.
    pub namespace: String,
    /// One veth an attachment.
    pub legs: Vec<Leg>,
    /// Root side of the inspector's veth: inspected flows go in there, and its own connections come out.
    pub inspect_root: String,
    /// MAC address of the other side.
    pub inspect_mac: [u8; 6],
    /// What the inspector's own connections come from: one of the gateway's addresses, for each family that it has any of.
    pub sources: Vec<IpAddr>,
    /// MTU of all its veths: the largest of all ports, so that whatever a port received fits through. What a trunk
    /// carries stands in the routes.
    pub mtu: u32,
    /// MTU towards the Internet.
    pub uplink_mtu: u32,
    /// Routes to what is not on a segment.
    pub routes: Vec<Route>,
}

/// One attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Number of the attachment.
    pub number: u16,
    /// Interface on the root side.
    pub root: String,
    /// Interface in the namespace.
    pub inner: String,
    /// Access port.
    pub port: String,
    /// From the outside in.
    pub vlans: Vec<u16>,
    /// The port's MAC address, also the inner interface's.
    pub mac: [u8; 6],
    /// What of the port's MTU its tags leave.
    pub mtu: u32,
    /// The gateway's addresses there.
    pub addresses: Vec<IpNet>,
    /// The municipality's routers there.
    pub routers: Vec<IpAddr>,
}

/// A route in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// Next hop; none: on the segment.
    pub router: Option<IpAddr>,
    /// Interface.
    pub inner: String,
    /// Our address there.
    pub source: Option<IpAddr>,
    /// What the trunk carries, in bytes.
    pub mtu: u32,
}

impl Route {
    /// The part of `ip route` that says which way.
    pub fn way(&self) -> String {
        let via = self.router.map(|router| format!("via {router} ")).unwrap_or_default();
        let source = self.source.map(|source| format!(" src {source}")).unwrap_or_default();
        format!("{via}dev {}{source} mtu {}", self.inner, self.mtu)
    }
}

impl Town {
    /// Interfaces on the root side.
    pub fn root_names(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|leg| leg.root.as_str()).chain([self.inspect_root.as_str()])
    }

    /// Changes whenever anything about the town does.
    pub fn fingerprint(&self) -> String {
        blake3::hash(format!("{LAYOUT} {self:?}").as_bytes()).to_hex()[..32].to_owned()
    }
}

/// Changes whenever namespaces are set up differently for the same policy, so that an upgrade sets them up again.
const LAYOUT: u32 = 5;

/// What is known of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// MAC address.
    pub mac: [u8; 6],
    /// MTU in bytes.
    pub mtu: u32,
}

/// What a policy asks for on this machine.
pub fn desired(policy: &Policy, numbering: &Numbering, ports: &BTreeMap<String, PortFacts>, prefix: &str) -> Desired {
    let mtu = |port: &String| ports.get(port).map_or(1_500, |facts| facts.mtu);
    let uplink_mtu = policy.uplinks.iter().map(mtu).min().unwrap_or(1_500);
    let largest_mtu = policy.uplinks.iter().chain(&policy.accesses).map(mtu).max().unwrap_or(1_500);
    let towns = policy.municipalities.iter().map(|town| {
        let legs: Vec<Leg> = town.attachments.iter().filter_map(|at| leg(town, at, numbering, ports)).collect();
        let number = numbering.municipalities.get(&town.id).copied().unwrap_or(0);
        let [high, low] = number.to_be_bytes();
        Town {
            municipality: town.id.clone(),
            number,
            namespace: format!("{prefix}{}", town.id),
            inspect_root: format!("bgi{number}"),
            // Locally administered; "bgs" and the number.
            inspect_mac: [0x02, b'b', b'g', b's', high, low],
            sources: sources(town),
            mtu: largest_mtu,
            uplink_mtu,
            routes: routes(town, &legs),
            legs,
        }
    });
    Desired {
        prefix: prefix.into(),
        towns: towns.collect(),
        ports: policy.uplinks.iter().chain(&policy.accesses).cloned().collect(),
        inside: inside(policy, ports),
    }
}

/// The kernel grants a frame one tag beyond the MTU; a second one takes room.
fn mtu_behind(attachment: &Attachment, facts: &PortFacts) -> u32 {
    if attachment.vlans.len() > 1 { facts.mtu.saturating_sub(4) } else { facts.mtu }
}

fn leg(
    town: &Municipality,
    attachment: &Attachment,
    numbering: &Numbering,
    ports: &BTreeMap<String, PortFacts>,
) -> Option<Leg> {
    let facts = ports.get(&attachment.port)?;
    let number = *numbering.attachments.get(&format!("{}@{}", town.id, attachment.name()))?;
    let name = attachment.name();
    // An interface name has at most 15 characters.
    let inner = if name.len() <= 15 { name } else { format!("at{number}") };
    Some(Leg {
        number,
        root: format!("bgs{number}"),
        inner,
        port: attachment.port.clone(),
        vlans: attachment.vlans.clone(),
        mac: facts.mac,
        mtu: mtu_behind(attachment, facts),
        addresses: attachment.addresses.clone(),
        routers: attachment.routers.clone(),
    })
}

/// Answers must find back: to the municipality's own prefixes, or, where addresses are translated, to its pool.
fn sources(town: &Municipality) -> Vec<IpAddr> {
    let gateways = town.attachments.iter().flat_map(|attachment| &attachment.addresses).map(IpNet::addr);
    let is_own = |address: &IpAddr| town.prefixes.iter().chain(&town.published).any(|prefix| prefix.contains(address));
    let first = |is_of_family: fn(&IpAddr) -> bool| gateways.clone().filter(is_of_family).find(is_own);
    let translated = gateways.clone().filter(IpAddr::is_ipv4).find(|_| !town.nat_pool.is_empty());
    first(IpAddr::is_ipv4).or(translated).into_iter().chain(first(IpAddr::is_ipv6)).collect()
}

/// Segments first. A prefix that no segment contains goes to the first router of its family; without any router it lies
/// on the first segment of its family itself.
fn routes(town: &Municipality, legs: &[Leg]) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut add = |destination: IpNet, router: Option<IpAddr>, leg: &Leg, source: Option<IpAddr>| {
        if !routes.iter().any(|route| route.destination == destination) {
            routes.push(Route { destination, router, inner: leg.inner.clone(), source, mtu: leg.mtu });
        }
    };
    for leg in legs {
        for address in &leg.addresses {
            // IPv6 chooses its own source well.
            add(address.trunc(), None, leg, Some(address.addr()).filter(IpAddr::is_ipv4));
        }
    }
    for destination in town.prefixes.iter().chain(&town.published).map(IpNet::trunc) {
        if legs.iter().flat_map(|leg| &leg.addresses).any(|segment| segment.contains(&destination)) {
            continue;
        }
        let same_family = |address: IpAddr| address.is_ipv4() == destination.addr().is_ipv4();
        let mut routers = legs.iter().flat_map(|leg| leg.routers.iter().map(move |router| (*router, leg)));
        let router = routers.find(|(router, _)| same_family(*router));
        let segment = legs.iter().find(|leg| leg.addresses.iter().any(|address| same_family(address.addr())));
        match (router, segment.or(legs.first())) {
            (Some((router, leg)), _) => add(destination, Some(router), leg, None),
            (None, Some(leg)) => add(destination, None, leg, None),
            (None, None) => {}
        }
    }
    routes
}

/// What the host can route: whatever one municipality alone has. Addresses that two share are not routed anywhere.
fn inside(policy: &Policy, ports: &BTreeMap<String, PortFacts>) -> Vec<(IpNet, u32)> {
    let all: Vec<(usize, IpNet, u32)> = policy
        .municipalities
        .iter()
        .enumerate()
        .flat_map(|(index, town)| {
            let trunks = town.attachments.iter().filter_map(|at| Some(mtu_behind(at, ports.get(&at.port)?)));
            let mtu = trunks.min().unwrap_or(1_500);
            let pool: Vec<_> = town.nat_pool.iter().map(|address| IpNet::from(IpAddr::from(*address))).collect();
            let pool = IpNet::aggregate(&pool);
            let nets = town.prefixes.iter().chain(&town.published).map(IpNet::trunc).chain(pool);
            nets.map(move |net| (index, net, mtu)).collect::<Vec<_>>()
        })
        .collect();
    let shared = |index: usize, net: &IpNet| {
        all.iter().any(|(other, theirs, _)| *other != index && (theirs.contains(net) || net.contains(theirs)))
    };
    let mut inside: Vec<(IpNet, u32)> =
        all.iter().filter(|(index, net, _)| !shared(*index, net)).map(|(_, net, mtu)| (*net, *mtu)).collect();
    inside.sort();
    inside.dedup_by_key(|(net, _)| *net);
    inside
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const SENDAI: &str = r#"
        id = "sendai"
        name = "仙台市"
        attach = [
            { port = "enp130s0f1np1", vlan = [200, 101], address = ["10.4.0.1/24"], router = ["10.4.0.254"] },
            { port = "lan0", vlan = 7, address = ["2001:db8:4::1/64"] },
        ]
        prefixes = ["10.4.0.0/16", "2001:db8:4::/48"]
        [nat]
        pool = ["203.0.113.16/29"]
    "#;
    const MORI: &str = r#"
        id = "mori"
        name = "森町"
        attach = [{ port = "lan0", vlan = 101, address = ["10.4.0.1/24"] }]
        prefixes = ["10.4.0.0/24"]
    "#;
    const PREFECTURE: &str = r#"
        schema = 1
        [prefecture]
        id = "miyagi"
        name = "宮城県"
        [ports]
        uplink = ["wan0"]
        access = ["lan0", "enp130s0f1np1"]
    "#;

    fn wanted() -> Desired {
        let files =
            [("prefecture.toml", PREFECTURE), ("municipalities/a.toml", SENDAI), ("municipalities/b.toml", MORI)];
        let source = policy::Source { files: files.map(|(name, text)| (name.into(), text.into())).into() };
        let policy = policy::check(&source).policy.unwrap();
        let numbering = Numbering::default().extend(&policy).unwrap();
        let facts = |last: u8, mtu: u32| PortFacts { mac: [2, 0, 0, 0, 0, last], mtu };
        let ports = [("lan0", facts(1, 1_400)), ("enp130s0f1np1", facts(2, 9_000)), ("wan0", facts(3, 1_500))];
        desired(&policy, &numbering, &ports.map(|(name, facts)| (name.into(), facts)).into(), "test-")
    }

    fn town(id: &str) -> Town {
        wanted().towns.into_iter().find(|town| town.namespace == format!("test-{id}")).unwrap()
    }

    #[test]
    fn interface_names_fit() {
        let names: Vec<String> = town("sendai").legs.into_iter().map(|leg| leg.inner).collect();
        assert_eq!(names, ["at2", "lan0.7"]);
        assert!(town("sendai").root_names().all(|name| name.len() <= 15));
    }

    #[test]
    fn a_prefix_goes_to_the_router_of_its_family_or_lies_on_the_segment() {
        let routes: Vec<String> =
            town("sendai").routes.iter().map(|route| format!("{} {}", route.destination, route.way())).collect();
        assert_eq!(
            routes,
            [
                "10.4.0.0/24 dev at2 src 10.4.0.1 mtu 8996",
                "2001:db8:4::/64 dev lan0.7 mtu 1400",
                "10.4.0.0/16 via 10.4.0.254 dev at2 mtu 8996",
                "2001:db8:4::/48 dev lan0.7 mtu 1400",
            ]
        );
    }

    #[test]
    fn an_inspector_has_an_address_that_answers_come_back_to() {
        let texts = |id: &str| town(id).sources.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("sendai"), ["10.4.0.1", "2001:db8:4::1"]);
        assert_eq!(texts("mori"), ["10.4.0.1"]);
    }

    #[test]
    fn the_host_routes_what_one_municipality_alone_has() {
        let inside: Vec<String> = wanted().inside.iter().map(|(net, mtu)| format!("{net} {mtu}")).collect();
        assert_eq!(inside, ["203.0.113.16/29 1400", "2001:db8:4::/48 1400"]);
    }

    #[test]
    fn a_fingerprint_changes_with_the_town() {
        let before = town("mori");
        let mut after = before.clone();
        assert_eq!(before.fingerprint(), after.fingerprint());
        after.uplink_mtu -= 1;
        assert_ne!(before.fingerprint(), after.fingerprint());
    }
}
