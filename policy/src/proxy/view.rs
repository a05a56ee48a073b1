//! What a municipality's inspector needs to know to be its proxy.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::check::ranges::Ranges;
use crate::checked::{Action, Municipality, Policy, Prefixes, Proxy, Rule, Service};
use crate::tls::{Layer, Lists, RuleRef};

/// A municipality's proxy, and the packet rules that hold for what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyView {
    /// TCP, on each of [`crate::tls::View::gateway`].
    pub port: u16,
    /// Host names that clients call directly; with a dot before it one and everything below.
    pub direct_names: Vec<String>,
    /// Addresses that clients call directly, beside the municipality's own.
    pub direct_prefixes: Vec<IpNet>,
    /// Egress: the baseline, then the municipality's; the first match wins.
    pub rules: Vec<PacketRule>,
    /// What no rule matches.
    pub default: Action,
    /// The addresses of all municipalities, and the gateway's own among them.
    pub ours: Prefixes,
}

/// A packet rule with its lists by number, in [`crate::tls::View::addresses`]. What is absent matches anything, an empty
/// list nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketRule {
    /// Which it is.
    pub rule: RuleRef,
    /// Clients.
    pub from: Option<Vec<u32>>,
    /// Destinations.
    pub to: Option<Vec<u32>>,
    /// Protocols and destination ports.
    pub services: Option<Vec<Service>>,
    /// What it says.
    pub action: Action,
}

impl ProxyView {
    /// What a policy has for a municipality's proxy; lists of addresses go to the others of its view.
    pub(crate) fn of(policy: &Policy, municipality: &Municipality, proxy: &Proxy, lists: &mut Lists) -> Self {
        let above = policy.baseline.iter().map(|rule| (Layer::Prefecture, rule));
        let own = municipality.egress.rules.iter().map(|rule| (Layer::Municipality, rule));
        let egress = above.chain(own).filter(|(_, rule)| rule.directions.contains(&abi::Direction::Egress));
        let rules = egress.map(|(layer, rule)| PacketRule::of(layer, rule, lists)).collect();
        Self {
            port: proxy.port,
            direct_names: proxy.direct_names.clone(),
            direct_prefixes: proxy.direct_prefixes.clone(),
            rules,
            default: municipality.egress.default,
            ours: ours(policy),
        }
    }
}

impl PacketRule {
    fn of(layer: Layer, rule: &Rule, lists: &mut Lists) -> Self {
        let location = &rule.location;
        Self {
            rule: RuleRef { name: rule.name.clone(), layer, file: location.file.clone(), line: location.line },
            from: rule.from.as_ref().map(|from| lists.addresses(from)),
            to: rule.to.as_ref().map(|to| lists.addresses(to)),
            services: rule.services.clone(),
            action: rule.action,
        }
    }
}

fn ours(policy: &Policy) -> Prefixes {
    let mut all = Vec::new();
    for town in &policy.municipalities {
        all.extend(town.prefixes.iter().chain(&town.published).copied());
        all.extend(town.nat_pool.iter().map(|&address| IpNet::from(std::net::IpAddr::V4(address))));
        all.extend(town.attachments.iter().flat_map(|it| &it.addresses).map(|own| IpNet::from(own.addr())));
    }
    Ranges::of(&all).prefixes().into()
}
