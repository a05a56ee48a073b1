//! Policies of many rules and many lines: what rules share, who covers whom, and where mistakes are in long files.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use policy::checked::{Policy, Rule};
use policy::{Source, check, render};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "asagiri"
name = "朝霧県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
listed = { file = "sets/listed.netset" }
partners = { prefixes = ["198.51.100.0/24", "203.0.113.0/25"] }
also-partners = { prefixes = ["203.0.113.0/25", "198.51.100.0/25", "198.51.100.128/25"] }
[block]
sets = ["listed"]
"#;

fn municipality(number: usize, rules: &str) -> String {
    format!(
        "id = \"m{number}\"\nname = \"第{number}市\"\n\
         attach = [{{ port = \"lan0\", vlan = {}, address = [\"10.{number}.0.1/16\"] }}]\n\
         prefixes = [\"10.{number}.0.0/16\"]\n\
         [sections]\nschool = [\"10.{number}.1.0/24\", \"10.{number}.3.0/24\"]\n[egress]\ndefault = \"deny\"\n{rules}",
        101 + number
    )
}

fn rule(number: usize, to: &str) -> String {
    format!("[[egress.rule]]\nname = \"r{number}\"\nto = [{to}]\nports = [\"tcp/{number}\"]\naction = \"allow\"\n")
}

fn source(listed: &str, municipalities: &[String]) -> Source {
    let mut source = Source::default();
    let mut add = |path: String, text: &str| source.files.insert(path, text.as_bytes().to_vec());
    add("prefecture.toml".to_owned(), PREFECTURE);
    add("sets/listed.netset".to_owned(), listed);
    for (number, text) in municipalities.iter().enumerate() {
        add(format!("municipalities/m{number:02}.toml"), text);
    }
    source
}

fn checked(source: &Source) -> Policy {
    let checked = check(source);
    checked.policy.unwrap_or_else(|| panic!("{}", render(source, &checked.diagnostics, false)))
}

#[test]
fn lists_exist_once_in_whatever_order_they_are_named() {
    let lists = [
        "\"@partners\"",
        "\"@also-partners\"",
        "\"@listed\", \"@partners\", \"192.0.2.77\"",
        "\"192.0.2.77\", \"@partners\", \"@listed\", \"@also-partners\"",
        "\"192.0.2.77/32\", \"198.51.100.9\", \"@partners\", \"@listed\"",
    ];
    let rules: String = lists.iter().enumerate().map(|(number, to)| rule(number, to)).collect();
    let towns: Vec<String> = (0..2).map(|number| municipality(number, &rules)).collect();
    let policy = checked(&source("192.0.2.0/26\n", &towns));
    let to = |town: usize, rule: usize| policy.municipalities[town].egress.rules[rule].to.as_ref().unwrap().lists();
    let partners = &policy.sets["partners"].prefixes;
    assert_eq!(partners.len(), 2);
    for town in 0..2 {
        for rule in 0..2 {
            assert!(matches!(to(town, rule), [list] if list.is_same(partners)), "equal sets are one list");
        }
        for rule in 2..5 {
            let [own, listed, named] = to(town, rule) else { panic!("{:?}", to(town, rule)) };
            assert!(own.is_same(&to(0, 2)[0]) && own.len() == 1, "what a set holds is not spelled out again: {own:?}");
            assert!(listed.is_same(&policy.sets["listed"].prefixes) || named.is_same(&policy.sets["listed"].prefixes));
            assert!(listed.is_same(partners) || named.is_same(partners));
            assert_eq!(to(town, rule), to(0, 2));
        }
    }
}

