//! TLS rules that can never match because one earlier rule matches all that they would, where that is cheap to tell.
//! That several earlier rules cover one together goes unnoticed, and so does what only the addresses of long lists tell.

use std::collections::HashSet;

use super::{ResolvedTls, ResolvedTlsRule};
use crate::check::lists::Addresses;
use crate::check::municipality::Town;
use crate::check::ranges::Ranges;
use crate::checked::{Hosts, Service};
use crate::diagnostic::{Problem, Report, Spanned};
use crate::parse::raw::List;
use crate::tls::Names;

/// Pairs of rules that are compared, at most: a second's work.
const PAIRS: usize = 1 << 24;
/// Ranges, or names, of a list that are compared one by one.
const SHORT: usize = 64;

pub(super) fn check(above: &ResolvedTls<'_>, towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut pairs = PAIRS;
    let mut exhausted = judge(&[], &above.rules, &mut pairs, report);
    for town in towns {
        exhausted |= judge(&above.rules, &town.tls.rules, &mut pairs, report);
    }
    let first = above.rules.iter().chain(towns.iter().flat_map(|town| &town.tls.rules)).next();
    if let Some(first) = first.filter(|_| exhausted) {
        let message = "there are too many TLS rules to tell which of them can never match";
        let problem = Problem::warning("unchecked-rules", first.raw.at(), message);
        report.push(problem.help("unite rules that differ only in names, and put the names into a list".to_owned()));
    }
}

/// Reports those of `own` that a rule before them covers; says whether there were more pairs than may be compared.
fn judge(
    above: &[ResolvedTlsRule<'_>],
    own: &[ResolvedTlsRule<'_>],
    pairs: &mut usize,
    report: &mut Report<'_>,
) -> bool {
    for (at, later) in own.iter().enumerate().filter(|(_, rule)| rule.complete && !rule.dead) {
        let Some(left) = pairs.checked_sub(above.len() + at) else { return true };
        *pairs = left;
        let earlier = above.iter().chain(&own[..at]).position(|earlier| earlier.covers(later));
        let Some(earlier) = earlier else { continue };
        let (whose, help, earlier) = match above.get(earlier) {
            Some(rule) => {
                ("the prefecture's ", "the prefecture's rules come before every municipality's: remove this one", rule)
            }
            None => ("", "move it above the other, or remove it", &own[earlier - above.len()]),
        };
        let (one, other) = (later.raw.called(), earlier.raw.called());
        let message = format!("{one} can never match: {whose}{other} matches all of it before");
        let problem = Problem::warning("unreachable-rule", later.raw.at(), message);
        report.push(problem.related(earlier.raw.at(), "this one matches first").help(help.to_owned()));
    }
    false
}

impl ResolvedTlsRule<'_> {
    /// Whether it matches everything that the other does, as far as that is cheap to tell.
    fn covers(&self, other: &Self) -> bool {
        self.openings().covers(other.openings())
            && wider(&self.sni, &other.sni, names)
            && wider(&self.services, &other.services, |one, other| services(one, other))
            && wider(&self.raw.ja4, &other.raw.ja4, words)
            && wider(&self.raw.alpn, &other.raw.alpn, words)
            && wider(&self.raw.ech, &other.raw.ech, |ech, other| ech.value == other.value)
            && wider(&self.from, &other.from, addresses)
            && wider(&self.to, &other.to, addresses)
    }
}

/// What is absent is as wide as can be.
fn wider<T>(one: &Option<T>, other: &Option<T>, covers: impl FnOnce(&T, &T) -> bool) -> bool {
    match (one, other) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(one), Some(other)) => covers(one, other),
    }
}

fn addresses(one: &Addresses, other: &Addresses) -> bool {
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

fn words(one: &List<Spanned<String>>, other: &List<Spanned<String>>) -> bool {
    let words: HashSet<&str> = one.items.iter().map(|word| word.value.as_str()).collect();
    other.items.iter().all(|word| words.contains(word.value.as_str()))
}

pub(super) fn names(one: &Hosts, other: &Hosts) -> bool {
    let covered = |inner: &Names| {
        one.lists().any(|outer| outer.is_same(inner))
            || inner.len() <= SHORT && inner.iter().all(|name| one.lists().any(|outer| outer.covers(name)))
    };
    (one.none || !other.none) && other.lists().all(covered)
}
