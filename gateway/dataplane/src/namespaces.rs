//! One network namespace a municipality: its address on every VLAN, its routes and neighbours, and, for what the
//! program hands over, the kernel's answers (ARP, neighbour discovery, ICMP errors) and the inspector's sockets.
//!
//! ```text
//!  root side                        namespace `bangasa-sendai`
//!  bgs12 ◄───── veth ─────► lan0.101   MAC of port lan0, the attachment's addresses, routes to the prefixes
//!  bgi3  ◄───── veth ─────► inspect0   in: inspected flows, to port 9043; out: the inspector's own connections
//!                           uplink0    default routes, so that errors are generated; swallows what is sent
//! ```
//! Desired state is pure ([`desired`]); this file makes the machine equal to it and touches nothing that already is.
//! Not here: the programs on the root sides and the maps that point at them (`gateway`).

pub mod desired;
pub(crate) mod hairpin;
mod host;
mod inspection;
mod ip;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::Deserialize;

use crate::command::run;
use crate::error::Error;
use crate::links;

pub use desired::{Desired, Leg, Town, desired};
pub use inspection::INSPECTOR_PORT;

/// Names of the namespaces that exist with this prefix.
pub fn existing(prefix: &str) -> Result<BTreeSet<String>, Error> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let json = run("ip", &["-j", "netns", "list"])?;
    let list: Vec<Named> = ip::parse(&json, "ip -j netns list")?;
    Ok(list.into_iter().map(|named| named.name).filter(|name| name.starts_with(prefix)).collect())
}