#[test]
fn sections_belong_to_one_municipality_and_are_shared_within() {
    let rules: String = (0..3)
        .map(|n| {
            format!(
                "[[egress.rule]]\nname = \"r{n}\"\nfrom = [\"school\"]\nports = [\"tcp/{n}\"]\naction = \"allow\"\n"
            )
        })
        .collect();
    let policy = checked(&source("192.0.2.1\n", &[municipality(0, &rules), municipality(1, &rules)]));
    let from =
        |town: usize, rule: usize| &policy.municipalities[town].egress.rules[rule].from.as_ref().unwrap().lists()[0];
    assert!(from(0, 0).is_same(from(0, 2)) && !from(0, 0).is_same(from(1, 0)));
    assert_eq!(from(1, 2).iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.1.0/24", "10.1.3.0/24"]);
}

/// Lines of all shapes that a feed has.
fn feed(rng: &mut StdRng, count: usize) -> Vec<String> {
    let line = |rng: &mut StdRng| {
        let length = [32, 32, 28, 24, 20][rng.random_range(0..5)];
        let address =
            std::net::Ipv4Addr::from(rng.random_range(0x0100_0000..0xdf00_0000_u32) >> (32 - length) << (32 - length));
        match (rng.random_range(0..20), length) {
            (0, _) => format!("2001:db8:{:x}::/48", rng.random::<u16>()),
            (1, _) => format!("  {address}/{length} # why"),
            (2, _) => format!("{address}/{length}\r"),
            (_, 32) => address.to_string(),
            _ => format!("{address}/{length}"),
        }
    };
    (0..count).map(|_| line(rng)).collect()
}

#[test]
fn the_order_and_the_shape_of_lines_mean_nothing() {
    let mut rng = StdRng::seed_from_u64(4);
    let mut lines = feed(&mut rng, 50_000);
    let towns = [municipality(0, "")];
    let one = checked(&source(&lines.join("\n"), &towns));
    lines.sort_by_key(|line| line.trim().to_owned());
    let sorted = checked(&source(&format!("{}\n", lines.join("\n")), &towns));
    lines.shuffle(&mut rng);
    let plain: String = lines.iter().map(|line| format!("\t{} \n\n", line.split('#').next().unwrap().trim())).collect();
    let other = checked(&source(&plain, &towns));
    assert_eq!(one, sorted);
    assert_eq!(one, other);
    let prefixes = &one.sets["listed"].prefixes;
    assert!(prefixes.len() > 30_000 && prefixes.is_sorted(), "{}", prefixes.len());
}

#[test]
fn a_broken_line_deep_inside_a_file_is_shown_where_it_is() {
    let mut lines = feed(&mut StdRng::seed_from_u64(5), 30_000);
    let wrong = [
        "192.0.2.300",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "192.0.2.007",
        "192.0.2.0/24 x",
        "１９２.0.2.1",
        "2001:db8::/129",
    ];
    for (number, text) in wrong.iter().enumerate() {
        lines[20_000 + 1_000 * number] = format!("  {text}");
    }
    let source = source(&lines.join("\n"), &[municipality(0, "")]);
    let mut checked = check(&source);
    assert!(checked.policy.is_none());
    checked.diagnostics.retain(policy::Diagnostic::is_error);
    let found: Vec<(u32, u32)> = checked.diagnostics.iter().map(|it| (it.location.line, it.location.column)).collect();
    let expected: Vec<(u32, u32)> = (0..wrong.len() as u32).map(|number| (20_001 + 1_000 * number, 3)).collect();
    assert_eq!(found, expected);
    for (diagnostic, text) in checked.diagnostics.iter().zip(wrong) {
        assert_eq!(source.files["sets/listed.netset"][diagnostic.span.clone()], *text.as_bytes());
    }
}

/// Enough text for several threads.
#[test]
fn mistakes_in_many_files_come_in_the_order_of_the_files() {
    let rules: String = (0..400).map(|number| rule(number, "\"203.0.113.1\"")).collect();
    let mut towns: Vec<String> = (0..40).map(|number| municipality(number, &rules)).collect();
    for (number, town) in towns.iter_mut().enumerate() {
        for at in [7, 300] {
            *town = town.replace(
                &format!("\"r{at}\"\nto = [\"203.0.113.1\"]"),
                &format!("\"r{at}\"\nto = [\"@nobody-{number}\"]"),
            );
        }
        if number % 9 == 0 {
            town.push_str("[limits\nflows = x\n");
        }
    }
    let source = source("192.0.2.1\n192.0.2.x\n", &towns);
    let errors = || {
        let diagnostics = check(&source).diagnostics.into_iter();
        diagnostics.filter(policy::Diagnostic::is_error).collect::<Vec<_>>()
    };
    let diagnostics = errors();
    let places: Vec<_> = diagnostics.iter().map(|it| (it.location.file.clone(), it.location.line)).collect();
    assert!(places.is_sorted());
    assert!(places.len() > 80 + 5, "{}", places.len());
    assert_eq!(places.iter().map(|(file, _)| file).collect::<BTreeSet<_>>().len(), 41);
    for _ in 0..5 {
        assert_eq!(errors(), diagnostics);
    }
}

/// What a rule matches, as far as the test's addresses and ports go; nothing else can tell two of its rules apart.
fn matched(rule: &Rule) -> [BTreeSet<u32>; 3] {
    let inside = |side: &Option<policy::checked::Addresses>, base: u32| -> BTreeSet<u32> {
        // One more than a list can hold, which only "any" has.
        let universe = (0..9).map(|it| if it == 8 { 0xffff_ffff } else { base + it });
        let holds = |address: &u32| {
            let address = std::net::IpAddr::from(address.to_be_bytes());
            side.as_ref().is_none_or(|side| side.prefixes().any(|prefix| prefix.contains(&address)))
        };
        universe.filter(holds).collect()
    };
    let ports = (0..9).filter(|&port| {
        rule.services.as_ref().is_none_or(|services| {
            services.iter().any(|it| {
                port < 8 && it.protocol == 6 && it.ports.is_none_or(|(first, last)| first <= port && port <= last)
            })
        })
    });
    [inside(&rule.from, 0x0a00_0000), inside(&rule.to, 0xc633_6400), ports.map(u32::from).collect()]
}

#[test]
fn rules_that_cannot_match_are_those_that_comparing_all_pairs_finds() {
    let mut rng = StdRng::seed_from_u64(6);
    let mut found = 0;
    for round in 0..60 {
        let mut text = String::new();
        let sections = ["10.0.0.0/30", "10.0.0.4/31", "10.0.0.6"];
        for number in 0..40 {
            let addresses = |rng: &mut StdRng, base: &str, names: &[&str]| {
                let some: Vec<String> = (0..rng.random_range(1..4))
                    .map(|_| match rng.random_range(0..3) {
                        0 => format!("\"{}\"", names[rng.random_range(0..names.len())]),
                        _ => format!("\"{base}.{}\"", rng.random_range(0..8)),
                    })
                    .collect();
                some.join(", ")
            };
            writeln!(text, "[[egress.rule]]\nname = \"r{number}\"\naction = \"deny\"").unwrap();
            if rng.random_bool(0.7) {
                writeln!(text, "from = [{}]", addresses(&mut rng, "10.0.0", &["low", "mid", "top"])).unwrap();
            }
            if rng.random_bool(0.7) {
                writeln!(text, "to = [{}]", addresses(&mut rng, "198.51.100", &["@four", "@two", "@listed"])).unwrap();
            }
            if rng.random_bool(0.8) {
                let first = rng.random_range(0..8);
                writeln!(text, "ports = [\"tcp/{first}-{}\"]", rng.random_range(first..8)).unwrap();
            }
        }
        let mut town = municipality(0, &text);
        let named =
            format!("low = [\"{}\"]\nmid = [\"{}\"]\ntop = [\"{}\"]\nschool", sections[0], sections[1], sections[2]);
        town = town.replace("school", &named);
        let mut source = source("198.51.100.6/31\n", &[town]);
        let sets = "four = { prefixes = [\"198.51.100.0/30\"] }\ntwo = { prefixes = [\"198.51.100.4/31\"] }\nlisted";
        let prefecture = PREFECTURE.replacen("listed", sets, 1);
        source.files.insert("prefecture.toml".to_owned(), prefecture.into_bytes());
        let checked = check(&source);
        let policy = checked.policy.unwrap_or_else(|| panic!("{}", render(&source, &checked.diagnostics, false)));
        let rules = &policy.municipalities[0].egress.rules;
        let all: Vec<_> = rules.iter().map(matched).collect();
        let covers = |one: &[BTreeSet<u32>; 3], other: &[BTreeSet<u32>; 3]| {
            one.iter().zip(other).all(|(outer, inner)| inner.is_subset(outer))
        };
        let expected: Vec<(String, String)> = (0..rules.len())
            .filter_map(|later| {
                let earlier = (0..later).find(|&earlier| covers(&all[earlier], &all[later]))?;
                Some((rules[later].name.clone(), rules[earlier].name.clone()))
            })
            .collect();
        let said: Vec<(String, String)> = checked
            .diagnostics
            .iter()
            .filter(|it| it.code == "unreachable-rule")
            .map(|it| {
                let names: Vec<&str> = it.message.split('`').collect();
                (names[1].to_owned(), names[3].to_owned())
            })
            .collect();
        assert_eq!(said, expected, "round {round}\n{text}");
        found += said.len();
    }
    assert!(found > 300, "the rounds are about something: {found}");
}
