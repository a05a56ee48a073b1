//! Rules that can never match because one earlier rule matches all that they would. That several earlier rules cover
//! one together goes unnoticed.
//!
//! Rules name few different sources, destinations and services. Which of them cover which is worked out once for a
//! list of rules; then an earlier rule that covers a later one is found by what it names, not by comparing all pairs.

mod cover;

use std::collections::HashMap;
use std::hash::Hash;

use abi::Direction;

use super::lists::Addresses;
use super::municipality::Town;
use super::ranges::Ranges;
use super::rules::ResolvedRule;
use crate::checked::Service;
use crate::diagnostic::{Problem, Report};
use cover::{Budget, Covers, Union};

pub(crate) fn check(baseline: &[ResolvedRule<'_>], towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut budget = Budget::new();
    for directions in [&[Direction::Egress][..], &[Direction::Ingress], &[Direction::Egress, Direction::Ingress]] {
        let holds = |rule: &&ResolvedRule<'_>| directions.iter().all(|direction| rule.directions.contains(direction));
        let rules: Vec<_> = baseline.iter().filter(holds).collect();
        let in_no_other = |at: usize| rules[at].directions.len() == directions.len();
        for (earlier, later) in covered(&rules, in_no_other, &mut budget) {
            tell(rules[earlier], rules[later], false, report);
        }
    }
    for town in towns {
        for (direction, own) in [(Direction::Egress, &town.egress), (Direction::Ingress, &town.ingress)] {
            let mut rules: Vec<_> = baseline.iter().filter(|rule| rule.directions.contains(&direction)).collect();
            let prefectural = rules.len();
            rules.extend(own);
            for (earlier, later) in covered(&rules, |at| at >= prefectural, &mut budget) {
                tell(rules[earlier], rules[later], earlier < prefectural, report);
            }
        }
    }
    if budget.exhausted
        && let Some(rule) =
            baseline.iter().chain(towns.iter().flat_map(|town| town.egress.iter().chain(&town.ingress))).next()
    {
        let message = "there are too many large rules to tell which of them can never match";
        let problem = Problem::warning("unchecked-rules", rule.raw.at(), message);
        report.push(
            problem.help("name sets alone in `from` and `to`, rather than together with other addresses".to_owned()),
        );
    }
}

fn tell(earlier: &ResolvedRule<'_>, later: &ResolvedRule<'_>, by_baseline: bool, report: &mut Report<'_>) {
    let (whose, help) = match by_baseline {
        true => ("the baseline's ", "the prefecture's rules come before every municipality's: remove this one"),
        false => ("", "move it above the other, or remove it"),
    };
    let message =
        format!("{} can never match: {whose}{} matches all of it before", later.raw.called(), earlier.raw.called());
    let problem = Problem::warning("unreachable-rule", later.raw.at(), message);
    report.push(problem.related(earlier.raw.at(), "this one matches first").help(help.to_owned()));
}

/// Each judged rule that an earlier one covers, after the first that does.
fn covered(rules: &[&ResolvedRule<'_>], is_judged: impl Fn(usize) -> bool, budget: &mut Budget) -> Vec<(usize, usize)> {
    if rules.len() < 2 {
        return Vec::new();
    }
    let (mut sources, mut destinations, mut services) = (Sides::default(), Sides::default(), Sides::default());
    let asks: Vec<Asks> = rules
        .iter()
        .map(|rule| Asks {
            from: sources.number(rule.from.as_ref().map(|from| from.number), &rule.from),
            to: destinations.number(rule.to.as_ref().map(|to| to.number), &rule.to),
            services: services.number(rule.services.as_deref(), &rule.services),
        })
        .collect();
    let mut addresses = |sides: &[&Option<Addresses>]| {
        let unions: Vec<Union<'_>> = sides.iter().map(|side| side.as_ref().map(Addresses::parts)).collect();
        cover::covering(&unions, budget)
    };
    let lists: Vec<Option<Ranges>> = services.sides.iter().map(|side| side.as_ref().map(|it| numbers(it))).collect();
    let unions: Vec<Union<'_>> = lists.iter().map(|list| list.as_ref().map(|list| vec![list])).collect();
    let covering = Covering {
        from: addresses(&sources.sides),
        to: addresses(&destinations.sides),
        services: cover::covering(&unions, budget),
    };
    let mut index = Index::new(&asks, &covering);
    let mut covered = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        if is_judged(at) && !rule.dead && rule.complete {
            covered.extend(index.first_covering(at).map(|earlier| (earlier, at)));
        }
        index.add(at);
    }
    covered
}

/// What a rule names, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Asks {
    from: usize,
    to: usize,
    services: usize,
}

/// The distinct values of one part of some rules.
struct Sides<K, S> {
    numbers: HashMap<K, usize>,
    sides: Vec<S>,
}

impl<K, S> Default for Sides<K, S> {
    fn default() -> Self {
        Sides { numbers: HashMap::new(), sides: Vec::new() }
    }
}

impl<K: Eq + Hash, S> Sides<K, S> {
    fn number(&mut self, key: K, side: S) -> usize {
        let sides = &mut self.sides;
        *self.numbers.entry(key).or_insert_with(|| {
            sides.push(side);
            sides.len() - 1
        })
    }
}

/// Protocol and port as one number, so that services are ranges like others.
fn numbers(services: &[Service]) -> Ranges {
    let mut ranges = Ranges::default();
    for service in services {
        let (first, last) = service.ports.unwrap_or((0, u16::MAX));
        let number = |port: u16| u32::from(service.protocol) << 16 | u32::from(port);
        ranges.v4.push((number(first), number(last)));
    }
    ranges.normalize();
    ranges
}

/// By number, the numbers of what covers it.
struct Covering {
    from: Covers,
    to: Covers,
    services: Covers,
}

/// The rules so far, by what they name.
struct Index<'c> {
    asks: &'c [Asks],
    covering: &'c Covering,
    /// By destination, ascending.
    by_to: Vec<Vec<usize>>,
    /// The first that names exactly this.
    first: HashMap<Asks, usize>,
}

impl<'c> Index<'c> {
    fn new(asks: &'c [Asks], covering: &'c Covering) -> Self {
        Index { asks, covering, by_to: vec![Vec::new(); covering.to.len()], first: HashMap::new() }
    }

    fn add(&mut self, rule: usize) {
        self.by_to[self.asks[rule].to].push(rule);
        self.first.entry(self.asks[rule]).or_insert(rule);
    }

    fn first_covering(&self, rule: usize) -> Option<usize> {
        let asks = self.asks[rule];
        let (sources, services) = (self.covering.from.of(asks.from), self.covering.services.of(asks.services));
        let first = |&to: &usize| {
            let rules = &self.by_to[to];
            // Many rules may have one destination, and few may have one of many.
            if rules.len() <= sources.len() * services.len() {
                let covers = |rule: &&usize| {
                    let asks = &self.asks[**rule];
                    sources.binary_search(&asks.from).is_ok() && services.binary_search(&asks.services).is_ok()
                };
                return rules.iter().find(covers).copied();
            }
            let pairs = sources.iter().flat_map(|&from| services.iter().map(move |&services| (from, services)));
            pairs.filter_map(|(from, services)| self.first.get(&Asks { from, to, services })).min().copied()
        };
        self.covering.to.of(asks.to).iter().filter_map(first).min()
    }
}
