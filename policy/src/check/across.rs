//! What municipalities must not do to each other: share an id, a pool address, or a public prefix.

use std::collections::HashMap;

use ipnet::IpNet;

use super::inbound;
use super::municipality::Town;
use crate::checked::is_private;
use crate::diagnostic::{Problem, Report, Span};
use crate::parse::raw::RawPolicy;

pub(crate) fn check(raw: &RawPolicy, towns: &[Town<'_>], report: &mut Report<'_>) {
    unique_ids(raw, report);
    pools_apart(towns, report);
    owners(towns, report);
    inbound::across(towns, report);
}

fn unique_ids(raw: &RawPolicy, report: &mut Report<'_>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for id in raw.municipalities.iter().filter_map(|municipality| municipality.id.as_ref()) {
        if let Some(&first) = seen.get(id.value.as_str()) {
            let problem = Problem::error(
                "duplicate-id",
                id.span,
                format!("there are two municipalities with the id `{}`", id.value),
            );
            report.push(
                problem
                    .related(first, "the first one")
                    .help("give each its own id; ids stay when names change".to_owned()),
            );
        } else {
            seen.insert(&id.value, id.span);
        }
    }
}

/// Answers from the Internet find their municipality by the pool address alone.
fn pools_apart(towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut pools: Vec<(u32, u32, usize, Span)> = Vec::new();
    for (number, town) in towns.iter().enumerate() {
        for prefix in &town.raw.nat.pool.items {
            if let IpNet::V4(v4) = prefix.value {
                pools.push((v4.network().to_bits(), v4.broadcast().to_bits(), number, prefix.span));
            }
        }
    }
    pools.sort_unstable();
    let mut open: Vec<(u32, usize, Span)> = Vec::new();
    for (first, last, number, span) in pools {
        open.retain(|&(end, ..)| end >= first);
        for &(_, other, earlier) in open.iter().filter(|&&(_, other, _)| other != number) {
            let (at, related) = if earlier < span { (span, earlier) } else { (earlier, span) };
            let (one, two) = (towns[number.max(other)].called(), towns[number.min(other)].called());
            let problem = Problem::error("nat-pool-overlap", at, format!("the pools of {one} and {two} overlap"));
            report.push(
                problem
                    .related(related, "the other pool")
                    .help("an address translates for one municipality only".to_owned()),
            );
        }
        open.push((last, number, span));
    }
}

/// A prefix that two municipalities call their own belongs to neither on the uplink. That is as it should be for private
/// addresses, and a mistake for public ones.
fn owners(towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut seen: HashMap<IpNet, (usize, Span, bool)> = HashMap::new();
    for (number, town) in towns.iter().enumerate() {
        let own = town.raw.prefixes.items.iter().chain(&town.published).map(|prefix| (prefix, false));
        for (prefix, in_pool) in own.chain(town.raw.nat.pool.items.iter().map(|prefix| (prefix, true))) {
            if is_private(&prefix.value) {
                continue;
            }
            let &mut (owner, first, first_in_pool) = seen.entry(prefix.value).or_insert((number, prefix.span, in_pool));
            // Two pools have been told apart already.
            if owner == number || (in_pool && first_in_pool) {
                continue;
            }
            let message = format!("both {} and {} own `{}`", towns[owner].called(), town.called(), prefix.value);
            let problem = Problem::warning("ambiguous-owner", prefix.span, message);
            let help = "packets from the Internet for it are dropped as `unknown_destination`: leave it to one of them"
                .to_owned();
            report.push(problem.related(first, "also here").help(help));
        }
    }
}
