//! The same policies for nftables, of one municipality without a VLAN: as one writes them line by line, and at their best.

use std::fmt::Write;

use crate::policies::{Size, written};
use crate::rules::{self, Rule, Rules, To};

/// Sets for prefixes, one rule after the other, connections known.
pub fn plain(size: Size) -> String {
    let rules = Rules::new(size.shape, size.rules);
    let mut text = format!("table ip bench {{\n{}", blocked(size));
    for (number, set) in rules.sets.iter().enumerate() {
        let prefixes: Vec<_> = set.iter().map(ToString::to_string).collect();
        let elements = prefixes.join(", ");
        let _ = writeln!(text, " set s{number} {{ type ipv4_addr; flags interval; elements = {{ {elements} }}; }}");
    }
    text.push_str(" chain forward { type filter hook forward priority 0; policy drop;\n");
    if size.blocked > 0 {
        text.push_str("  ip saddr @blocked drop\n  ip daddr @blocked drop\n");
    }
    text.push_str(&preamble());
    for rule in rules.of(0) {
        let section = rule.section.map(|section| format!("ip saddr {} ", rules::section(0, section)));
        let section = section.unwrap_or_default();
        let to = match rule.to {
            To::Anyone => String::new(),
            To::Prefix(prefix) => format!("ip daddr {prefix} "),
            To::Set(set) => format!("ip daddr @s{set} "),
        };
        for service in &rule.services {
            let _ = writeln!(text, "  {section}{to}{} {}", written(*service, " dport "), verdict(&rule));
        }
    }
    text.push_str(" }\n}\n");
    text
}

/// What is blocked goes at the first hook there is, before connection tracking; rules are three maps from what a packet
/// is to a verdict, so that their number costs as little as these maps make possible.
pub fn best(size: Size) -> String {
    let mut text = String::new();
    if size.blocked > 0 {
        let _ = write!(
            text,
            "table netdev bench {{\n{} \
             chain lan {{ type filter hook ingress device lan0 priority -500; ip daddr @blocked drop; }}\n \
             chain wan {{ type filter hook ingress device wan0 priority -500; ip saddr @blocked drop; }}\n}}\n",
            blocked(size)
        );
    }
    let rules = Rules::new(size.shape, size.rules);
    let [mut anyones, mut sections, mut anywhere] = [const { Vec::new() }; 3];
    for rule in rules.of(0) {
        let section = rule.section.map(|section| rules::section(0, section).to_string());
        let destinations = match rule.to {
            To::Anyone => Vec::new(),
            To::Prefix(prefix) => vec![prefix],
            To::Set(set) => rules.sets[set].clone(),
        };
        for service in &rule.services {
            let (service, verdict) = (written(*service, " . "), verdict(&rule));
            match &section {
                Some(section) if destinations.is_empty() => anywhere.push(format!("{section} . {service} : {verdict}")),
                Some(section) => sections
                    .extend(destinations.iter().map(|prefix| format!("{section} . {prefix} . {service} : {verdict}"))),
                None => anyones.extend(destinations.iter().map(|prefix| format!("{prefix} . {service} : {verdict}"))),
            }
        }
    }
    let maps = [
        ("anyones", "ipv4_addr . inet_proto . inet_service", "ip daddr . meta l4proto . th dport", anyones),
        (
            "sections",
            "ipv4_addr . ipv4_addr . inet_proto . inet_service",
            "ip saddr . ip daddr . meta l4proto . th dport",
            sections,
        ),
        ("anywhere", "ipv4_addr . inet_proto . inet_service", "ip saddr . meta l4proto . th dport", anywhere),
    ];
    text.push_str("table ip bench {\n");
    for (name, kind, _, elements) in maps.iter().filter(|(.., elements)| !elements.is_empty()) {
        let elements = elements.join(", ");
        let _ = writeln!(text, " map {name} {{ type {kind} : verdict; flags interval; elements = {{ {elements} }}; }}");
    }
    let _ = write!(text, " chain forward {{ type filter hook forward priority 0; policy drop;\n{}", preamble());
    for (name, _, key, _) in maps.iter().filter(|(.., elements)| !elements.is_empty()) {
        let _ = writeln!(text, "  {key} vmap @{name}");
    }
    text.push_str(" }\n}\n");
    text
}

/// A flowtable, where the kernel has it: established flows pass by the rules.
pub fn flowtable() -> String {
    "table ip bench {\n flowtable fast { hook ingress priority 0; devices = { lan0, wan0 }; }\n \
     chain forward { type filter hook forward priority 0; policy accept;\n  ct state established flow add @fast\n }\n}\n"
        .to_owned()
}

fn preamble() -> String {
    let network = rules::network(0);
    format!("  ct state established,related accept\n  iifname != \"lan0\" drop\n  ip saddr != {network}/19 drop\n")
}

fn blocked(size: Size) -> String {
    if size.blocked == 0 {
        return String::new();
    }
    let elements: Vec<_> = size.blocked().iter().map(ToString::to_string).collect();
    let elements = elements.join(", ");
    format!(" set blocked {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {elements} }}; }}\n")
}

fn verdict(rule: &Rule) -> &'static str {
    if rule.allows { "accept" } else { "drop" }
}
