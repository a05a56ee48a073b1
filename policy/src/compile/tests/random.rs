//! Random policies whose prefixes nest and overlap and whose port ranges share their edges.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use abi::Direction;
use ipnet::IpNet;
use rand::Rng;
use rand::rngs::StdRng;

use crate::checked::{
    Action, Addresses, Isolation, Municipality, Policy, PortBlocks, Proxy, Rule, Rules, Service, WhenDown,
};
use crate::compile::fixture;

pub fn policy(rng: &mut StdRng) -> Policy {
    let mut policy = fixture::prefecture((0..rng.random_range(1..8)).map(|n| municipality(n, rng)).collect());
    for name in ["crawlers", "scanners", "threats", "unused"] {
        let mut set = fixture::set(&[]);
        set.prefixes = IpNet::aggregate(&prefixes(rng, 40)).into();
        policy.sets.insert(name.to_owned(), set);
    }
    policy.block = ["threats", "crawlers", "scanners"].map(str::to_owned).into();
    policy.block.truncate(rng.random_range(0..4));
    policy.essential = prefixes(rng, 4);
    policy.baseline = (0..rng.random_range(0..70)).map(|n| rule(n, rng)).collect();
    policy
}

/// Few municipalities with this many rules in each direction, nearly all of which are for few addresses and one port, so
/// that the first match may be anywhere.
pub fn large_policy(rules: usize, rng: &mut StdRng) -> Policy {
    let mut policy = policy(rng);
    policy.municipalities.truncate(2);
    policy.baseline.retain(|it| it.from.is_some() && it.to.is_some() && it.services.is_some());
    for municipality in &mut policy.municipalities {
        for own in [&mut municipality.egress, &mut municipality.ingress] {
            own.rules = (0..rules).map(|n| narrow_rule(n, rng)).collect();
        }
    }
    policy
}

fn narrow_rule(n: usize, rng: &mut StdRng) -> Rule {
    let list = |rng: &mut StdRng, from: u8| {
        rng.random_bool(0.95).then(|| {
            let length = rng.random_range(from..=32);
            let near = rng.random::<u32>() & rng.random::<u32>() & 0xff;
            let base = [0x0a04_0000, 0x0a04_1400, 0xc633_6400][rng.random_range(0..3)];
            vec![IpNet::new(Ipv4Addr::from(base ^ near).into(), length).expect("a length that exists").trunc()].into()
        })
    };
    let port = rng.random_range(1..500);
    let last = if rng.random_bool(0.05) { port + rng.random_range(0..100) } else { port };
    Rule { from: list(rng, 26), to: list(rng, 29), services: Some(vec![fixture::tcp(port, last)]), ..rule(n, rng) }
}

/// A packet at an edge of some rule: direction, addresses, protocol and port.
pub fn call(municipality: &Municipality, rng: &mut StdRng) -> (Direction, [IpAddr; 2], u8, u16) {
    let direction = Direction::ALL[rng.random_range(0..2)];
    let rules = [&municipality.egress.rules, &municipality.ingress.rules][direction as usize];
    let rule = &rules[rng.random_range(0..rules.len())];
    let addresses = [&rule.from, &rule.to].map(|side| match side.iter().flat_map(Addresses::prefixes).next() {
        Some(prefix) if rng.random() => prefix.network(),
        Some(prefix) => prefix.broadcast(),
        None => IpAddr::V4((0x0a04_0000 | rng.random_range(0..256_u32)).into()),
    });
    let port = rule.services.iter().flatten().find_map(|it| it.ports).map_or(80, |(first, _)| first);
    (direction, addresses, 6, port)
}

