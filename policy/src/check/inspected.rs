//! TLS and HTTP rules that are never asked, because no packet rule inspects anything.

use super::http::ResolvedHttp;
use super::municipality::Town;
use super::rules::ResolvedRule;
use super::tls::ResolvedTls;
use crate::checked::Action;
use crate::diagnostic::{Problem, Report};

pub(crate) fn check(
    baseline: &[ResolvedRule<'_>],
    tls: &ResolvedTls<'_>,
    http: &ResolvedHttp<'_>,
    towns: &[Town<'_>],
    report: &mut Report<'_>,
) {
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
            format!("write `action = \"inspect\"` in an egress rule for the TCP ports that {kind} rules are to judge");
        report.push(problem.help(help));
    }
}
