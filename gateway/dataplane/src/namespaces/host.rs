//! What the host itself needs: a route to everything inside that only one municipality has. Then it can answer for what
//! comes from the Internet and goes no further (time exceeded, too big); whatever it would forward there is swallowed.

use super::Desired;
use super::hairpin::FAR;
use super::ip;
use crate::command::{feed, run};
use crate::error::Error;
use crate::links;

/// Everything inside lies behind it.
const INSIDE: &str = "bgs-inside";
/// Its other end.
const NOWHERE: &str = "bgs-nowhere";
/// Our table among the host's own.
const TABLE: &str = "bangasa";
/// Larger than any trunk's: what counts is the MTU of each route.
const MTU: u32 = 65_535;

/// Makes the routes those wanted.
pub fn route_inside(desired: &Desired) -> Result<(), Error> {
    if !links::list()?.contains_key(INSIDE) {
        ip::batch(None, ip::sink(INSIDE, NOWHERE, MTU))?;
    }
    ip::batch(None, [format!("link set {INSIDE} up")])?;
    // A route of the host's own to the same place has a lower metric and wins.
    let way = |mtu: u32| format!("dev {INSIDE} metric 4096 mtu {mtu}");
    let wanted: Vec<_> = desired.inside.iter().map(|(prefix, mtu)| (*prefix, way(*mtu))).collect();
    ip::set_routes(None, &["dev", INSIDE], &wanted)
}

/// Keeps a firewall of the host's own from reassembling, as tracking does, what is handed over at the ports, be it those of
/// inspectors or the hairpin: of a datagram only the fragments that are too big come that way, and nothing else that it would
/// have to track.
pub fn leave_untracked(desired: &Desired) -> Result<(), Error> {
    let ports: Vec<String> = desired.ports.iter().map(|port| format!("\"{port}\"")).collect();
    let ruleset = format!(
        "table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n\
         chain whole {{\n  type filter hook prerouting priority -450; policy accept;\n\
         iifname {{ {} }} notrack\n  iifname {{ \"bgi*\", \"{FAR}\" }} notrack\n}}\n}}\n",
        ports.join(", ")
    );
    feed("nft", &["-f", "-"], &ruleset)?;
    Ok(())
}

/// Takes it all away.
pub fn remove() -> Result<(), Error> {
    // Declared first, so that there is one to delete.
    feed("nft", &["-f", "-"], &format!("table inet {TABLE}\ndelete table inet {TABLE}\n"))?;
    if links::list()?.contains_key(INSIDE) {
        run("ip", &["link", "del", INSIDE])?;
    }
    Ok(())
}