fn municipality(n: u16, rng: &mut StdRng) -> Municipality {
    let rules = |rng: &mut StdRng| Rules {
        default: if rng.random() { Action::Allow } else { Action::Deny },
        rules: (0..rng.random_range(0..150)).map(|n| rule(n, rng)).collect(),
    };
    let mut municipality = fixture::municipality(&format!("m{n}"), 100 + n);
    municipality.prefixes = prefixes(rng, 5);
    municipality.published = prefixes(rng, 3);
    municipality.nat_pool = prefixes(rng, 3)
        .iter()
        .filter_map(|it| if let IpAddr::V4(address) = it.network() { Some(address) } else { None })
        .collect();
    municipality.attachments[0].addresses = (0..3).map(|_| prefix(rng)).collect();
    municipality.isolation = match rng.random_range(0..3) {
        0 => Isolation::None,
        1 => Isolation::All,
        _ => Isolation::Parts(prefixes(rng, 3)),
    };
    municipality.proxy = rng.random_bool(0.5).then(|| Proxy {
        port: rng.random_range(1_024..=u16::MAX),
        direct_names: Vec::new(),
        direct_prefixes: Vec::new(),
    });
    municipality.egress = rules(rng);
    municipality.ingress = rules(rng);
    municipality
}

fn rule(n: usize, rng: &mut StdRng) -> Rule {
    let list = |rng: &mut StdRng| {
        let lists = rng.random_range(1..3);
        rng.random_bool(0.7).then(|| (0..lists).map(|_| prefixes(rng, 3).into()).collect())
    };
    Rule {
        directions: match rng.random_range(0..3) {
            0 => vec![Direction::Egress],
            1 => vec![Direction::Ingress],
            _ => Direction::ALL.to_vec(),
        },
        from: list(rng),
        to: list(rng),
        services: rng.random_bool(0.7).then(|| (0..rng.random_range(0..4)).map(|_| some_service(rng)).collect()),
        when_down: [WhenDown::Closed, WhenDown::Splice][rng.random_range(0..2)],
        ..fixture::rule(&format!("r{n}"), [Action::Deny, Action::Allow, Action::Inspect][rng.random_range(0..3)])
    }
}

fn some_service(rng: &mut StdRng) -> Service {
    let protocol = [6, 6, 6, 17, 17, 1, 58, 47][rng.random_range(0..8)];
    let edges = [0, 1, 53, 80, 81, 443, 1_023, 1_024, 65_534, 65_535];
    let (a, b) = (edges[rng.random_range(0..edges.len())], edges[rng.random_range(0..edges.len())]);
    let ports = (matches!(protocol, 6 | 17) && rng.random_bool(0.8)).then(|| (a.min(b), a.max(b)));
    Service { protocol, ports }
}

/// From few places, so that they meet.
fn prefixes(rng: &mut StdRng, most: usize) -> Vec<IpNet> {
    (0..rng.random_range(0..=most)).map(|_| prefix(rng).trunc()).collect()
}

fn prefix(rng: &mut StdRng) -> IpNet {
    let near = |rng: &mut StdRng| rng.random::<u32>() & rng.random::<u32>() & rng.random::<u32>();
    let net = if rng.random() {
        let base: u32 = [0x0a04_0000, 0x0a04_1400, 0xc633_6400, 0xffff_ff00, 0][rng.random_range(0..5)];
        let address = Ipv4Addr::from(base ^ (near(rng) & 0xffff));
        let length = if rng.random_bool(0.05) { rng.random_range(0..16) } else { rng.random_range(16..=32) };
        IpNet::new(address.into(), length)
    } else {
        let base: u128 =
            [0x2001_0db8_0004_u128 << 80, 0x2001_0db8_0004_0001_u128 << 64, u128::MAX][rng.random_range(0..3)];
        let flips = u128::from(near(rng)) << [0, 64, 80][rng.random_range(0..3)];
        let length = if rng.random_bool(0.05) { rng.random_range(0..32) } else { rng.random_range(32..=128) };
        IpNet::new(Ipv6Addr::from(base ^ flips).into(), length)
    };
    net.expect("a length that exists")
}

