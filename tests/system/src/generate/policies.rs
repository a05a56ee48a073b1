//! Random policies, written as the text that people write, so that parse and check are on the path as well.
//!
//! Prefixes come from a small nested family, so that sets, sections, rules and municipalities overlap often.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use policy::Source;
use rand::Rng;
use rand::seq::IndexedRandom;

/// IPv4 prefixes that a municipality may own; several municipalities often own the same.
const OWN_V4: [&str; 5] = ["10.0.0.0/8", "10.10.0.0/16", "10.10.16.0/20", "10.20.0.0/16", "172.16.0.0/12"];
/// Likewise for IPv6; the number of the municipality is put into the third group.
const OWN_V6: [&str; 2] = ["2001:db8:{}::/48", "2001:db8:{}:8000::/49"];
/// Prefixes of the Internet that sets and rules name.
const OUTSIDE: [&str; 14] = [
    "198.51.100.0/24",
    "198.51.100.0/25",
    "198.51.100.64/26",
    "198.51.100.80/32",
    "198.51.100.255/32",
    "192.0.2.0/24",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "0.0.0.0/0",
    "::/0",
    "2001:db8:ffff::/48",
    "2001:db8:ffff::80/128",
    "2001:db8:ffff:8000::/49",
    "2001:db8::/32",
];
const PORTS: [&str; 10] = [
    "tcp/80",
    "tcp/443",
    "tcp/1-1023",
    "tcp/443-444",
    "tcp",
    "udp/53",
    "udp/0-65535",
    "udp/3478-3481",
    "udp",
    "tcp/65535",
];
const PROTOCOLS: [&str; 6] = ["\"tcp\"", "\"udp\"", "\"icmp\"", "\"icmpv6\"", "47", "\"50\""];

/// Where proxies are: ports that packets are aimed at.
pub(super) const PROXY_PORTS: [u16; 3] = [1024, 40_000, 65_535];

/// A random policy directory.
pub fn policy(rng: &mut impl Rng) -> Source {
    let municipalities = rng.random_range(1..=6);
    let sets = rng.random_range(0..=4);
    let mut source = Source::default();
    source.files.insert("prefecture.toml".to_owned(), prefecture(rng, sets).into_bytes());
    for number in 0..municipalities {
        let text = municipality(rng, number, sets);
        source.files.insert(format!("municipalities/town{number}.toml"), text.into_bytes());
    }
    source
}

/// A random policy directory with many rules: nearly all name few addresses and one port around the edges at which packets
/// are aimed, so that the first match may stand anywhere.
pub fn large_policy(rng: &mut impl Rng, municipalities: usize, rules: usize) -> Source {
    let sets = rng.random_range(1..=4);
    let mut source = Source::default();
    let mut text = ground(rng, sets);
    let _ = writeln!(text, "[block]\nsets = []");
    for rule in 0..rng.random_range(0..40) {
        let _ = writeln!(text, "[[baseline]]\nname = \"base{rule}\"\ndirection = \"egress\"");
        narrow_rule(rng, &mut text, "baseline", sets);
    }
    source.files.insert("prefecture.toml".to_owned(), text.into_bytes());
    for number in 0..municipalities {
        let mut text = premises(rng, number, None);
        for direction in ["egress", "ingress"] {
            let _ = writeln!(text, "[{direction}]\ndefault = \"allow\"");
            for rule in 0..rules {
                let _ = writeln!(text, "[[{direction}.rule]]\nname = \"規則{rule}\"");
                narrow_rule(rng, &mut text, direction, sets);
            }
        }
        source.files.insert(format!("municipalities/town{number}.toml"), text.into_bytes());
    }
    source
}

