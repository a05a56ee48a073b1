//! The tables against a plain reading of the policy, on random policies.

mod pairs;
pub(crate) mod random;
mod reading;

use std::net::IpAddr;

use abi::prefixes::POINTER;
use abi::tables::{action, class, municipality as municipality_flags, pool, view};
use abi::{Direction, limits};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fixture::{attachment, municipality, prefecture, rule, set, tcp};
use super::*;
use crate::checked::{Municipality, Rule, WhenDown};

fn compiled(policy: &Policy) -> CompiledPolicy {
    compile(policy, &Numbering::default()).expect("fits")
}

/// `POLICY_SEED=… cargo test` repeats a run.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("POLICY_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("POLICY_SEED={seed}");
    seed
}

#[test]
fn tables_say_what_the_policy_says() {
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..20 {
        let policy = random::policy(&mut rng);
        let compiled = compiled(&policy);
        let addresses = random::addresses(&policy, &mut rng);
        for &address in &addresses {
            assert_eq!(seen(&compiled, &policy, address), reading::address(&policy, address), "{address}");
        }
        for _ in 0..4_000 {
            let municipality = &policy.municipalities[rng.random_range(0..policy.municipalities.len())];
            let direction = Direction::ALL[rng.random_range(0..2)];
            let source = addresses[rng.random_range(0..addresses.len())];
            let destination = addresses[rng.random_range(0..addresses.len())];
            let (protocol, port) = random::service(&policy, &mut rng);
            assert_eq!(
                first_rule(&compiled, municipality, direction, source, destination, protocol, port),
                reading::first_rule(&policy, municipality, direction, source, destination, protocol, port),
                "{} {direction:?} {source} > {destination} protocol {protocol} port {port}",
                municipality.id,
            );
        }
    }
}

/// Rows of several words, chosen by one summary word and by several.
#[test]
fn large_tables_say_what_the_policy_says() {
    let mut rng = StdRng::seed_from_u64(seed());
    for rules in [600, 3_000, 9_000] {
        let policy = random::large_policy(rules, &mut rng);
        let compiled = compiled(&policy);
        let mut deepest = 0;
        for _ in 0..1_500 {
            let municipality = &policy.municipalities[rng.random_range(0..policy.municipalities.len())];
            let (direction, [source, destination], protocol, port) = random::call(municipality, &mut rng);
            let found = first_rule(&compiled, municipality, direction, source, destination, protocol, port);
            assert_eq!(
                found,
                reading::first_rule(&policy, municipality, direction, source, destination, protocol, port),
                "{} {direction:?} {source} > {destination} protocol {protocol} port {port}",
                municipality.id,
            );
            let place =
                found.and_then(|(owner, name)| owner.and(name.strip_prefix('r')).and_then(|it| it.parse().ok()));
            deepest = deepest.max(place.unwrap_or(0));
        }
        assert!(deepest > rules * 3 / 4, "no packet met a rule beyond {deepest} of {rules}");
    }
}

/// What one municipality's rules name is blocks of views for it and none for the others; and where its rules are like
/// another's, not even for it.
#[test]
fn municipalities_share_what_they_do_not_tell_apart() {
    let mut policy = prefecture((0..20).map(|n| municipality(&format!("m{n:02}"), n)).collect());
    let egress = |it: Rule| Rule { directions: vec![Direction::Egress], ..it };
    for (town, municipality) in (0_u32..).zip(&mut policy.municipalities) {
        let to = |n: u32| Some(vec![IpNet::from(IpAddr::V4((0xc000_0000 | n << 8 | town).into()))].into());
        municipality.egress.rules = (0..640).map(|n| egress(Rule { to: to(n), ..rule("r", Action::Allow) })).collect();
    }
    let alike = compiled(&policy).tables;
    // 12,800 destinations, the municipalities' common prefix, gateway address, and nowhere.
    assert_eq!(alike.classes.len(), 12_803);
    assert_eq!(alike.view_roots.len(), 40 * 12_803_usize.div_ceil(64));
    assert!(alike.views.len() / 64 <= 20, "{} blocks of views", alike.views.len() / 64);
    for (town, municipality) in policy.municipalities.iter_mut().enumerate() {
        let first = Rule { services: Some(vec![tcp(80, 80)]), ..rule("first", Action::Deny) };
        municipality.egress.rules.splice(..0, vec![egress(first); town]);
    }
    let different = compiled(&policy).tables;
    let blocks = different.views.len() / 64;
    assert!((200..=20 * 14).contains(&blocks), "{blocks} blocks of views");
    // A rule that a class adds is in its view: there is nothing but base rows.
    assert!(different.rows.len() < 20 * 3 * 16, "{} words of rows", different.rows.len());
}

