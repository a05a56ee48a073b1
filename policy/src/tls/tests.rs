//! Rulings are those of a reading of the rules that knows no index: rule after rule, list after list, name after name.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::Policy;
use crate::checked::{Addresses, Hosts, TlsRule};
use crate::source::Source;

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "asagiri"
name = "朝霧県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
abroad = { prefixes = ["198.51.100.0/24", "2001:db8:99::/48"] }
offices = { prefixes = ["198.51.100.7", "203.0.113.0/28"] }
[[baseline]]
name = "web"
direction = "egress"
ports = ["tcp"]
action = "inspect"
[names]
banks = { file = "names/banks.txt", names = [".bank.jp"] }
gov = { names = [".go.jp", "www.bank.jp", "日本語.jp"] }
games = { names = ["game.example", ".jp"] }
[tls]
default = "splice"
resolvers = ["192.0.2.53", "[2001:db8::53]:5353"]
"#;

const SHIOMI: &str = r#"id = "shiomi"
name = "潮見市"
attach = [{ port = "lan0", vlan = 101, address = ["10.10.0.1/16", "2001:db8:101::1/64"] }]
prefixes = ["10.10.0.0/16", "2001:db8:101::/48"]
[sections]
taxation = ["10.10.20.0/24", "2001:db8:101::20:0/112"]
"#;

const NAMES: [&str; 12] = [
    "www.bank.jp",
    "bank.jp",
    "WWW.Bank.JP.",
    "a.b.bank.jp",
    "xbank.jp",
    "go.jp",
    "www.go.jp",
    "game.example",
    "www.game.example",
    "xn--wgv71a119e.jp",
    "日本語.jp",
    "example",
];
const NOT_NAMES: [&str; 5] = [".bank.jp", "bank..jp", "192.0.2.1", "*.bank.jp", "bank.jp\u{0}"];
const JA4: [&str; 2] = ["t13d1516h2_8daaf6152771_b186095e22b6", "t12d1209h1_d34a8e72043a_b39be8c56a14"];
const ALPN: [&str; 3] = ["h2", "http/1.1", "h3"];
const CLIENTS: [&str; 5] = ["10.10.20.7", "10.10.7.7", "::ffff:10.10.20.9", "2001:db8:101::20:7", "2001:db8:101::7"];
const SERVERS: [&str; 6] =
    ["198.51.100.7", "198.51.100.8", "::ffff:203.0.113.3", "203.0.113.77", "2001:db8:99::1", "2001:db8:77::1"];

/// One condition, or none: few enough values that rules and questions meet.
fn condition(rng: &mut StdRng, municipal: bool) -> String {
    let list = |rng: &mut StdRng, words: &[&str]| {
        let some: Vec<String> =
            (0..rng.random_range(1..3)).map(|_| format!("\"{}\"", words.choose(rng).expect("some"))).collect();
        format!("[{}]", some.join(", "))
    };
    let froms: &[&str] = if municipal {
        &["taxation", "10.10.7.0/24", "2001:db8:101::/64"]
    } else {
        &["10.10.0.0/20", "2001:db8:101::/48"]
    };
    match rng.random_range(0..9) {
        0 => format!("from = {}\n", list(rng, froms)),
        1 => format!("to = {}\n", list(rng, &["@abroad", "@offices", "203.0.113.0/24", "2001:db8:77::1"])),
        2 => format!("ports = {}\n", list(rng, &["tcp/443", "tcp/8000-8099", "udp/443", "tcp"])),
        3 => format!("speaks = {}\n", list(rng, &["tls", "tls", "quic", "http", "server-first", "silence"])),
        4 | 5 => {
            let names = ["@banks", "@gov", "@games", "none", "www.bank.jp", ".bank.jp", ".example", "日本語.JP"];
            format!("sni = {}\n", list(rng, &names))
        }
        6 => format!("ja4 = {}\n", list(rng, &JA4)),
        7 => format!("alpn = {}\n", list(rng, &ALPN)),
        _ => format!("ech = \"{}\"\n", ["absent", "offered"].choose(rng).expect("some")),
    }
}

fn rules(rng: &mut StdRng, municipal: bool) -> String {
    let mut text = String::new();
    for number in 0..rng.random_range(0..8) {
        let mut conditions: Vec<String> = (0..rng.random_range(1..4)).map(|_| condition(rng, municipal)).collect();
        conditions.sort();
        conditions.dedup_by_key(|it| it.split(' ').next().map(str::to_owned));
        let action = [
            "splice\"\ntrust_sni = true",
            "splice\"",
            "inspect\"\nclient_certificates = \"splice\"",
            "inspect\"",
            "block\"",
        ];
        let action = action.choose(rng).expect("some");
        let _ = write!(text, "[[tls.rule]]\nname = \"r{number}\"\n{}action = \"{action}\n", conditions.concat());
    }
    text
}