/// A rule for few addresses, and mostly for one port.
fn narrow_rule(rng: &mut impl Rng, text: &mut String, direction: &str, sets: usize) {
    let inside = ["10.10.16.1", "10.10.16.7", "10.10.31.255", "10.20.0.9", "172.16.0.5", "10.255.255.255"];
    let outside = ["198.51.100.0", "198.51.100.64", "198.51.100.80", "198.51.100.255", "192.0.2.1", "8.8.8.8"];
    let (from, to) = if direction == "ingress" { (&outside, &inside) } else { (&inside, &outside) };
    for (side, near) in [("from", from), ("to", to)] {
        // An ingress rule's literal destinations would be published.
        if side == "to" && direction == "ingress" {
            if rng.random_bool(0.5) {
                text.push_str("to = [\"tax\"]\n");
            }
            continue;
        }
        match rng.random_range(0..20) {
            0 => {}
            1 => drop(writeln!(text, "{side} = [\"@set{}\"]", rng.random_range(0..sets))),
            2 if direction == "egress" && side == "from" => text.push_str("from = [\"tax\"]\n"),
            _ => drop(writeln!(text, "{side} = [{}]", nested(rng, near))),
        }
    }
    let port = [0, 1, 53, 80, 81, 443, 444, 1023, 1024, 3479, 40_000, 65_535].choose(rng).copied().unwrap_or(80_u16);
    let (first, last) = match rng.random_range(0..20) {
        0 => (port, port.saturating_add(rng.random_range(0..2_000))),
        1 => (port.saturating_sub(rng.random_range(0..2_000)), port),
        _ => (port, port),
    };
    let protocol = if rng.random_bool(0.6) { "tcp" } else { "udp" };
    let _ = writeln!(text, "ports = [\"{protocol}/{first}-{last}\"]");
    let action = ["allow", "deny"].choose(rng).copied().unwrap_or("deny");
    let _ = writeln!(text, "action = \"{action}\"");
}

/// One to three prefixes with one of these addresses, or a neighbour, in them.
fn nested(rng: &mut impl Rng, near: &[&str]) -> String {
    let prefixes: Vec<String> = (0..rng.random_range(1..=3))
        .map(|_| {
            let address: Ipv4Addr = near.choose(rng).copied().unwrap_or("8.8.8.8").parse().expect("an address");
            let flip = if rng.random_bool(0.5) { 0 } else { 1 << rng.random_range(0..6) };
            let length = if rng.random_bool(0.1) { rng.random_range(20..28) } else { rng.random_range(28..=32) };
            let address = (u32::from(address) ^ flip) & (u32::MAX << (32 - length));
            format!("\"{}/{length}\"", Ipv4Addr::from(address))
        })
        .collect();
    prefixes.join(", ")
}

/// Ports and sets.
fn ground(rng: &mut impl Rng, sets: usize) -> String {
    let mut text = String::from(
        "schema = 1\n[prefecture]\nid = \"test\"\nname = \"試験県\"\n[ports]\nuplink = [\"wan0\"]\naccess = [\"lan0\"]\n",
    );
    text.push_str("[sets]\n");
    for set in 0..sets {
        let _ = writeln!(text, "set{set} = {{ prefixes = [{}] }}", prefixes(rng, &OUTSIDE[..6], 1..=3));
    }
    text
}

fn prefecture(rng: &mut impl Rng, sets: usize) -> String {
    let mut text = ground(rng, sets);
    let blocked: Vec<String> = (0..sets).filter(|_| rng.random_bool(0.4)).map(|set| format!("\"set{set}\"")).collect();
    let _ = writeln!(text, "[block]\nsets = [{}]", blocked.join(", "));
    if rng.random_bool(0.5) {
        text.push_str("[isolation]\nessential = [\"198.51.100.80\", \"2001:db8:ffff::80\"]\n");
    }
    if rng.random_bool(0.5) {
        let _ = writeln!(text, "[flood]\nreflection = {}", rng.random_bool(0.8));
        if rng.random_bool(0.7) {
            // So few that random packets can pass them.
            let enter = rng.random_range(1..4);
            let _ = writeln!(text, "syn_cookies = {{ enter = {enter}, leave = {} }}", rng.random_range(1..=enter));
        }
    }
    if rng.random_bool(0.4) {
        let _ = writeln!(text, "[proxy]\nport = {}", PROXY_PORTS.choose(rng).copied().unwrap_or(PROXY_PORTS[0]));
    }
    for rule in 0..rng.random_range(0..=3) {
        text.push_str("[[baseline]]\n");
        let _ = writeln!(text, "name = \"base{rule}\"");
        if rng.random_bool(0.5) {
            let direction = ["egress", "ingress", "both"].choose(rng).copied().unwrap_or("both");
            let _ = writeln!(text, "direction = \"{direction}\"");
        }
        rule_body(rng, &mut text, sets, 0, &["allow", "deny", "deny"]);
    }
    text
}