/// What the tables say of an address, in names.
fn seen(compiled: &CompiledPolicy, policy: &Policy, address: IpAddr) -> reading::Address {
    let tables = &compiled.tables;
    let number = tables.class(address);
    let entry = tables.class_entry(number);
    reading::Address {
        blocked: compiled.set_name(entry.blocked).map(str::to_owned),
        owner: compiled.municipality_name(entry.owner).map(str::to_owned),
        ours: entry.flags & class::OURS != 0,
        essential: entry.flags & class::ESSENTIAL != 0,
        views: policy
            .municipalities
            .iter()
            .map(|it| {
                let views =
                    Direction::ALL.map(|it_is| tables.view(compiled.numbering.municipalities[&it.id], it_is, number));
                let flags = views[0].flags;
                assert_eq!(flags, views[1].flags);
                [view::MEMBER, view::PUBLISHED, view::GATEWAY, view::ISOLATED].map(|bit| flags & bit != 0)
            })
            .collect(),
    }
}

fn first_rule<'a>(
    compiled: &'a CompiledPolicy,
    municipality: &Municipality,
    direction: Direction,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    port: u16,
) -> Option<(Option<&'a str>, &'a str)> {
    let tables = &compiled.tables;
    let number = compiled.numbering.municipalities[&municipality.id];
    let (source, destination) = (tables.class(source), tables.class(destination));
    let entry = tables.first_rule(number, direction, source, destination, protocol, port)?;
    let doc = compiled.rule(entry.rule).expect("a rule of this policy");
    assert_eq!(entry.baseline, doc.municipality.is_none());
    let inspect = if doc.when_down == WhenDown::Splice { action::INSPECT_OR_FORWARD } else { action::INSPECT };
    assert_eq!(entry.action, [action::DENY, action::ALLOW, inspect][doc.action as usize]);
    Some((doc.municipality.as_deref(), &doc.name))
}

#[test]
fn a_rule_without_addresses_matches_both_families_and_an_empty_list_nobody() {
    let mut sendai = municipality("sendai", 101);
    let nobody = Rule { from: Some(Default::default()), ..rule("nobody", Action::Deny) };
    let nothing = Rule { services: Some(Vec::new()), ..rule("nothing", Action::Deny) };
    let web = Rule { services: Some(vec![tcp(80, 80)]), ..rule("web", Action::Allow) };
    sendai.egress.rules = vec![nobody, nothing, web, rule("rest", Action::Inspect)];
    let policy = prefecture(vec![sendai]);
    let compiled = compiled(&policy);
    for (address, port, expected) in
        [("198.51.100.4", 80, "web"), ("2001:db8::1", 80, "web"), ("198.51.100.4", 81, "rest")]
    {
        let address = address.parse().expect("an address");
        let municipality = &policy.municipalities[0];
        let found = first_rule(&compiled, municipality, Direction::Egress, address, address, 6, port);
        assert_eq!(found, Some((Some("sendai"), expected)));
        assert_eq!(first_rule(&compiled, municipality, Direction::Ingress, address, address, 6, port), None);
    }
}

#[test]
fn baseline_rules_stand_once_and_hold_in_every_rulebook() {
    let mut policy = prefecture(vec![municipality("natori", 102), municipality("sendai", 101)]);
    policy.baseline =
        vec![rule("both", Action::Deny), Rule { directions: vec![Direction::Ingress], ..rule("in", Action::Allow) }];
    policy.municipalities[1].egress.rules = vec![rule("own", Action::Allow)];
    let compiled = compiled(&policy);
    let names: Vec<_> = compiled.rules.iter().map(|it| (it.municipality.as_deref(), it.name.as_str())).collect();
    assert_eq!(names, [(None, "both"), (None, "in"), (Some("sendai"), "own")]);
    // Deny, allow, allow; nothing has number 0.
    assert_eq!(compiled.tables.rules, [0b01_01_00_00]);
    let book = compiled.tables.municipality(2).rulebooks[0];
    assert_eq!((book.baseline, book.own_rules), (2, 3));
}

