//! Rulebooks of few sources and destinations against a plain reading, and that they do have pairs.

use std::collections::BTreeSet;

use abi::pairs::{kind, kind_of};

use super::*;

/// Each rule for one of 12 sources, one of so many destinations and one of 40 ports, those left out that are for all.
fn crossed(rules: usize, destinations: u32, rng: &mut StdRng) -> Policy {
    let mut policy = prefecture(vec![municipality("sendai", 101), municipality("natori", 102)]);
    let host = |base: u32, number: u32| Some(vec![IpNet::from(IpAddr::V4((base + number).into()))].into());
    policy.baseline = vec![Rule { to: host(0xc633_6400, 0), ..rule("base", Action::Deny) }];
    for municipality in &mut policy.municipalities {
        let one = |number: usize, rng: &mut StdRng| {
            let mut it = rule(&format!("r{number}"), Action::Allow);
            it.from = host(0x0a04_1400, rng.random_range(0..12)).filter(|_| rng.random_bool(0.98));
            it.to = host(0xc633_6400, rng.random_range(0..destinations)).filter(|_| rng.random_bool(0.98));
            let ports: Vec<u16> = (0..rng.random_range(1..3)).map(|_| rng.random_range(1..40)).collect();
            it.services = Some(ports.iter().map(|&port| tcp(port, port + 1)).collect());
            it.services = it.services.filter(|_| rng.random_bool(0.99));
            it
        };
        municipality.egress.rules = (0..rules).map(|number| one(number, rng)).collect();
    }
    policy
}

fn agrees(policy: &Policy, compiled: &CompiledPolicy, destinations: u32, rng: &mut StdRng) {
    for _ in 0..6_000 {
        let municipality = &policy.municipalities[rng.random_range(0..2)];
        let source = IpAddr::V4((0x0a04_1400 + rng.random_range(0..14_u32)).into());
        let destination = IpAddr::V4((0xc633_6400 + rng.random_range(0..destinations + 2)).into());
        let (protocol, port) = ([6, 6, 6, 17, 1][rng.random_range(0..5)], rng.random_range(0..42));
        assert_eq!(
            first_rule(compiled, municipality, Direction::Egress, source, destination, protocol, port),
            reading::first_rule(policy, municipality, Direction::Egress, source, destination, protocol, port),
            "{} {source} > {destination} protocol {protocol} port {port}",
            municipality.id,
        );
    }
}

#[test]
fn pairs_of_every_kind_say_what_the_policy_says() {
    let mut rng = StdRng::seed_from_u64(seed());
    let mut kinds = BTreeSet::new();
    for rules in [80, 500, 3_000] {
        let policy = crossed(rules, 60, &mut rng);
        let compiled = compiled(&policy);
        for number in [1, 2] {
            let [egress, ingress] = compiled.tables.municipality(number).rulebooks;
            assert!(egress.pairs != 0 && egress.destinations > 1 && ingress.pairs == 0);
        }
        // The first word is nobody's.
        kinds.extend(compiled.tables.pairs[1..].iter().map(|&entry| kind_of(entry)));
        agrees(&policy, &compiled, 60, &mut rng);
    }
    assert_eq!(kinds, [kind::NONE, kind::ONE, kind::LIST, kind::ROWS].into());
}

#[test]
fn a_rulebook_with_too_many_pairs_has_rows() {
    let mut rng = StdRng::seed_from_u64(seed());
    let policy = crossed(8_000, 2_000, &mut rng);
    let compiled = compiled(&policy);
    assert_eq!(compiled.tables.municipality(1).rulebooks[0].pairs, 0);
    assert_eq!(compiled.tables.pairs.len(), 1);
    agrees(&policy, &compiled, 2_000, &mut rng);
}
