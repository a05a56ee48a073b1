//! What is reached by the proxy is what the model lets a client's own first segment reach, and nobody's inside.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use abi::{Reason, Verdict};
use etherparse::PacketBuilder;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::{Model, Policy, Source};

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
[isolation]
essential = ["198.51.100.53", "2001:db8:99::53"]
[proxy]
port = 8080
bypass = [".lg.jp", "www.example.jp", "172.20.0.0/14", "2001:db8:77::/48"]
[tls]
resolvers = ["192.0.2.53"]
"#;
const SHIOMI: &str = r#"name = "潮見市"
attach = [{ port = "lan0", vlan = 101, address = ["10.10.0.1/16", "2001:db8:101::1/64"] }]
prefixes = ["10.10.0.0/16", "2001:db8:101::/48"]
"#;
const SHIRAKABA: &str = r#"id = "shirakaba"
name = "白樺町"
attach = [{ port = "lan0", vlan = 102, address = ["10.30.0.1/16"] }]
prefixes = ["10.30.0.0/16"]
[nat]
pool = ["203.0.113.200"]
[proxy]
port = 3128
"#;
const CLIENTS: [&str; 4] = ["10.10.20.7", "10.10.7.7", "2001:db8:101::20:7", "2001:db8:101::7"];
const SERVERS: [&str; 12] = [
    "198.51.100.7",
    "198.51.100.8",
    "198.51.100.53",
    "203.0.113.3",
    "203.0.113.77",
    "203.0.113.200",
    "10.30.0.5",
    "10.40.0.5",
    "10.10.0.1",
    "2001:db8:99::1",
    "2001:db8:99::53",
    "2001:db8:77::1",
];

fn rules(rng: &mut StdRng, table: &str, baseline: bool) -> String {
    let mut text = String::new();
    for number in 0..rng.random_range(0..6) {
        let _ = writeln!(text, "[[{table}]]\nname = \"r{number}\"");
        let inside: &[&str] =
            if baseline { &["10.10.0.0/20", "2001:db8:101::/64"] } else { &["taxation", "10.10.7.7"] };
        let sides =
            [("from", inside), ("to", &["@abroad", "@offices", "203.0.113.77", "2001:db8:77::/48", "10.0.0.0/8"])];
        for (side, words) in sides {
            if let Some(word) = words.choose(rng).filter(|_| rng.random_bool(0.4)) {
                let _ = writeln!(text, "{side} = [\"{word}\"]");
            }
        }
        if rng.random_bool(0.6) {
            let ports = ["tcp/443", "tcp/80-90", "udp", "tcp"].choose(rng).copied().unwrap_or("tcp");
            let _ = writeln!(text, "ports = [\"{ports}\"]");
        }
        if baseline && rng.random_bool(0.5) {
            let direction = ["egress", "ingress", "both"].choose(rng).copied().unwrap_or("both");
            let _ = writeln!(text, "direction = \"{direction}\"");
        }
        let _ = writeln!(text, "action = \"{}\"", ["allow", "deny"].choose(rng).copied().unwrap_or("deny"));
    }
    text
}

fn policy(rng: &mut StdRng) -> Policy {
    let isolated = ["", "isolated = true\n", "isolated = [\"taxation\"]\n", ""].choose(rng).copied().unwrap_or("");
    let default = ["allow", "deny"].choose(rng).copied().unwrap_or("deny");
    let sections = "[sections]\ntaxation = [\"10.10.20.0/24\", \"2001:db8:101::20:0/112\"]\n";
    let own = rules(rng, "egress.rule", false);
    let shiomi = format!("id = \"shiomi\"\n{SHIOMI}{isolated}{sections}[egress]\ndefault = \"{default}\"\n{own}");
    let files = [
        ("prefecture.toml", PREFECTURE.to_owned() + &rules(rng, "baseline", true)),
        ("municipalities/shiomi.toml", shiomi),
        ("municipalities/shirakaba.toml", SHIRAKABA.to_owned()),
    ];
    let checked =
        crate::check(&Source { files: files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into() });
    checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn syn(from: IpAddr, to: SocketAddr) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let builder = match (from, to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => builder.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => builder.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two families"),
    };
    let mut frame = Vec::new();
    builder.tcp(40_000, to.port(), 1, 1_000).syn().write(&mut frame, &[]).expect("room enough");
    frame
}

/// As it arrives in another process.
fn sent(policy: &Policy) -> View {
    let view = View::of(policy, "shiomi").expect("it is there");
    serde_json::from_str(&serde_json::to_string(&view).expect("it is data")).expect("as sent")
}