#[test]
fn a_prefecture_without_municipalities_compiles() {
    let mut policy = prefecture(Vec::new());
    policy.baseline = vec![Rule {
        from: Some(fixture::nets(&["10.0.0.0/8"]).into()),
        services: Some(vec![tcp(80, 80)]),
        ..rule("web", Action::Deny)
    }];
    let compiled = compiled(&policy);
    assert_eq!(compiled.rules.len(), 1);
    assert!(compiled.tables.view_roots.is_empty() && compiled.tables.views.is_empty());
}

#[test]
fn attachments_are_found_by_port_and_tags() {
    let mut sendai = municipality("sendai", 101);
    sendai.attachments = vec![
        attachment("lan1", &[], &[]),
        attachment("lan0", &[101], &[]),
        attachment("lan0", &[200], &["10.4.0.1/24"]),
        attachment("lan0", &[200, 7], &["10.4.1.1/24"]),
    ];
    let natori = crate::checked::Municipality {
        attachments: vec![attachment("lan0", &[200, 8], &[]), attachment("lan1", &[300, 8], &[])],
        ..municipality("natori", 102)
    };
    let mut policy = prefecture(vec![sendai, natori]);
    policy.accesses.push("lan1".to_owned());
    let compiled = compiled(&policy);
    for (port, vlans, name) in [
        (2, &[][..], Some("sendai@lan1")),
        (1, &[], None),
        (1, &[101], Some("sendai@lan0.101")),
        (2, &[101], None),
        (1, &[101, 7], None),
        (1, &[200], Some("sendai@lan0.200")),
        (1, &[200, 7], Some("sendai@lan0.200.7")),
        (1, &[200, 8], Some("natori@lan0.200.8")),
        (1, &[200, 9], None),
        (2, &[300, 8], Some("natori@lan1.300.8")),
        (2, &[300], None),
    ] {
        let number = compiled.tables.attachment(port, vlans);
        assert_eq!(compiled.attachment_name(number as u16), name, "{port} {vlans:?}");
    }
    let inward = |id: &str| compiled.tables.municipality(compiled.numbering.municipalities[id]).attachment as u16;
    assert_eq!(compiled.attachment_name(inward("sendai")), Some("sendai@lan0.200"));
    assert_eq!(compiled.attachment_name(inward("natori")), Some("natori@lan0.200.8"));
}

#[test]
fn numbers_of_municipalities_that_left_are_not_present() {
    let before = prefecture(vec![municipality("natori", 102), municipality("sendai", 101)]);
    let after = prefecture(vec![municipality("sendai", 101)]);
    let numbering = &compiled(&before).glossary.numbering;
    let compiled = compile(&after, numbering).expect("fits");
    assert_eq!(*compiled.tables.municipality(1), Default::default());
    let flags = municipality_flags::PRESENT | municipality_flags::SYN_COOKIES;
    assert_eq!(compiled.tables.municipality(2).flags, flags);
    assert_eq!(compiled.municipality_name(1), Some("natori"));
}

#[test]
fn pool_addresses_are_in_network_order() {
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    policy.municipalities[0].nat_pool =
        vec![[203, 0, 113, 16].into(), [203, 0, 113, 17].into(), [203, 0, 113, 18].into()];
    let compiled = compiled(&policy);
    let images = compiled.tables.images();
    let pool = images.iter().find(|it| it.map == "POOL_ADDRESSES").expect("an image");
    assert_eq!(*pool.entries, [203, 0, 113, 16, 203, 0, 113, 17, 203, 0, 113, 18, 0, 0, 0, 0]);
    let entry = compiled.tables.municipality(1);
    assert_eq!((entry.pool, entry.pool_shape), (0, pool::shape(3, 3, 4)));
}

