//! What speaks against blocking a prefix for everybody: that this would hurt more than any indicator is worth.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::check::ranges::Ranges;
use crate::checked::Policy;

/// IPv4 prefixes up to this length are taken for slips of the fingers.
const SHORTEST_V4: u8 = 8;
/// The same of IPv6: registries hand out nothing larger to one holder.
const SHORTEST_V6: u8 = 16;

/// One prefix that should not be blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Which.
    pub prefix: IpNet,
    /// Why.
    pub because: String,
}

/// All of them, in the order of the prefixes. `own` are addresses of the gateway's besides those of the policy.
pub fn objections(prefixes: &[IpNet], policy: &Policy, own: &[IpAddr]) -> Vec<Objection> {
    let gateway = policy.municipalities.iter().flat_map(|town| &town.attachments).flat_map(|it| &it.addresses);
    let gateway: Vec<IpNet> = gateway.map(|it| it.addr()).chain(own.iter().copied()).map(IpNet::from).collect();
    let gateway = Ranges::of(&gateway);
    let essential = Ranges::of(&policy.essential);
    let towns: Vec<(&str, Ranges)> = policy
        .municipalities
        .iter()
        .map(|town| {
            let pool: Vec<IpNet> = town.nat_pool.iter().map(|&address| IpNet::from(IpAddr::V4(address))).collect();
            (town.id.as_str(), Ranges::of(town.prefixes.iter().chain(&town.published).chain(&pool)))
        })
        .collect();
    let mut anybody = Ranges::default();
    towns.iter().for_each(|(_, ranges)| anybody.extend(ranges));
    anybody.normalize();
    let judge = |prefix: &IpNet| {
        let asked = Ranges::of([prefix]);
        let shortest = if prefix.addr().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
        let because = if gateway.intersects(&asked) {
            "the gateway itself has an address in it".to_owned()
        } else if anybody.intersects(&asked) {
            let whose = towns.iter().find(|(_, ranges)| ranges.intersects(&asked)).map_or("", |(id, _)| id);
            format!("municipality `{whose}` has addresses in it; to cut off a part of one, use `bangasa isolate`")
        } else if essential.intersects(&asked) {
            "there is an essential service in it, which stays open even for those who are cut off".to_owned()
        } else if prefix.prefix_len() < shortest {
            format!("it is more than a /{shortest}")
        } else {
            return None;
        };
        Some(Objection { prefix: *prefix, because })
    };
    prefixes.iter().filter_map(judge).collect()
}