/// Everything but the rules, which will publish an address if one is given: some of its ports may be mapped.
fn premises(rng: &mut impl Rng, number: usize, published: Option<&str>) -> String {
    let mut text = format!("id = \"town{number}\"\nname = \"{number}番町\"\n");
    let inner = 100 + number;
    let vlan = if rng.random_bool(0.3) { format!("[200, {inner}]") } else { inner.to_string() };
    let v4 = OWN_V4.choose(rng).copied().unwrap_or(OWN_V4[0]);
    let v6 = OWN_V6.choose(rng).copied().unwrap_or(OWN_V6[0]).replace("{}", &(number + 1).to_string());
    let gateway_v4 = if v4.starts_with("172") { "172.16.0.1/24" } else { "10.10.16.1/24" };
    let (gateway_v4, v4) = if v4.starts_with("10.20") { ("10.20.0.1/24", v4) } else { (gateway_v4, v4) };
    let gateway_v6 = format!("2001:db8:{}:8000::1/64", number + 1);
    let _ = writeln!(
        text,
        "attach = [{{ port = \"lan0\", vlan = {vlan}, address = [\"{gateway_v4}\", \"{gateway_v6}\"] }}]"
    );
    let _ = writeln!(text, "prefixes = [\"{v4}\", \"{v6}\"]");
    if rng.random_bool(0.2) {
        text.push_str(match rng.random_range(0..3) {
            0 => "isolated = true\n",
            1 => "isolated = [\"tax\"]\n",
            _ => "isolated = [\"10.10.16.7\"]\n",
        });
    }
    let server = if v4.starts_with("172") {
        "172.16.0"
    } else if v4.starts_with("10.20") {
        "10.20.0"
    } else {
        "10.10.16"
    };
    if number < 24 && rng.random_bool(0.7) {
        // Some pools hold the address that the municipality may publish.
        let (first, size) = match rng.random_range(0..4) {
            0 => (number * 8, "/29"),
            1 => (number * 8, "/30"),
            2 => (number * 8, "/32"),
            _ => (200 + number, "/32"),
        };
        let _ = writeln!(text, "[nat]\npool = [\"203.0.113.{first}{size}\"]");
        // Small blocks are used up, large ones leave an address with few.
        if rng.random_bool(0.6) {
            let _ = writeln!(text, "block = {}", [64, 128, 4_096].choose(rng).copied().unwrap_or(512));
            let _ = writeln!(text, "blocks_per_client = {}", rng.random_range(1..=8));
        }
        if rng.random_bool(0.6) {
            // Of the pool, where only low ports are nobody's.
            let ports = ["\"tcp/443\", \"udp/53\"", "\"tcp/80-443\"", "\"tcp/1-1023\", \"udp/0-1023\""];
            mapping(rng, &mut text, &format!("203.0.113.{first}"), &ports, &format!("{server}.7"));
        }
    } else if let Some(published) = published {
        let ports = ["\"tcp/443\"", "\"udp/53\", \"tcp/444\"", "\"udp/53\", \"udp/3479\", \"tcp/40000\""];
        let port = [":443", ":53", ""].choose(rng).copied().unwrap_or_default();
        text.push_str("[nat]\n");
        mapping(rng, &mut text, published, &ports, &format!("{server}.5{port}"));
    }
    let section = if v4.starts_with("172") {
        "172.16.0.0/24"
    } else if v4.starts_with("10.20") {
        "10.20.0.0/24"
    } else {
        "10.10.16.0/24"
    };
    let _ = writeln!(text, "[sections]\ntax = [\"{section}\"]");
    text
}

/// Some ports of a public address that stand for a server's.
fn mapping(rng: &mut impl Rng, text: &mut String, public: &str, ports: &[&str], to: &str) {
    let ports = ports.choose(rng).copied().unwrap_or(ports[0]);
    let _ = writeln!(text, "[[nat.inbound]]\nname = \"公開\"\npublic = \"{public}\"\nports = [{ports}]\nto = \"{to}\"");
}

fn municipality(rng: &mut impl Rng, number: usize, sets: usize) -> String {
    let published = format!("203.0.113.{}", 200 + number);
    let serves = rng.random_bool(0.5).then_some(&*published);
    let mut text = premises(rng, number, serves);
    if rng.random_bool(0.3) {
        let _ = writeln!(text, "[proxy]\nport = {}", PROXY_PORTS.choose(rng).copied().unwrap_or(PROXY_PORTS[0]));
    }
    if rng.random_bool(0.5) {
        limits(rng, &mut text);
    }
    for (direction, actions) in
        [("egress", &["allow", "deny", "inspect", "allow"][..]), ("ingress", &["allow", "deny", "allow"][..])]
    {
        let default = if rng.random_bool(0.3) { "allow" } else { "deny" };
        let _ = writeln!(text, "[{direction}]\ndefault = \"{default}\"");
        let first = if direction == "ingress" { serves } else { None };
        for rule in 0..rng.random_range(first.map_or(0, |_| 1)..=6) {
            let _ = writeln!(text, "[[{direction}.rule]]\nname = \"規則{rule}\"");
            if direction == "ingress" && (first.is_some() && rule == 0 || rng.random_bool(0.4)) {
                let _ = writeln!(text, "to = [\"{published}\"]");
                services(rng, &mut text, "allow");
                text.push_str("action = \"allow\"\n");
            } else {
                rule_body(rng, &mut text, sets, 1, actions);
            }
        }
    }
    text
}