#[test]
fn images_have_the_stride_of_bpf_arrays() {
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    policy.municipalities[0].egress.rules = vec![rule("all", Action::Allow)];
    let compiled = compiled(&policy);
    let images = compiled.tables.images();
    let length = |map: &str| images.iter().find(|it| it.map == map).map(|it| it.entries.len());
    assert!(images.iter().all(|it| it.map.len() <= 15 && it.entries.len() % 8 == 0));
    assert_eq!(length("V4_ROOT"), Some(64 << 20));
    assert_eq!(length("V6_ROOT"), Some((8 << 20) + (256 << 10)));
    assert_eq!(length("MUNICIPALITIES"), Some(512 * 64));
    assert_eq!(length("VLANS"), Some(16 * 4096 * 4));
    assert_eq!(length("INNER_VLANS"), Some(0));
    let municipalities = images.iter().find(|it| it.map == "MUNICIPALITIES").expect("an image");
    let summaries = std::mem::offset_of!(abi::tables::Rulebook, summaries);
    assert_eq!(municipalities.entries[64 + summaries], 1, "municipality 1, egress rulebook");
}

#[test]
fn the_digest_is_of_the_bytes_and_repeatable() {
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    let first = compiled(&policy);
    assert_eq!(first.digest, compiled(&policy).digest);
    assert_eq!(first.digest.to_string().len(), 64);
    let images = first.tables.images();
    assert_eq!(crate::tables::digest_of(images.iter().map(|it| (it.map, &*it.entries))), first.digest);
    policy.municipalities[0].prefixes = fixture::nets(&["10.4.0.0/17"]);
    assert_ne!(first.digest, compiled(&policy).digest);
}

#[test]
fn a_million_single_addresses_share_their_nodes() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    let mut addresses: Vec<u32> = (0..1_000_000).map(|_| rng.random()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let prefixes = addresses.iter().map(|&it| IpNet::from(IpAddr::V4(it.into()))).collect();
    policy.sets.insert("threats".to_owned(), crate::checked::Set { prefixes, ..set(&[]) });
    policy.block = vec!["threats".to_owned()];
    let compiled = compiled(&policy);
    let (nodes, records) = (compiled.tables.nodes.len() / 256, compiled.tables.records.len());
    assert!(nodes < 10 && records < 40_000, "{nodes} nodes, {records} records");
    for _ in 0..20_000 {
        let address: u32 = if rng.random() { rng.random() } else { addresses[rng.random_range(0..addresses.len())] };
        let entry = compiled.tables.class_entry(compiled.tables.class(IpAddr::V4(address.into())));
        assert_eq!(entry.blocked != 0, addresses.binary_search(&address).is_ok());
    }
}

#[test]
fn too_many_rules_are_refused_where_they_stand() {
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    policy.baseline = vec![rule("base", Action::Deny)];
    let rules = (1..=16_400).map(|n| Rule { location: fixture::at("rules", n), ..rule(&n.to_string(), Action::Deny) });
    policy.municipalities[0].egress.rules = rules.collect();
    let error = compile(&policy, &Numbering::default()).expect_err("does not fit");
    assert_eq!((error.needed, error.limit), (16_401, 16_384));
    assert_eq!(error.location, Some(fixture::at("rules", 16_384)));
    policy.municipalities[0].egress.rules.truncate(16_383);
    let compiled = compiled(&policy);
    assert_eq!(u32::from(compiled.tables.municipality(1).rulebooks[0].summaries), limits::ROW_SUMMARIES);
    assert!(compiled.tables.v4_root.iter().all(|&entry| entry & POINTER != 0 || entry < 100));
}

#[test]
fn too_many_service_classes_are_refused_where_they_stand() {
    let mut policy = prefecture((0..6).map(|n| municipality(&format!("m{n}"), n)).collect());
    for (town, municipality) in (0_u32..).zip(&mut policy.municipalities) {
        let rules = (0..12_000).map(|n| {
            let port = town * 12_000 + n;
            let protocol = if port < 1 << 16 { 6 } else { 17 };
            let service = crate::checked::Service { protocol, ..tcp(port as u16, port as u16) };
            Rule {
                services: Some(vec![service]),
                location: fixture::at(&format!("m{town}"), n),
                ..rule("r", Action::Deny)
            }
        });
        municipality.egress.rules = rules.collect();
    }
    let error = compile(&policy, &Numbering::default()).map(drop).expect_err("65,536 classes and that of no list");
    assert_eq!((error.what, error.needed, error.limit), ("service classes", 65_537, 65_536));
    assert_eq!(error.location, Some(fixture::at("m5", 5_535)));
    policy.municipalities.truncate(5);
    assert_eq!(compiled(&policy).tables.service_views.len(), 60_001 * 6, "five egress rulebooks, and all the others");
}

