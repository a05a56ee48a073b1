//! Sizes that can be judged before compiling; `CapacityError::diagnostic` tells the others. What does not fit is refused with the numbers, never cut short.

use std::collections::BTreeSet;

use abi::Direction;
use abi::limits;

use super::municipality::Town;
use super::rules::ResolvedRule;
use crate::diagnostic::{Problem, Report, Span};
use crate::parse::raw::RawPolicy;

/// Rules of one rulebook, baseline included.
const RULEBOOK: usize = limits::RULEBOOK_RULES as usize;
/// Rules of a gateway; number 0 means "the default".
const RULES: usize = limits::RULES as usize - 1;

pub(crate) fn check(raw: &RawPolicy, baseline: &[ResolvedRule<'_>], towns: &[Town<'_>], report: &mut Report<'_>) {
    let Some(prefecture) = &raw.prefecture else { return };
    let top = Span { file: prefecture.file, start: 0, end: 0 };
    let mut limit = |what: &str, count: usize, most: u32, span: Span, help: &str| {
        if count > most as usize {
            let problem =
                Problem::error("capacity", span, format!("{count} {what} are more than one gateway can hold"));
            report.push(problem.label(format!("room for {most}")).help(help.to_owned()));
        }
    };
    let split = "divide them among several gateways";
    // Numbers begin at 1 for municipalities, attachments and sets: 0 means "none".
    limit("municipalities", towns.len(), limits::MUNICIPALITIES - 1, towns.last().map_or(top, Town::at), split);
    let ports = prefecture.uplinks.items.len() + prefecture.accesses.items.len();
    limit("ports", ports, limits::PORTS, prefecture.accesses.span, split);
    let attachments: Vec<_> = raw.municipalities.iter().flat_map(|town| &town.attachments.items).collect();
    let last = attachments.last().map_or(top, |attachment| attachment.span);
    limit("attachments", attachments.len(), limits::ATTACHMENTS - 1, last, split);
    let outer: BTreeSet<(&str, u16)> = attachments
        .iter()
        .filter_map(|attachment| match attachment.vlans.as_deref() {
            Some([outer, _]) => Some((attachment.port.as_ref()?.value.as_str(), *outer)),
            _ => None,
        })
        .collect();
    limit(
        "outer VLANs with inner ones",
        outer.len(),
        limits::QINQ_BLOCKS,
        last,
        "put more inner VLANs into one outer VLAN",
    );
    let last_set = prefecture.sets.last().map_or(top, |set| set.name.span);
    limit("sets", prefecture.sets.len(), limits::SETS - 1, last_set, "unite sets that are always used together");
    let pool = towns.iter().map(|town| town.pool.len()).sum();
    let last_pool = towns.iter().rfind(|town| !town.pool.is_empty()).map_or(top, |town| town.raw.nat.pool.span);
    limit("pool addresses", pool, limits::POOL_ADDRESSES, last_pool, "a few addresses serve thousands of terminals");

    let mappings = || towns.iter().flat_map(|town| &town.raw.nat.inbound);
    let runs = mappings().map(|it| it.services.items.len()).sum();
    let last_run = mappings().last().map_or(top, |mapping| mapping.services.span);
    let shorter = "name runs of ports, such as `tcp/8000-8010`";
    limit("runs of mapped ports", runs, limits::INBOUND - 1, last_run, shorter);

    let mut total = baseline.len();
    let mut misfit = None;
    for town in towns {
        for (direction, rules) in [(Direction::Egress, &town.egress), (Direction::Ingress, &town.ingress)] {
            // Those of the other direction have their places too.
            let prefectural = baseline.len();
            let count = prefectural + rules.len();
            misfit = misfit.or_else(|| rules.get(RULES.saturating_sub(total)).map(|rule| rule.raw.at()));
            total += rules.len();
            if count > RULEBOOK {
                let (way, at) = (direction_name(direction), rules.last().map_or(town.at(), |rule| rule.raw.at()));
                let message = format!("{count} {way} rules are more than one municipality can have");
                let problem = Problem::error("capacity", at, message);
                let problem = problem.label(format!("room for {RULEBOOK}, the {prefectural} of the baseline included"));
                report.push(problem.help("unite rules that differ only in addresses or ports, or use sets".to_owned()));
            }
        }
    }
    if total > RULES {
        let message = format!("{total} rules are more than one gateway can hold");
        let problem = Problem::error("capacity", misfit.unwrap_or(top), message).label(format!("room for {RULES}"));
        report.push(problem.help("unite rules that differ only in addresses or ports, or use sets".to_owned()));
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "egress",
        Direction::Ingress => "ingress",
    }
}
