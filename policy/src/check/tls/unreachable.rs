//! TLS rules that can never match because one earlier rule matches all that they would, where that is cheap to tell.
//! That several earlier rules cover one together goes unnoticed, and so does what only the addresses of long lists tell.

use std::collections::HashSet;
use std::hash::Hash;

use super::{ResolvedTls, ResolvedTlsRule};
use crate::check::Judged;
use crate::check::lists::Addresses;
use crate::check::municipality::Town;
use crate::check::ranges::Ranges;
use crate::checked::{Hosts, Service};
use crate::diagnostic::{Problem, Report, Span, Spanned};
use crate::parse::raw::List;
use crate::tls::Names;

/// Pairs of rules that are compared, at most: a second's work.
const PAIRS: usize = 1 << 24;
/// Ranges, or names, of a list that are compared one by one.
const SHORT: usize = 64;

pub(super) fn check(above: &ResolvedTls<'_>, towns: &[Town<'_>], report: &mut Report<'_>) {
    judge_all(&above.rules, towns.iter().map(|town| town.tls.rules.as_slice()), "TLS", report);
}

/// Reports rules that a rule before them covers: the prefecture's by themselves, then each municipality's after those.
pub(crate) fn judge_all<'l, R: Judged + 'l>(
    above: &'l [R],
    towns: impl Iterator<Item = &'l [R]>,
    kind: &str,
    report: &mut Report<'_>,
) {
    let mut pairs = PAIRS;
    let mut unjudged = judge(&[], above, &mut pairs, report);
    for own in towns {
        unjudged = unjudged.or(judge(above, own, &mut pairs, report));
    }
    if let Some(rule) = unjudged {
        let message = format!("there are too many {kind} rules to tell whether this and others can ever match");
        let problem = Problem::warning("unchecked-rules", rule.at(), message);
        report.push(problem.help("unite rules that differ only in names, and put the names into a list".to_owned()));
    }
}

/// Says which rule was the first for which there were more pairs than may be compared.
fn judge<'l, R: Judged>(above: &'l [R], own: &'l [R], pairs: &mut usize, report: &mut Report<'_>) -> Option<&'l R> {
    for (at, later) in own.iter().enumerate().filter(|(_, rule)| rule.is_judged()) {
        let Some(left) = pairs.checked_sub(above.len() + at) else { return Some(later) };
        *pairs = left;
        let earlier = above.iter().chain(&own[..at]).position(|earlier| earlier.covers(later));
        let Some(earlier) = earlier else { continue };
        let (whose, help, earlier) = match above.get(earlier) {
            Some(rule) => {
                ("the prefecture's ", "the prefecture's rules come before every municipality's: remove this one", rule)
            }
            None => ("", "move it above the other, or remove it", &own[earlier - above.len()]),
        };
        let (one, other) = (later.called(), earlier.called());
        let message = format!("{one} can never match: {whose}{other} matches all of it before");
        let problem = Problem::warning("unreachable-rule", later.at(), message);
        report.push(problem.related(earlier.at(), "this one matches first").help(help.to_owned()));
    }
    None
}

impl Judged for ResolvedTlsRule<'_> {
    fn at(&self) -> Span {
        self.raw.at()
    }

    fn called(&self) -> String {
        self.raw.called()
    }

    fn is_judged(&self) -> bool {
        self.complete && !self.dead
    }

    fn covers(&self, other: &Self) -> bool {
        self.openings().covers(other.openings())
            && wider(&self.sni, &other.sni, names)
            && wider(&self.services, &other.services, |one, other| services(one, other))
            && wider(&self.raw.ja4, &other.raw.ja4, items)
            && wider(&self.raw.alpn, &other.raw.alpn, items)
            && wider(&self.raw.ech, &other.raw.ech, |ech, other| ech.value == other.value)
            && wider(&self.from, &other.from, addresses)
            && wider(&self.to, &other.to, addresses)
    }
}

/// What is absent is as wide as can be.
pub(crate) fn wider<T>(one: &Option<T>, other: &Option<T>, covers: impl FnOnce(&T, &T) -> bool) -> bool {
    match (one, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(one), Some(other)) => covers(one, other),
    }
}

pub(crate) fn addresses(one: &Addresses, other: &Addresses) -> bool {
    one.number == other.number
        || other.lists.iter().all(|inner| {
            let covers = |outer: &Ranges| inner.ranges.len() <= SHORT && outer.covers(&inner.ranges);
            one.lists.iter().any(|outer| outer.number == inner.number || covers(&outer.ranges))
        })
}

fn services(one: &[Service], other: &[Service]) -> bool {
    other.iter().all(|inner| {
        one.iter().any(|outer| {
            let ports = |service: &Service| service.ports.unwrap_or((0, u16::MAX));
            let (outer_ports, inner_ports) = (ports(outer), ports(inner));
            outer.protocol == inner.protocol && outer_ports.0 <= inner_ports.0 && inner_ports.1 <= outer_ports.1
        })
    })
}

pub(crate) fn items<T: Eq + Hash>(one: &List<Spanned<T>>, other: &List<Spanned<T>>) -> bool {
    let items: HashSet<&T> = one.items.iter().map(|item| &item.value).collect();
    other.items.iter().all(|item| items.contains(&item.value))
}

pub(crate) fn names(one: &Hosts, other: &Hosts) -> bool {
    let covered = |inner: &Names| {
        one.lists().any(|outer| outer.is_same(inner))
            || inner.len() <= SHORT && inner.iter().all(|name| one.lists().any(|outer| outer.covers(name)))
    };
    (one.none || !other.none) && other.lists().all(covered)
}