#[test]
fn rows_that_do_not_fit_are_refused_where_they_stand() {
    let mut policy = prefecture((0..3).map(|n| municipality(&format!("m{n}"), n)).collect());
    for (town, municipality) in (0_u16..).zip(&mut policy.municipalities) {
        let rules = (0..16_384_u16).map(|n| {
            // Odd factors, so that each port is one rule's first and last but others' in each municipality.
            let port = n.wrapping_mul(2 * town + 77) % 16_384;
            let services = Some(vec![tcp(2 * port, 32_767 + 2 * port)]);
            Rule { services, location: fixture::at(&format!("m{town}"), n.into()), ..rule("r", Action::Deny) }
        });
        municipality.egress.rules = rules.collect();
    }
    let error =
        compile(&policy, &Numbering::default()).map(drop).expect_err("nearly every port is in half of the rules");
    assert_eq!((error.what, error.limit), ("words of rule rows", u64::from(limits::ROW_WORDS)));
    let location = error.location.expect("a rule");
    assert!(location.file.starts_with('m'), "{location}");
    policy.municipalities.truncate(1);
    compiled(&policy);
}

#[test]
fn what_does_not_fit_is_shown_where_it_stands() {
    let files = [("municipalities/sendai.toml".to_owned(), "id = 1\n  name = \"規則\"\r\n".into())];
    let source = crate::Source { files: files.into() };
    let location = Some(Location { column: 10, ..fixture::at("municipalities/sendai.toml", 2) });
    let error = CapacityError { what: "words of rule rows", needed: 9, limit: 8, location };
    let diagnostic = error.diagnostic(&source);
    assert_eq!(&source.files["municipalities/sendai.toml"][diagnostic.span.clone()], "\"規則\"".as_bytes());
    assert_eq!(
        error.to_string(),
        "words of rule rows: 9 needed, 8 fit, and no more from municipalities/sendai.toml:2:10 on"
    );
    let nowhere = CapacityError { location: None, ..error }.diagnostic(&source);
    assert_eq!((nowhere.location.file.as_str(), nowhere.span), ("prefecture.toml", 0..0));
}

#[test]
fn events_become_names() {
    use abi::event::{Event, parsed};
    let mut policy = prefecture(vec![municipality("sendai", 101)]);
    policy.sets.insert("threats".to_owned(), set(&["198.51.100.0/24"]));
    policy.municipalities[0].egress.rules = vec![rule("web", Action::Allow)];
    let compiled = compiled(&policy);
    let event = Event {
        source: abi::Address::from_v4_word(u32::from_ne_bytes([10, 4, 20, 7])),
        destination: abi::Address::from_v4_word(u32::from_ne_bytes([198, 51, 100, 9])),
        generation: 5,
        rule: 1,
        source_port: 8,
        municipality: 1,
        reason: abi::Reason::Blocked as u16,
        set: 1,
        verdict: abi::Verdict::Local as u8,
        direction: 1,
        vlans: [101, 7],
        vlan_count: 1,
        protocol: 58,
        parsed: parsed::ADDRESSES | parsed::PORTS | parsed::FRAGMENT,
        ..Event::default()
    };
    let judgement = compiled.describe(&event);
    assert_eq!(
        judgement,
        crate::Judgement {
            vlans: vec![101],
            source: Some("10.4.20.7".parse().expect("an address")),
            destination: Some("198.51.100.9".parse().expect("an address")),
            protocol: None,
            source_port: Some(8),
            destination_port: Some(0),
            fragment: true,
            direction: Direction::Ingress,
            verdict: abi::Verdict::Local,
            reason: abi::Reason::Blocked,
            set: Some("threats".to_owned()),
            rule: Some("web".to_owned()),
            limit: None,
            municipality: Some("sendai".to_owned()),
            generation: 5,
        }
    );
    let nothing = compiled.describe(&Event::default());
    assert_eq!((nothing.set, nothing.rule, nothing.municipality, nothing.source), (None, None, None, None));
    assert_eq!(compiled.port_name(1), Some("lan0"));
}
