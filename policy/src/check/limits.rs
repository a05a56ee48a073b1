//! Budgets that another one makes pointless.

use abi::{Direction, Limit};

use crate::diagnostic::{Problem, Report};
use crate::parse::raw::RawLimit;

/// A part and the whole that it is a part of: a part that may be larger than the whole is never reached.
const PARTS: [(Limit, Limit); 7] = [
    (Limit::Smtp, Limit::NewFlows),
    (Limit::SourceNewFlows, Limit::PrefixNewFlows),
    (Limit::SourcePackets, Limit::PrefixPackets),
    (Limit::SourceNewFlows, Limit::NewFlows),
    (Limit::SourcePackets, Limit::Packets),
    (Limit::PrefixNewFlows, Limit::NewFlows),
    (Limit::PrefixPackets, Limit::Packets),
];

/// Says it once of a number, and only if it is so in every direction that the number is for.
pub(super) fn check(limits: &[RawLimit], report: &mut Report<'_>) {
    let mut told = Vec::new();
    for (part, whole) in PARTS {
        for limit in limits.iter().filter(|limit| limit.budget.limit == part) {
            let same: Vec<_> = limits.iter().filter(|other| other.span == limit.span).collect();
            let wholes: Vec<_> = same.iter().filter_map(|part| smaller_whole(limits, part, whole)).collect();
            let (Some(at), true) = (wholes.first(), wholes.len() == same.len()) else { continue };
            if told.contains(&limit.span) {
                continue;
            }
            told.push(limit.span);
            let (name, above) = (part.name(), whole.name());
            let message = format!("`{name}` is never reached: `{above}` is used up before it");
            let problem = Problem::warning("idle-limit", limit.span, message).related(at.span, format!("`{above}`"));
            report.push(problem.help("make it smaller, or leave it out".to_owned()));
        }
    }
}

/// The whole in the part's direction, if it is smaller.
fn smaller_whole<'l>(limits: &'l [RawLimit], part: &RawLimit, whole: Limit) -> Option<&'l RawLimit> {
    let goes = direction(part);
    let is_whole = |it: &&RawLimit| it.budget.limit == whole && (direction(it).is_none() || direction(it) == goes);
    limits.iter().find(is_whole).filter(|whole| whole.number < part.number)
}

/// Mail goes out and networks of the Internet come in.
fn direction(limit: &RawLimit) -> Option<Direction> {
    limit.budget.direction.or(match limit.budget.limit {
        Limit::Smtp => Some(Direction::Egress),
        Limit::PrefixNewFlows | Limit::PrefixPackets => Some(Direction::Ingress),
        _ => None,
    })
}