/// Changes one thing.
pub fn change(policy: &mut Policy, rng: &mut StdRng) {
    let index = rng.random_range(0..policy.municipalities.len());
    let fresh = municipality(index as u16, rng);
    let municipality = &mut policy.municipalities[index];
    match rng.random_range(0..16) {
        0 => municipality.prefixes.push(prefix(rng).trunc()),
        1 => municipality.published = fresh.published,
        2 => municipality.nat_pool = fresh.nat_pool,
        3 => municipality.attachments[0].addresses.push(prefix(rng)),
        4 => municipality.attachments.push(fixture::attachment("lan0", &[300, 7], &[])),
        5 => municipality.isolation = fresh.isolation,
        6 => municipality.egress.default = fresh.egress.default,
        7 => municipality.egress.rules.reverse(),
        8 => municipality.ingress.rules.insert(0, Rule { name: "new".to_owned(), ..rule(0, rng) }),
        9 => drop(municipality.egress.rules.pop()),
        10 => {
            let rules = &mut municipality.egress.rules;
            let changed = rules.len() / 2;
            if let Some(it) = rules.get_mut(changed) {
                *it = rule(changed, rng);
            }
        }
        11 => policy.block.reverse(),
        12 => drop(policy.municipalities.remove(index)),
        13 => municipality.proxy = fresh.proxy,
        14 => municipality.nat_blocks = PortBlocks { ports: 64, per_client: 1 },
        _ => policy.baseline.insert(0, Rule { name: "new".to_owned(), ..rule(0, rng) }),
    }
}

/// The edges of every prefix of the policy, their neighbours, and addresses from nowhere.
pub fn addresses(policy: &Policy, rng: &mut StdRng) -> Vec<IpAddr> {
    let mut prefixes: Vec<IpNet> = policy.essential.clone();
    prefixes.extend(policy.sets.values().flat_map(|it| &it.prefixes));
    for it in &policy.municipalities {
        prefixes.extend(it.prefixes.iter().chain(&it.published).copied());
        prefixes.extend(it.nat_pool.iter().map(|&it| IpNet::from(IpAddr::V4(it))));
        prefixes.extend(it.attachments.iter().flat_map(|it| &it.addresses).map(|it| IpNet::from(it.addr())));
        if let Isolation::Parts(parts) = &it.isolation {
            prefixes.extend(parts);
        }
    }
    let rules = policy.municipalities.iter().flat_map(|it| it.egress.rules.iter().chain(&it.ingress.rules));
    for rule in rules.chain(&policy.baseline) {
        prefixes.extend(rule.from.iter().chain(&rule.to).flat_map(|side| side.prefixes()));
    }
    let mut addresses = Vec::new();
    for prefix in prefixes {
        let (first, last) = (prefix.network(), prefix.broadcast());
        addresses.extend([first, last, step(first, false), step(last, true)]);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses.extend((0..50).map(|_| IpAddr::V4(rng.random::<u32>().into())));
    addresses.extend((0..50).map(|_| IpAddr::V6(rng.random::<u128>().into())));
    addresses
}

fn step(address: IpAddr, up: bool) -> IpAddr {
    match address {
        IpAddr::V4(it) => {
            let it = u32::from(it);
            IpAddr::V4(if up { it.wrapping_add(1) } else { it.wrapping_sub(1) }.into())
        }
        IpAddr::V6(it) => {
            let it = u128::from(it);
            IpAddr::V6(if up { it.wrapping_add(1) } else { it.wrapping_sub(1) }.into())
        }
    }
}

/// A protocol and destination port at an edge of the policy's ranges.
pub fn service(policy: &Policy, rng: &mut StdRng) -> (u8, u16) {
    let protocol = [6, 6, 17, 1, 58, 47, 0, 255][rng.random_range(0..8)];
    if !matches!(protocol, 6 | 17) {
        return (protocol, rng.random_range(0..3));
    }
    let rules = policy.municipalities.iter().flat_map(|it| it.egress.rules.iter().chain(&it.ingress.rules));
    let edges: Vec<u16> = rules
        .flat_map(|it| it.services.iter().flatten())
        .filter_map(|it| it.ports)
        .flat_map(|(first, last)| [first, last, first.wrapping_sub(1), last.wrapping_add(1)])
        .collect();
    if edges.is_empty() || rng.random_bool(0.1) {
        (protocol, rng.random())
    } else {
        (protocol, edges[rng.random_range(0..edges.len())])
    }
}
