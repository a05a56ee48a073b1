//! Orders to `ip`, many in one process, and what it says about addresses and routes.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde::Deserialize;

use crate::command::{feed, run};
use crate::error::Error;

/// Routes carry this protocol number, so that ours can be told from anybody's. No routing daemon uses it.
pub const PROTOCOL: u32 = 66;

/// Runs orders in a namespace, or in our own.
pub fn batch(namespace: Option<&str>, orders: impl IntoIterator<Item = String>) -> Result<(), Error> {
    let orders: String = orders.into_iter().map(|order| order + "\n").collect();
    if orders.is_empty() {
        return Ok(());
    }
    match namespace {
        Some(namespace) => feed("ip", &["-n", namespace, "-batch", "-"], &orders)?,
        None => feed("ip", &["-batch", "-"], &orders)?,
    };
    Ok(())
}

/// Orders for an interface that swallows what is sent to it: a veth to a peer that nobody has the address of. A dummy
/// would be simpler, but not every kernel has one.
pub fn sink(name: &str, peer: &str, mtu: u32) -> Vec<String> {
    vec![
        format!("link add {name} mtu {mtu} type veth peer name {peer} mtu {mtu}"),
        format!("link set {name} arp off addrgenmode none"),
        format!("link set {peer} arp off addrgenmode none up"),
    ]
}

/// Makes our routes those wanted, each with the rest of its order (`via …`, `dev …`); what is wanted already is replaced
/// in place, so that nothing is without a route meanwhile. `among` narrows down which routes are ours.
pub fn set_routes(namespace: Option<&str>, among: &[&str], wanted: &[(IpNet, String)]) -> Result<(), Error> {
    for family in ["-4", "-6"] {
        let in_family: Vec<_> = wanted.iter().filter(|(destination, _)| option(destination) == family).collect();
        let mut orders: String = in_family
            .iter()
            .map(|(destination, way)| format!("route replace {destination} {way} proto {PROTOCOL}\n"))
            .collect();
        let keep: BTreeSet<String> = in_family.iter().map(|(destination, _)| shown(destination)).collect();
        for destination in routes(namespace, family, among)? {
            if !keep.contains(&destination) {
                orders += &format!("route del {destination} proto {PROTOCOL}\n");
            }
        }
        if !orders.is_empty() {
            let mut arguments = vec![family];
            arguments.extend(namespace.iter().flat_map(|namespace| ["-n", namespace]));
            arguments.extend(["-batch", "-"]);
            feed("ip", &arguments, &orders)?;
        }
    }
    Ok(())
}

fn option(destination: &IpNet) -> &'static str {
    if destination.addr().is_ipv4() { "-4" } else { "-6" }
}

/// As `ip route show` prints it.
fn shown(destination: &IpNet) -> String {
    if destination.prefix_len() == 0 {
        "default".into()
    } else if destination.prefix_len() == destination.max_prefix_len() {
        destination.addr().to_string()
    } else {
        destination.to_string()
    }
}

/// Destinations of our routes.
fn routes(namespace: Option<&str>, family: &str, among: &[&str]) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Route {
        dst: String,
    }
    let protocol = PROTOCOL.to_string();
    let mut arguments = vec![family];
    arguments.extend(namespace.iter().flat_map(|namespace| ["-n", namespace]));
    arguments.extend(["-j", "route", "show", "proto", &protocol]);
    arguments.extend(among);
    let routes: Vec<Route> = parse(&run("ip", &arguments)?, "ip -j route show")?;
    Ok(routes.into_iter().map(|route| route.dst).collect())
}

/// The addresses of an interface that somebody gave it: with prefix length, without link-local ones.
pub fn addresses(namespace: &str, interface: &str) -> Result<Vec<String>, Error> {
    #[derive(Deserialize)]
    struct Interface {
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        local: Option<String>,
        prefixlen: u8,
        scope: String,
    }
    let json = run("ip", &["-n", namespace, "-j", "addr", "show", "dev", interface])?;
    let interfaces: Vec<Interface> = parse(&json, "ip -j addr show")?;
    let all = interfaces.into_iter().flat_map(|interface| interface.addr_info);
    Ok(all
        .filter(|address| address.scope == "global")
        .filter_map(|address| address.local.map(|local| format!("{local}/{}", address.prefixlen)))
        .collect())
}

/// What `ip -j` printed; nothing at all is an empty list.
pub fn parse<T: serde::de::DeserializeOwned>(json: &str, command: &str) -> Result<Vec<T>, Error> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json).map_err(|error| Error::Command { command: command.into(), message: error.to_string() })
}