#[test]
fn the_proxy_reaches_what_the_client_reaches() {
    let mut rng = StdRng::seed_from_u64(11);
    let (mut open, mut by_rule, mut by_default, mut isolated, mut ours) = (0, 0, 0, 0, 0);
    for round in 0..300 {
        let policy = policy(&mut rng);
        let reach = Reach::new(&sent(&policy)).expect("it holds together").expect("there is a proxy");
        for client in CLIENTS {
            for server in SERVERS {
                let client: IpAddr = client.parse().expect("an address");
                let port = *[443, 85, 22].choose(&mut rng).expect("some");
                let server = SocketAddr::new(server.parse().expect("an address"), port);
                if client.is_ipv4() != server.is_ipv4() {
                    continue;
                }
                let mut model = Model::new(&policy, 1);
                let (port, frame) = crate::model::enter("lan0.101", &syn(client, server)).expect("a port");
                let judgement = model.judge(port, 0, &frame);
                let found = reach.judge(client, server);
                let about = || format!("round {round}: {client} > {server}: {judgement:?}, {found:?}\n{policy:#?}");
                match found {
                    Ok(rule) => {
                        assert!(matches!(judgement.verdict, Verdict::Forward | Verdict::Inspect), "{}", about());
                        assert_eq!(rule.map(|rule| rule.name.clone()), judgement.rule, "{}", about());
                        open += 1;
                    }
                    Err(Refused::Ours) => {
                        let is_ours = |text: &&str| text.parse() == Ok(server.ip());
                        assert!(["203.0.113.200", "10.30.0.5", "10.10.0.1"].iter().any(is_ours), "{}", about());
                        ours += 1;
                    }
                    Err(refused) => {
                        assert_eq!(judgement.verdict, Verdict::Drop, "{}", about());
                        let (reasons, rule): (&[Reason], _) = match refused {
                            Refused::Rule(rule) => (&[Reason::BaselineRule, Reason::Rule], Some(rule.name.clone())),
                            Refused::Default => (&[Reason::DefaultDeny], None),
                            _ => (&[Reason::Isolated], None),
                        };
                        assert!(reasons.contains(&judgement.reason) && rule == judgement.rule, "{}", about());
                        *match refused {
                            Refused::Rule(_) => &mut by_rule,
                            Refused::Default => &mut by_default,
                            _ => &mut isolated,
                        } += 1;
                    }
                }
            }
        }
    }
    let all = [open, by_rule, by_default, isolated, ours];
    assert!(all.iter().all(|count| *count > 100), "of all: {all:?}");
}

#[test]
fn what_no_host_has_is_never_reached() {
    let mut rng = StdRng::seed_from_u64(1);
    let reach = Reach::new(&sent(&policy(&mut rng))).expect("sound").expect("there is a proxy");
    let client = CLIENTS[0].parse().expect("an address");
    for special in
        ["127.0.0.1", "0.0.0.0", "169.254.90.43", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::9043", "ff02::1"]
    {
        let to = SocketAddr::new(special.parse().expect("an address"), 80);
        assert_eq!(reach.judge(client, to), Err(Refused::Special), "{special}");
    }
    for (dressed, refused) in [("::ffff:127.0.0.1", Refused::Special), ("::ffff:10.30.0.5", Refused::Ours)] {
        let to = SocketAddr::new(dressed.parse().expect("an address"), 80);
        assert_eq!(reach.judge(client, to), Err(refused), "{dressed}");
    }
}

#[test]
fn a_view_says_where_the_proxy_is_and_what_is_direct() {
    let policy = policy(&mut StdRng::seed_from_u64(2));
    let proxy = sent(&policy).proxy.expect("there is one");
    assert_eq!((proxy.port, proxy.direct_names.len(), proxy.direct_prefixes.len()), (8080, 2, 2));
    let other = View::of(&policy, "shirakaba").expect("it is there").proxy.expect("there is one");
    assert_eq!((other.port, &other.direct_names), (3128, &proxy.direct_names), "its own port, everybody's bypass");
    let text = pac::script(&sent(&policy)).expect("there is one");
    assert!(text.starts_with("var NAMES = [\".lg.jp\", \"www.example.jp\"];\nvar NETWORKS = [\"4000010"), "{text}");
    assert!(!text.contains("DIRECT\"; PROXY") && !text.contains("; DIRECT"), "{text}");
    let address = pac::address("[2001:db8:101::1]:8080".parse().expect("an address"));
    assert_eq!(address, "var PROXY = \"PROXY [2001:db8:101::1]:8080\";\n");
    let mut broken = sent(&policy);
    broken.addresses.clear();
    if let Some(rule) = broken.proxy.as_mut().and_then(|proxy| proxy.rules.first_mut()) {
        rule.to = Some(vec![7]);
        assert!(matches!(Reach::new(&broken), Err(BadView::NoSuchList(_))));
    }
}