/// Processes in a namespace, by number.
pub fn inhabitants(namespace: &str) -> Result<Vec<i32>, Error> {
    let pids = run("ip", &["netns", "pids", namespace])?;
    Ok(pids.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// Makes and updates what is wanted; removes nothing that is still in use by the policy before.
pub fn add(desired: &Desired) -> Result<(), Error> {
    let existing = existing(&desired.prefix)?;
    let mut roots = links::list()?;
    for town in &desired.towns {
        add_town(town, existing.contains(&town.namespace), &mut roots)?;
    }
    hairpin::add(desired)?;
    host::leave_untracked(desired)?;
    host::route_inside(desired)
}

/// Opens the ways into and out of the namespaces, once the programs on their root sides are attached: until then what
/// leaves a namespace would meet the host's own stack. `closed` are municipalities whose inspector is kept in.
pub fn open(desired: &Desired, closed: impl Fn(&Town) -> bool) -> Result<(), Error> {
    let orders = desired.towns.iter().flat_map(|town| {
        let inspectors = if closed(town) { "down" } else { "up" };
        let legs = town.legs.iter().map(|leg| format!("link set {} up", leg.root));
        legs.chain([format!("link set {} {inspectors}", town.inspect_root)])
    });
    ip::batch(None, orders)
}

/// Removes namespaces and veths that are no longer wanted, of ours only.
pub fn remove_others(desired: &Desired) -> Result<(), Error> {
    let wanted: BTreeSet<&str> = desired.towns.iter().flat_map(Town::root_names).collect();
    let stale = links::list()?.into_keys().filter(|name| is_root_name(name) && !wanted.contains(name.as_str()));
    ip::batch(None, stale.map(|name| format!("link del {name}")))?;
    for namespace in existing(&desired.prefix)? {
        if !desired.towns.iter().any(|town| town.namespace == namespace) {
            run("ip", &["netns", "del", &namespace])?;
        }
    }
    Ok(())
}

/// Removes everything of ours.
pub fn remove_all(prefix: &str) -> Result<(), Error> {
    remove_others(&Desired { prefix: prefix.into(), ..Desired::default() })?;
    hairpin::remove()?;
    host::remove()
}

fn is_root_name(name: &str) -> bool {
    ["bgs", "bgi"].iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

fn add_town(town: &Town, exists: bool, roots: &mut BTreeMap<String, links::Link>) -> Result<(), Error> {
    let namespace = town.namespace.as_str();
    if !exists {
        run("ip", &["netns", "add", namespace])?;
    }
    let mut inside = links::list_in(namespace)?;
    let fingerprint = town.fingerprint();
    let complete = town.legs.iter().all(|leg| roots.contains_key(&leg.root) && inside.contains_key(&leg.inner))
        && roots.contains_key(&town.inspect_root);
    if complete && inside.get("uplink0").is_some_and(|uplink| uplink.ifalias == fingerprint) {
        return Ok(());
    }
    add_veths(town, roots, &mut inside)?;
    settle(town)?;
    // Last: only a namespace that is finished carries the mark of it.
    ip::batch(Some(namespace), [format!("link set uplink0 alias {fingerprint}")])
}

/// Makes the veth pairs that are missing, down, and the uplink that leads nowhere.
fn add_veths(
    town: &Town,
    roots: &mut BTreeMap<String, links::Link>,
    inside: &mut BTreeMap<String, links::Link>,
) -> Result<(), Error> {
    let namespace = &town.namespace;
    let mut outer = Vec::new();
    let inspect = (&town.inspect_root, "inspect0", town.inspect_mac, town.mtu);
    let pairs = town.legs.iter().map(|leg| (&leg.root, leg.inner.as_str(), leg.mac, town.mtu)).chain([inspect]);
    for (root, inner, mac, mtu) in pairs {
        let same = inside.get(inner).is_some_and(|link| link.mac() == mac && link.mtu == mtu);
        if roots.contains_key(root) && same {
            continue;
        }
        if roots.remove(root).is_some() {
            outer.push(format!("link del {root}"));
        } else if inside.contains_key(inner) {
            ip::batch(Some(namespace), [format!("link del {inner}")])?;
        }
        let mac = links::mac_text(mac);
        outer.push(format!(
            "link add {root} mtu {mtu} type veth peer name {inner} mtu {mtu} address {mac} netns {namespace}"
        ));
        outer.push(format!("link set {root} addrgenmode none"));
    }
    // A leg that moved away: its peer on the root side goes with it.
    let wanted: BTreeSet<&str> =
        town.legs.iter().map(|leg| leg.inner.as_str()).chain(["lo", "uplink0", "uplink1", "inspect0"]).collect();
    let stale = inside.keys().filter(|name| !wanted.contains(name.as_str())).map(|name| format!("link del {name}"));
    ip::batch(Some(namespace), stale)?;
    ip::batch(None, outer)?;
    let mtu = town.uplink_mtu;
    if inside.contains_key("uplink0") {
        ip::batch(Some(namespace), [format!("link set uplink0 mtu {mtu}")])?;
    } else {
        ip::batch(Some(namespace), ip::sink("uplink0", "uplink1", mtu))?;
    }
    *inside = links::list_in(namespace)?;
    Ok(())
}

/// Kernel settings, addresses, routes and rules of a namespace.
fn settle(town: &Town) -> Result<(), Error> {
    let namespace = town.namespace.as_str();
    let settings = settings(town);
    let mut arguments = vec!["netns", "exec", namespace, "sysctl", "-q", "-w"];
    arguments.extend(settings.iter().map(String::as_str));
    run("ip", &arguments)?;

    let mut orders = vec!["link set lo up".to_owned(), "link set uplink0 up".into()];
    orders.extend(inspection::prepare());
    for leg in &town.legs {
        orders.push(format!("link set {} up", leg.inner));
        let keep: BTreeSet<String> = leg.addresses.iter().map(ToString::to_string).collect();
        for address in ip::addresses(namespace, &leg.inner)? {
            if !keep.contains(&address) {
                orders.push(format!("addr del {address} dev {}", leg.inner));
            }
        }
        for address in &leg.addresses {
            let nodad = if address.addr().is_ipv6() { " nodad" } else { "" };
            // The route to the segment is one of ours, with the trunk's MTU.
            orders.push(format!("addr replace {address} dev {} noprefixroute{nodad}", leg.inner));
        }
    }
    ip::batch(Some(namespace), orders)?;

    let mut wanted: Vec<_> = town.routes.iter().map(|route| (route.destination, route.way())).collect();
    for everywhere in [Ipv4Net::default().into(), Ipv6Net::default().into()] {
        wanted.push((everywhere, "dev uplink0".to_owned()));
    }
    ip::set_routes(Some(namespace), &[], &wanted)?;
    inspection::settle(town)
}

/// Kernel settings of a namespace, for `sysctl -w`. Slashes, because interface names contain dots.
fn settings(town: &Town) -> Vec<String> {
    let mut settings = vec![
        "net/ipv4/ip_forward=1".to_owned(),
        "net/ipv6/conf/all/forwarding=1".into(),
        "net/ipv4/conf/all/send_redirects=0".into(),
        "net/ipv4/conf/all/rp_filter=0".into(),
        // Errors come from the address that the sender knows as its gateway.
        "net/ipv4/icmp_errors_use_inbound_ifaddr=1".into(),
        // One address speaks for all whose connections are inspected.
        "net/ipv4/ip_local_port_range=10240 65535".into(),
    ];
    for interface in town.legs.iter().map(|leg| leg.inner.as_str()).chain(["inspect0", "uplink0"]) {
        settings.extend([
            format!("net/ipv4/conf/{interface}/rp_filter=0"),
            format!("net/ipv4/conf/{interface}/send_redirects=0"),
            format!("net/ipv4/conf/{interface}/accept_redirects=0"),
            format!("net/ipv6/conf/{interface}/accept_ra=0"),
            format!("net/ipv6/conf/{interface}/accept_dad=0"),
            format!("net/ipv6/conf/{interface}/accept_redirects=0"),
        ]);
    }
    settings
}