/// Budgets that some tens of packets a second use up.
fn limits(rng: &mut impl Rng, text: &mut String) {
    text.push_str("[limits]\n");
    let rates = [
        "new_flows_per_second",
        "packets_per_second",
        "per_source.new_flows_per_second",
        "per_source.packets_per_second",
    ];
    for (rate, most) in rates.into_iter().zip([20, 60, 6, 12]) {
        let number = |rng: &mut _| Rng::random_range(rng, 1..=most);
        let (one, other) = (number(rng), number(rng));
        match rng.random_range(0..6) {
            0 => drop(writeln!(text, "{rate} = {one}")),
            1 => drop(writeln!(text, "{rate} = {{ in = {one}, out = {other} }}")),
            2 => drop(writeln!(text, "{rate} = {{ out = {other} }}")),
            _ => {}
        }
    }
    let others = [
        ("flows", 60),
        ("smtp_connections_per_second", 2),
        ("per_prefix.new_flows_per_second", 4),
        ("per_prefix.packets_per_second", 8),
        ("events_per_second", 9),
    ];
    for (limit, most) in others {
        if rng.random_bool(0.3) {
            let _ = writeln!(text, "{limit} = {}", rng.random_range(1..=most));
        }
    }
    if rng.random_bool(0.3) {
        text.push_str("bits_per_second = 600_000\n");
    }
}

/// `from`, `to`, services and action of a rule. `sections`: whether the section `tax` may be named.
fn rule_body(rng: &mut impl Rng, text: &mut String, sets: usize, sections: usize, actions: &[&str]) {
    let action = actions.choose(rng).copied().unwrap_or("deny");
    for side in ["from", "to"] {
        if rng.random_bool(0.5) {
            let _ = writeln!(text, "{side} = [{}]", side_list(rng, sets, sections));
        }
    }
    services(rng, text, action);
    let _ = writeln!(text, "action = \"{action}\"");
    if action == "inspect" && rng.random_bool(0.5) {
        let when_down = if rng.random_bool(0.7) { "splice" } else { "closed" };
        let _ = writeln!(text, "when_down = \"{when_down}\"");
    }
}

fn side_list(rng: &mut impl Rng, sets: usize, sections: usize) -> String {
    let mut items = Vec::new();
    for _ in 0..rng.random_range(1..=3) {
        match rng.random_range(0..4) {
            0 if sets > 0 => items.push(format!("\"@set{}\"", rng.random_range(0..sets))),
            1 if sections > 0 => items.push("\"tax\"".to_owned()),
            2 => items.push(prefixes(rng, &OWN_V4, 1..=1)),
            _ => items.push(prefixes(rng, &OUTSIDE, 1..=1)),
        }
    }
    items.join(", ")
}

fn services(rng: &mut impl Rng, text: &mut String, action: &str) {
    if action == "inspect" {
        let list: Vec<_> = PORTS[..6].choose_multiple(rng, 2).map(|port| format!("\"{port}\"")).collect();
        let _ = writeln!(text, "ports = [{}]", list.join(", "));
        return;
    }
    if rng.random_bool(0.5) {
        let amount = rng.random_range(1..=3);
        let list: Vec<_> = PORTS.choose_multiple(rng, amount).map(|port| format!("\"{port}\"")).collect();
        let _ = writeln!(text, "ports = [{}]", list.join(", "));
    }
    if rng.random_bool(0.3) {
        let list: Vec<_> = PROTOCOLS.choose_multiple(rng, 2).copied().collect();
        let _ = writeln!(text, "protocols = [{}]", list.join(", "));
    }
}

fn prefixes(rng: &mut impl Rng, family: &[&str], amount: std::ops::RangeInclusive<usize>) -> String {
    let amount = rng.random_range(amount);
    let chosen: Vec<_> = family.choose_multiple(rng, amount).map(|prefix| format!("\"{prefix}\"")).collect();
    chosen.join(", ")
}