fn policy(rng: &mut StdRng) -> Policy {
    let files = [
        ("prefecture.toml", PREFECTURE.to_owned() + &rules(rng, false)),
        ("municipalities/shiomi.toml", SHIOMI.to_owned() + &rules(rng, true)),
        ("names/banks.txt", "# banks\nwww.Example.\r\nbank.jp # again\n.xn--wgv71a119e.jp\n".to_owned()),
    ];
    let checked =
        crate::check(&Source { files: files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into() });
    checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

/// The rule that decides and its layer, found without any index.
fn naive<'p>(policy: &'p Policy, asked: &Asked<'_>) -> Option<(Layer, &'p TlsRule)> {
    let own = &policy.municipalities[0].tls.rules;
    let above = policy.tls.rules.iter().map(|rule| (Layer::Prefecture, rule));
    above.chain(own.iter().map(|rule| (Layer::Municipality, rule))).find(|(_, rule)| matches(rule, asked))
}

fn matches(rule: &TlsRule, asked: &Asked<'_>) -> bool {
    let hello = matches!(asked.opening, Opening::Tls | Opening::Quic);
    let plain = |address: IpAddr| match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let inside = |side: &Option<Addresses>, address| {
        side.as_ref().is_none_or(|side| side.prefixes().any(|prefix| prefix.contains(&plain(address))))
    };
    let protocol = if asked.transport == Transport::Udp { 17 } else { 6 };
    inside(&rule.from, asked.client)
        && inside(&rule.to, asked.destination.ip())
        && rule.services.as_ref().is_none_or(|services| {
            services.iter().any(|service| {
                let (first, last) = service.ports.unwrap_or((0, u16::MAX));
                service.protocol == protocol && first <= asked.destination.port() && asked.destination.port() <= last
            })
        })
        && rule.speaks.as_ref().is_none_or(|speaks| speaks.contains(&asked.opening))
        && rule.sni.as_ref().is_none_or(|hosts| hello && named(hosts, asked.sni))
        && rule.ja4.as_ref().is_none_or(|list| hello && asked.ja4.is_some_and(|ja4| list.contains(&ja4.to_owned())))
        && rule.alpn.as_ref().is_none_or(|list| {
            hello && asked.alpn.iter().any(|offered| list.iter().any(|wanted| wanted.as_bytes() == *offered))
        })
        && rule.ech.is_none_or(|ech| hello && ech == asked.ech)
}

fn named(hosts: &Hosts, sni: Option<&str>) -> bool {
    let Some(sni) = sni else { return hosts.none };
    let Some(name) = NAMES.contains(&sni).then(|| sni.trim_end_matches('.').to_lowercase()) else { return false };
    let name = if name == "日本語.jp" { "xn--wgv71a119e.jp".to_owned() } else { name };
    hosts.lists().flat_map(Names::iter).any(|listed| match listed.strip_prefix('.') {
        Some(above) => name == above || name.ends_with(listed),
        None => name == listed,
    })
}

