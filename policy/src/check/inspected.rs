//! What packet rules hand to inspectors, all of them together: more UDP ports than one listens at, or nothing at all, so that
//! TLS and HTTP rules are never asked.

use std::collections::BTreeSet;

use super::http::ResolvedHttp;
use super::municipality::Town;
use super::rules::{ResolvedRule, UDP};
use super::tls::ResolvedTls;
use crate::checked::Action;
use crate::diagnostic::{Problem, Report};

/// UDP ports at which one inspector listens. Each takes two sockets, and what answers from a port must be bound to it.
const UDP_PORTS: usize = 16;

pub(crate) fn check(
    baseline: &[ResolvedRule<'_>],
    tls: &ResolvedTls<'_>,
    http: &ResolvedHttp<'_>,
    towns: &[Town<'_>],
    report: &mut Report<'_>,
) {
    udp_ports(baseline, towns, report);
    let inspects = |rules: &[ResolvedRule<'_>]| {
        // What could not be read may well inspect.
        rules.iter().any(|rule| rule.raw.action.as_ref().is_none_or(|action| action.value == Action::Inspect))
    };
    if inspects(baseline) || towns.is_empty() {
        return;
    }
    if !towns.iter().any(|town| inspects(&town.egress)) {
        never_asked(tls, http, "no packet rule inspects anything", report);
    }
    for town in towns.iter().filter(|town| !inspects(&town.egress)) {
        never_asked(&town.tls, &town.http, "no packet rule of this municipality inspects anything", report);
    }
}

fn udp_ports(baseline: &[ResolvedRule<'_>], towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut above = BTreeSet::new();
    if !fit(baseline, &mut above, report) {
        return;
    }
    for town in towns {
        fit(&town.egress, &mut above.clone(), report);
    }
}

/// Adds those of these rules; reports the first rule that goes too far.
fn fit(rules: &[ResolvedRule<'_>], ports: &mut BTreeSet<u16>, report: &mut Report<'_>) -> bool {
    for rule in rules {
        if rule.raw.action.as_ref().is_none_or(|action| action.value != Action::Inspect) {
            continue;
        }
        let named = rule.services.iter().flatten().filter(|service| service.protocol == UDP);
        ports.extend(named.filter_map(|service| service.ports).flat_map(|(first, last)| first..=last));
        if ports.len() > UDP_PORTS {
            let message = format!("with this rule, {} UDP ports of one municipality are inspected", ports.len());
            let problem = Problem::error("capacity", rule.raw.at(), message).label(format!("room for {UDP_PORTS}"));
            report.push(problem.help("name the ports at which servers speak QUIC, most often `udp/443`".to_owned()));
            return false;
        }
    }
    true
}

fn never_asked(tls: &ResolvedTls<'_>, http: &ResolvedHttp<'_>, why: &str, report: &mut Report<'_>) {
    let firsts = [
        ("TLS", tls.rules.len(), tls.rules.first().map(|rule| rule.raw.at())),
        ("HTTP", http.rules.len(), http.rules.first().map(|rule| rule.raw.at())),
    ];
    for (kind, count, first) in firsts {
        let Some(first) = first else { continue };
        let rules = if count == 1 { format!("this {kind} rule is") } else { format!("these {kind} rules are") };
        let problem = Problem::warning("never-inspected", first, format!("{rules} never asked: {why}"));
        let help =
            format!("write `action = \"inspect\"` in an egress rule for the ports that {kind} rules are to judge");
        report.push(problem.help(help));
    }
}
