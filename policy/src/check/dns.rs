//! `[dns]`: whose servers are guarded, and which zones are told apart.

use abi::dns::ZONES;

use super::ranges::Ranges;
use crate::checked::Dns;
use crate::diagnostic::{Problem, Report};
use crate::parse::raw::RawMunicipality;

/// Servers must be the municipality's `own`, published addresses and pool included.
pub(super) fn resolve(raw: &RawMunicipality, own: &Ranges, known: bool, report: &mut Report<'_>) -> Option<Dns> {
    let said = raw.dns.as_ref()?;
    for server in said.servers.items.iter().filter(|server| known && !own.contains(server.value)) {
        let message = format!("the DNS server `{}` is none of the municipality's addresses", server.value);
        let problem = Problem::error("dns-outside-prefixes", server.span, message);
        report.push(
            problem
                .related(raw.prefixes.span, "its prefixes")
                .help("publish it, by an ingress rule that allows `udp/53` and `tcp/53` to it".to_owned()),
        );
    }
    if let (Some(first), true) = (said.servers.items.is_empty().then_some(said.servers.span), said.servers.complete) {
        let problem = Problem::error("missing-key", first, "`[dns]` names no server");
        report.push(problem.help("add one, or leave `[dns]` out".to_owned()));
    }
    let zones = Dns::in_order(said.zones.items.iter().map(|zone| zone.value.clone()).collect());
    // Number 0 stands for all others.
    if zones.len() >= ZONES {
        let message = format!("{} zones are more than can be told apart", zones.len());
        let problem = Problem::error("capacity", said.zones.span, message).label(format!("room for {}", ZONES - 1));
        report.push(problem.help("name those that matter most; all other names count as one zone".to_owned()));
    }
    let mut servers: Vec<_> = said.servers.items.iter().map(|server| server.value).collect();
    servers.sort_unstable();
    servers.dedup();
    Some(Dns { servers, zones, ..said.dns.clone() })
}