#[test]
fn rulings_are_those_of_reading_rule_after_rule() {
    let mut rng = StdRng::seed_from_u64(9);
    let (mut by_name, mut by_default, mut by_others) = (0, 0, 0);
    for round in 0..200 {
        let policy = policy(&mut rng);
        let view = View::of(&policy, "shiomi").expect("it is there");
        // As it arrives in another process.
        let sent = serde_json::to_string(&view).expect("it is data");
        let decider = Decider::new(serde_json::from_str(&sent).expect("as sent")).expect("sound");
        for question in 0..60 {
            let one = |rng: &mut StdRng, words: &[&'static str]| *words.choose(rng).expect("some");
            let sni = match rng.random_range(0..8) {
                0 => None,
                1 => Some(one(&mut rng, &NOT_NAMES)),
                _ => Some(one(&mut rng, &NAMES)),
            };
            let alpn: Vec<&[u8]> = ALPN.iter().filter(|_| rng.random()).map(|word| word.as_bytes()).collect();
            let (_, opening) = *Opening::WORDS.choose(&mut rng).expect("some");
            let opening = if rng.random() { Opening::Tls } else { opening };
            let asked = Asked {
                client: one(&mut rng, &CLIENTS).parse().expect("an address"),
                destination: SocketAddr::new(
                    one(&mut rng, &SERVERS).parse().expect("an address"),
                    *[443, 8_042, 22].choose(&mut rng).expect("some"),
                ),
                transport: *opening.transports().choose(&mut rng).expect("some"),
                opening,
                sni,
                ja4: rng.random::<bool>().then(|| one(&mut rng, &JA4)),
                alpn: &alpn,
                ech: if rng.random() { Ech::Offered } else { Ech::Absent },
            };
            let expected = naive(&policy, &asked);
            let ruling = decider.decide(&asked);
            let about = || format!("round {round}, question {question}: {asked:?}\n{view:#?}");
            let found = ruling.rule.map(|rule| (rule.layer, rule.name.as_str(), rule.line));
            let wanted = expected.map(|(layer, rule)| (layer, rule.name.as_str(), rule.location.line));
            assert_eq!(found, wanted, "{}", about());
            let says = expected.map_or((TlsAction::Splice, false, ClientCertificates::Refuse), |(_, rule)| {
                (rule.action, rule.trust_sni, rule.client_certificates)
            });
            assert_eq!((ruling.action, ruling.trust_sni, ruling.client_certificates), says, "{}", about());
            *match expected {
                Some((_, rule)) if rule.sni.is_some() => &mut by_name,
                Some(_) => &mut by_others,
                None => &mut by_default,
            } += 1;
        }
    }
    assert!(by_name > 500 && by_default > 500 && by_others > 500, "of all: {by_name}, {by_default}, {by_others}");
}

#[test]
fn a_view_has_what_the_municipality_left_unsaid_from_the_prefecture_and_lists_once() {
    let rules = "[[tls.rule]]\nname = \"a\"\nsni = [\"@banks\", \"a.jp\"]\naction = \"block\"\n\
                 [[tls.rule]]\nname = \"b\"\nsni = [\"@banks\"]\nto = [\"@abroad\"]\naction = \"splice\"\n";
    let own = "[tls]\nbypass = { mode = \"suggest\", clients = 7 }\nlimits = { sessions = 10 }\n[[tls.rule]]\nname = \"c\"\nfrom = [\"taxation\"]\n\
               to = [\"@abroad\"]\nsni = [\"@banks\"]\naction = \"inspect\"\n";
    let files = [
        (
            "prefecture.toml",
            PREFECTURE.to_owned()
                + "bypass = { mode = \"automatic\", clients = 9, within = \"2h\" }\non_bad_certificate = \"page\"\n"
                + rules,
        ),
        ("municipalities/shiomi.toml", SHIOMI.to_owned() + own),
        ("names/banks.txt", String::new()),
    ];
    let checked =
        crate::check(&Source { files: files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into() });
    let policy = checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
    let view = View::of(&policy, "shiomi").expect("it is there");
    assert_eq!(view.rules.iter().map(|it| it.rule.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!((view.names.len(), view.addresses.len()), (2, 2), "{view:#?}");
    assert!(view.names.iter().any(|names| names.is_same(&policy.names["banks"].names)));
    let terms = BypassTerms { mode: Bypass::Suggest, clients: 7, within_seconds: 7_200, ..BypassTerms::default() };
    assert_eq!((view.default, view.bypass), (TlsAction::Splice, terms), "what the municipality leaves out is above");
    assert_eq!(BypassTerms::for_municipality(&policy, "shiomi"), Some(terms));
    assert_eq!((view.on_bad_certificate, view.limits.sessions), (OnBadCertificate::Page, 10));
    assert_eq!(view.limits.memory_mib, limits::MEMORY_MIB.default);
    let resolvers: Vec<String> = view.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(resolvers, ["192.0.2.53:53", "[2001:db8::53]:5353"]);
    assert!(view.is_gateway("::ffff:10.10.0.1".parse().expect("an address")));
    assert!(View::of(&policy, "shirakaba").is_none());
}

#[test]
fn a_view_that_does_not_hold_together_is_refused() {
    let view = View::of(&policy(&mut StdRng::seed_from_u64(1)), "shiomi").expect("it is there");
    let refused = |change: &dyn Fn(&mut View)| {
        let mut view = view.clone();
        change(&mut view);
        Decider::new(view).expect_err("it is bad")
    };
    assert_eq!(refused(&|view| view.version += 1), BadView::Version(VIEW_VERSION + 1));
    let lists = 2 * lookup::LISTS;
    assert_eq!(refused(&|view| view.names = vec![Names::default(); lists]), BadView::TooManyLists(lists));
    let far = |view: &mut View| view.rules.first_mut().expect("there is a rule").to = Some(vec![9_999]);
    assert_eq!(refused(&far), BadView::NoSuchList(view.rules[0].rule.name.clone()));
}
