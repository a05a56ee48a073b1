//! A packet in one line for people: `[101] tcp 10.4.20.7:51000 > 198.51.100.4:443`.

use std::fmt::Write;

use control::Line;

/// What a line says about the packet itself.
pub fn packet(line: &Line) -> String {
    let mut text = String::new();
    if !line.vlan.is_empty() {
        let vlans: Vec<String> = line.vlan.iter().map(u16::to_string).collect();
        let _ = write!(text, "[{}] ", vlans.join("."));
    }
    if let Some(protocol) = line.protocol {
        let _ = write!(text, "{} ", protocol_name(protocol));
    }
    match (&line.source, &line.destination) {
        (Some(source), Some(destination)) => {
            let source = endpoint(source, line.source_port);
            let _ = write!(text, "{source} > {}", endpoint(destination, line.destination_port));
        }
        // About a service, not about a packet.
        (None, Some(destination)) => text.push_str(&endpoint(destination, line.destination_port)),
        _ if line.reason == "arp" => {}
        _ => text.push_str("no addresses"),
    }
    if let (Some(kind), Some(code)) = (line.icmp_type, line.icmp_code) {
        let _ = write!(text, " type {kind} code {code}");
    }
    if line.fragment {
        text.push_str(" fragment");
    }
    text.truncate(text.trim_end().len());
    text
}

/// What decided, beyond the reason: a limit, a set or a rule.
pub fn decided_by(line: &Line) -> Option<String> {
    let place = line.rule_location.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
    if let Some(limit) = &line.limit {
        return Some(format!("limit {limit}"));
    }
    match (&line.set, &line.rule) {
        (Some(set), _) => Some(format!("set {set}")),
        (None, Some(rule)) => Some(format!("rule `{rule}`{place}")),
        (None, None) => None,
    }
}

/// The name that a policy uses for a protocol, or its number.
pub fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        58 => "icmpv6".into(),
        other => format!("protocol {other}"),
    }
}

fn endpoint(address: &str, port: Option<u16>) -> String {
    match port {
        None => address.to_owned(),
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_with_and_without_ports() {
        let line = Line {
            vlan: vec![200, 101],
            protocol: Some(17),
            source: Some("2001:db8::1".into()),
            source_port: Some(53),
            destination: Some("192.0.2.1".into()),
            fragment: true,
            ..Line::default()
        };
        assert_eq!(packet(&line), "[200.101] udp [2001:db8::1]:53 > 192.0.2.1 fragment");
        assert_eq!(packet(&Line { vlan: vec![1], reason: "arp".into(), ..Line::default() }), "[1]");
        assert_eq!(packet(&Line::default()), "no addresses");
    }

    #[test]
    fn a_set_or_a_rule_with_its_place() {
        let rule = Line {
            rule: Some("業務".into()),
            rule_location: Some("municipalities/sendai.toml:9:1".into()),
            ..Line::default()
        };
        assert_eq!(decided_by(&rule).as_deref(), Some("rule `業務` (municipalities/sendai.toml:9:1)"));
        assert_eq!(decided_by(&Line { set: Some("threats".into()), ..rule }).as_deref(), Some("set threats"));
        let limited = Line { limit: Some("flows".into()), rule: Some("web".into()), ..Line::default() };
        assert_eq!(decided_by(&limited).as_deref(), Some("limit flows"), "the rule would have let it pass");
        assert_eq!(decided_by(&Line::default()), None);
    }
}
