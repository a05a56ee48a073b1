//! The inspector's side of a namespace: what it inspects comes in by `inspect0` and reaches its transparent sockets, and
//! what it has to say to the Internet itself goes out there, to the program on the root side.
//!
//! It needs no privilege for that and sets no mark. `iif lo` is every packet that a socket of the namespace makes, and that
//! of a socket that is gone as well: a last acknowledgement or a reset has no owner that a rule could ask for. Answers to
//! clients find the main table's routes to the municipality first. What the namespace forwards comes in elsewhere, and
//! goes on to `uplink0`, which swallows it.

use std::net::IpAddr;

use super::Town;
use super::ip::PROTOCOL;
use crate::command::{feed, run};
use crate::error::Error;

/// Where the inspector listens for connections, in every namespace.
pub const INSPECTOR_PORT: u16 = 9_043;
/// Marks packets for the inspector, and names the routing table that makes their addresses local.
const MARK: u32 = 0x6267;
/// Routing table of marked packets.
const TABLE: u32 = 100;
/// Routing table of what goes to the Internet.
const OWN_TABLE: u32 = 101;
/// Priorities of our rules, the first of them.
const PRIORITY: u32 = 1_000;

/// One address family.
struct Family {
    option: &'static str,
    /// The next hop beyond `inspect0`. Nobody has it; but with a route to everywhere on the link itself each server would
    /// be a neighbour, and the kernel's table of those is one for all namespaces, and small.
    next_hop: &'static str,
    is_of: fn(&IpAddr) -> bool,
}

const FAMILIES: [Family; 2] = [
    Family { option: "-4", next_hop: "169.254.90.43", is_of: IpAddr::is_ipv4 },
    Family { option: "-6", next_hop: "fe80::9043", is_of: IpAddr::is_ipv6 },
];

/// Orders that make `inspect0` ready, before it is up: it has no neighbours, and no address that it would announce.
pub fn prepare() -> [String; 2] {
    ["link set inspect0 arp off addrgenmode none".into(), "link set inspect0 up".into()]
}

/// Routes, rules and offloads, once interfaces and addresses are there.
pub fn settle(town: &Town) -> Result<(), Error> {
    let namespace = town.namespace.as_str();
    for family in &FAMILIES {
        let rules = run("ip", &[family.option, "-n", namespace, "rule", "show"])?;
        let mut orders = routes(town, family);
        orders.extend(missing_rules(&rules));
        let orders: String = orders.into_iter().map(|order| order + "\n").collect();
        feed("ip", &[family.option, "-n", namespace, "-batch", "-"], &orders)?;
    }
    // The program sees the bytes that leave: sums must be finished and segments cut before.
    run("ip", &["netns", "exec", namespace, "ethtool", "-K", "inspect0", "tx", "off", "tso", "off", "gso", "off"])?;
    feed("ip", &["netns", "exec", namespace, "nft", "-f", "-"], &ruleset())?;
    Ok(())
}

/// A family that the gateway has no address of is unreachable, which sockets are told at once.
fn routes(town: &Town, family: &Family) -> Vec<String> {
    let way = match town.sources.iter().find(|source| (family.is_of)(source)) {
        Some(source) => {
            let (next_hop, mtu) = (family.next_hop, town.uplink_mtu);
            format!("default via {next_hop} dev inspect0 onlink src {source} mtu {mtu}")
        }
        None => "unreachable default".into(),
    };
    vec![
        format!("route replace local default dev lo table {TABLE}"),
        format!("route replace {way} proto {PROTOCOL} table {OWN_TABLE}"),
    ]
}

/// What is said to the municipality goes its way, the rest to the Internet, whatever it is: when the kernel learns of a
/// smaller MTU it looks the route up without a protocol, and what it then noted at the main table's default route would
/// pass for one of the more specific ones.
fn missing_rules(shown: &str) -> Vec<String> {
    let rules = [
        format!("fwmark {MARK:#x} lookup {TABLE}"),
        "iif lo lookup main suppress_prefixlength 0".into(),
        format!("iif lo lookup {OWN_TABLE}"),
    ];
    let there = |priority: &u32| shown.lines().any(|line| line.starts_with(&format!("{priority}:")));
    let missing = (PRIORITY..).zip(rules).filter(|(priority, _)| !there(priority));
    missing.map(|(priority, rule)| format!("rule add priority {priority} {rule}")).collect()
}

/// Hands what arrives on `inspect0` to the inspector, addresses untouched. Without an inspector it ends there. Datagrams go
/// to the socket of their port, where there is one: what answers them must be bound to it. TPROXY
/// brings reassembly with it, for the whole namespace; what arrives elsewhere is untracked before, and so spared: of a
/// datagram only the fragments that are too big come here, and their sender must be told of each. What
/// the kernel itself would say to the Internet, errors about what it forwards and reports of its multicast groups, ends
/// here.
fn ruleset() -> String {
    format!(
        "table inet bangasa\ndelete table inet bangasa\ntable inet bangasa {{\n\
         chain whole {{\n  type filter hook prerouting priority -450; policy accept;\n\
         iifname != \"inspect0\" notrack\n}}\n\
         chain inspect {{\n  type filter hook prerouting priority mangle; policy accept;\n\
         iifname \"inspect0\" meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:{INSPECTOR_PORT} meta mark set {MARK} accept\n\
         iifname \"inspect0\" meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:{INSPECTOR_PORT} meta mark set {MARK} accept\n\
         iifname \"inspect0\" meta nfproto ipv4 meta l4proto udp tproxy ip to 127.0.0.1 meta mark set {MARK} accept\n\
         iifname \"inspect0\" meta nfproto ipv6 meta l4proto udp tproxy ip6 to [::1] meta mark set {MARK} accept\n\
         iifname \"inspect0\" drop\n}}\n\
         chain own {{\n  type filter hook output priority filter; policy accept;\n\
         oifname \"inspect0\" meta l4proto {{ icmp, icmpv6 }} drop\n}}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rules_that_are_missing_are_added() {
        let shown = "0:\tfrom all lookup local\n1000:\tfrom all fwmark 0x6267 lookup 100\n\
                     1002:\tfrom all iif lo lookup 101\n32766:\tfrom all lookup main\n";
        assert_eq!(missing_rules(shown), ["rule add priority 1001 iif lo lookup main suppress_prefixlength 0"]);
        assert_eq!(missing_rules("").len(), 3);
    }
}
