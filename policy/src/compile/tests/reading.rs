//! The policy read plainly: every list searched for every question.

use std::net::IpAddr;

use abi::Direction;
use ipnet::IpNet;

use crate::checked::{Addresses, Isolation, Municipality, Policy, Rule};

/// What is true of an address.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    pub blocked: Option<String>,
    pub owner: Option<String>,
    pub ours: bool,
    pub essential: bool,
    /// By municipality: member, published, gateway, isolated.
    pub views: Vec<[bool; 4]>,
}

pub fn address(policy: &Policy, address: IpAddr) -> Address {
    let within = |list: &[IpNet]| list.iter().any(|prefix| prefix.contains(&address));
    let mut owners: Vec<(u8, &str)> = Vec::new();
    for municipality in &policy.municipalities {
        let own = municipality.prefixes.iter().chain(&municipality.published);
        let pool = municipality.nat_pool.iter().filter(|it| IpAddr::V4(**it) == address).map(|_| 32);
        let lengths = own.filter(|it| it.contains(&address)).map(IpNet::prefix_len).chain(pool);
        owners.extend(lengths.map(|length| (length, municipality.id.as_str())));
    }
    let longest = owners.iter().map(|&(length, _)| length).max();
    let mut owner: Vec<_> = owners.iter().filter(|it| Some(it.0) == longest).map(|it| it.1).collect();
    owner.dedup();
    Address {
        blocked: policy.block.iter().find(|name| within(&policy.sets[*name].prefixes)).cloned(),
        owner: if let [one] = owner[..] { Some(one.to_owned()) } else { None },
        ours: !owners.is_empty(),
        essential: within(&policy.essential),
        views: policy
            .municipalities
            .iter()
            .map(|it| {
                let published = within(&it.published);
                let gateway = it.attachments.iter().flat_map(|it| &it.addresses).any(|it| it.addr() == address);
                let isolated = matches!(&it.isolation, Isolation::Parts(parts) if within(parts));
                [within(&it.prefixes) || published, published, gateway, isolated]
            })
            .collect(),
    }
}

pub fn first_rule<'a>(
    policy: &'a Policy,
    municipality: &'a Municipality,
    direction: Direction,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    port: u16,
) -> Option<(Option<&'a str>, &'a str)> {
    let holds = |side: &Option<Addresses>, address: IpAddr| {
        side.as_ref().is_none_or(|side| side.prefixes().any(|prefix| prefix.contains(&address)))
    };
    let matches = |rule: &&Rule| {
        rule.directions.contains(&direction)
            && holds(&rule.from, source)
            && holds(&rule.to, destination)
            && rule.services.as_ref().is_none_or(|services| {
                services.iter().any(|service| {
                    service.protocol == protocol
                        && service.ports.is_none_or(|(first, last)| first <= port && port <= last)
                })
            })
    };
    let own = match direction {
        Direction::Egress => &municipality.egress.rules,
        Direction::Ingress => &municipality.ingress.rules,
    };
    let baseline = policy.baseline.iter().find(matches).map(|rule| (None, rule.name.as_str()));
    baseline.or_else(|| own.iter().find(matches).map(|rule| (Some(municipality.id.as_str()), rule.name.as_str())))
}
