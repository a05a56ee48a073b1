//! Policies built by hand, for the tests of everything that starts from a checked policy.

use std::collections::BTreeMap;

use abi::Direction;
use ipnet::IpNet;

use crate::checked::{
    Action, Attachment, Http, Isolation, Municipality, Policy, PortBlocks, Rule, Rules, Service, Set, Tls, WhenDown,
};
use crate::source::Location;
use crate::tls::Limits;

pub(crate) fn at(file: &str, line: u32) -> Location {
    Location { file: file.to_owned(), line, column: 1 }
}

pub(crate) fn nets(text: &[&str]) -> Vec<IpNet> {
    text.iter().map(|it| it.parse().expect("a prefix")).collect()
}

pub(crate) fn prefecture(municipalities: Vec<Municipality>) -> Policy {
    let mut municipalities = municipalities;
    municipalities.sort_by(|a, b| a.id.cmp(&b.id));
    Policy {
        id: "miyagi".to_owned(),
        name: "宮城県".to_owned(),
        uplinks: vec!["wan0".to_owned()],
        accesses: vec!["lan0".to_owned()],
        municipalities: municipalities.into(),
        ..Policy::default()
    }
}

/// Attached at `lan0.VLAN`, with `10.4.0.0/16` and nothing else.
pub(crate) fn municipality(id: &str, vlan: u16) -> Municipality {
    let file = format!("municipalities/{id}.toml");
    Municipality {
        id: id.to_owned(),
        name: id.to_owned(),
        attachments: vec![attachment("lan0", &[vlan], &["10.4.0.1/24"])],
        prefixes: nets(&["10.4.0.0/16"]),
        published: Vec::new(),
        nat_pool: Vec::new(),
        nat_blocks: PortBlocks::default(),
        inbound: Vec::new(),
        sections: BTreeMap::new(),
        isolation: Isolation::None,
        proxy: None,
        limits: Default::default(),
        syn_cookies: None,
        dns: None,
        egress: Rules { default: Action::Deny, rules: Vec::new() },
        ingress: Rules { default: Action::Deny, rules: Vec::new() },
        tls: Tls::default(),
        tls_limits: Limits::default(),
        http: Http::default(),
        location: at(&file, 1),
    }
}

pub(crate) fn attachment(port: &str, vlans: &[u16], addresses: &[&str]) -> Attachment {
    Attachment {
        port: port.to_owned(),
        vlans: vlans.to_vec(),
        addresses: nets(addresses),
        routers: Vec::new(),
        location: at("attachment", 3),
    }
}

/// Matches everything, in both directions.
pub(crate) fn rule(name: &str, action: Action) -> Rule {
    Rule {
        name: name.to_owned(),
        directions: Direction::ALL.to_vec(),
        from: None,
        to: None,
        services: None,
        action,
        when_down: WhenDown::Closed,
        location: at("rule", 7),
    }
}

pub(crate) fn tcp(first: u16, last: u16) -> Service {
    Service { protocol: 6, ports: Some((first, last)) }
}

pub(crate) fn set(prefixes: &[&str]) -> Set {
    Set { prefixes: nets(prefixes).into(), location: at("prefecture.toml", 9) }
}
