//! Rules that can never match because one earlier rule matches all that they would. Compares pairs; that several
//! earlier rules cover one together goes unnoticed.

use std::net::IpAddr;
use std::rc::Rc;

use abi::Direction;

use super::municipality::Town;
use super::ranges::Ranges;
use super::rules::ResolvedRule;
use super::sets::Addresses;
use crate::checked::Service;
use crate::diagnostic::{Problem, Report};

/// Ranges compared in long lists, at most, which takes a fraction of a second. Short lists are free: their number is
/// bounded by the rules'.
const EFFORT: usize = 4_000_000;
/// What is a short list.
const SHORT: usize = 16;

pub(crate) fn check(baseline: &[ResolvedRule<'_>], towns: &[Town<'_>], report: &mut Report<'_>) {
    let mut effort = EFFORT;
    let shapes: Vec<Shape<'_>> = baseline.iter().map(Shape::new).collect();
    for later in 1..shapes.len() {
        let all_of_it = |earlier: &Shape<'_>| {
            shapes[later].rule.directions.iter().all(|direction| earlier.rule.directions.contains(direction))
        };
        let before: Vec<&Shape<'_>> = shapes[..later].iter().filter(|earlier| all_of_it(earlier)).collect();
        judge(&shapes[later], &before, None, &mut effort, report);
    }
    for town in towns {
        for (direction, rules) in [(Direction::Egress, &town.egress), (Direction::Ingress, &town.ingress)] {
            let own: Vec<Shape<'_>> = rules.iter().map(Shape::new).collect();
            let prefectural = shapes.iter().filter(|shape| shape.rule.directions.contains(&direction));
            let mut before: Vec<&Shape<'_>> = prefectural.collect();
            let baseline = before.len();
            for later in &own {
                judge(later, &before, Some(baseline), &mut effort, report);
                before.push(later);
            }
        }
    }
    if effort == 0
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

/// `baseline`: how many of the earlier rules are the prefecture's, if the later one is not.
fn judge(
    later: &Shape<'_>,
    before: &[&Shape<'_>],
    baseline: Option<usize>,
    effort: &mut usize,
    report: &mut Report<'_>,
) {
    if later.rule.dead || !later.rule.complete {
        return;
    }
    let Some(at) = before.iter().position(|earlier| earlier.covers(later, effort)) else {
        return;
    };
    let earlier = before[at].rule;
    let (message, help) = match baseline {
        Some(count) if at < count => (
            format!(
                "{} can never match: the baseline's {} matches all of it before",
                later.rule.raw.called(),
                earlier.raw.called()
            ),
            "the prefecture's rules come before every municipality's: remove this one".to_owned(),
        ),
        _ => (
            format!("{} can never match: {} matches all of it before", later.rule.raw.called(), earlier.raw.called()),
            "move it above the other, or remove it".to_owned(),
        ),
    };
    let problem = Problem::warning("unreachable-rule", later.rule.raw.at(), message);
    report.push(problem.related(earlier.raw.at(), "this one matches first").help(help));
}

/// A rule, prepared for comparison: the bounds of every dimension rule out most pairs.
struct Shape<'r> {
    rule: &'r ResolvedRule<'r>,
    from: (u64, u64),
    to: (u64, u64),
    services: (u32, u32),
    from_ranges: Option<Rc<Ranges>>,
    to_ranges: Option<Rc<Ranges>>,
}

impl<'r> Shape<'r> {
    fn new(rule: &'r ResolvedRule<'r>) -> Self {
        let services = match &rule.services {
            None => (0, u32::MAX),
            Some(services) => {
                let number = |service: &Service, port: u16| u32::from(service.protocol) << 16 | u32::from(port);
                let first =
                    services.iter().map(|service| number(service, service.ports.map_or(0, |ports| ports.0))).min();
                let last = services
                    .iter()
                    .map(|service| number(service, service.ports.map_or(u16::MAX, |ports| ports.1)))
                    .max();
                (first.unwrap_or(0), last.unwrap_or(0))
            }
        };
        let (from_ranges, to_ranges) = (ResolvedRule::side(&rule.from), ResolvedRule::side(&rule.to));
        Shape { rule, from: bounds(&rule.from), to: bounds(&rule.to), services, from_ranges, to_ranges }
    }

    fn covers(&self, later: &Shape<'_>, effort: &mut usize) -> bool {
        within(later.to, self.to)
            && within(later.from, self.from)
            && later.services.0 >= self.services.0
            && later.services.1 <= self.services.1
            && covers_services(&self.rule.services, &later.rule.services)
            && covers_addresses(&self.to_ranges, &later.to_ranges, effort)
            && covers_addresses(&self.from_ranges, &later.from_ranges, effort)
    }
}

fn within(inner: (u64, u64), outer: (u64, u64)) -> bool {
    inner.0 >= outer.0 && inner.1 <= outer.1
}

/// First and last address, as numbers that keep the order: IPv4 first, then the upper half of IPv6.
fn bounds(side: &Option<Addresses>) -> (u64, u64) {
    let Some(side) = side else { return (0, u64::MAX) };
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 65).unwrap_or(u64::MAX) | 1 << 63,
    };
    let ranges = &side.ranges;
    let v4 = ranges
        .v4
        .first()
        .zip(ranges.v4.last())
        .map(|(first, last)| (IpAddr::V4(first.0.into()), IpAddr::V4(last.1.into())));
    let v6 = ranges
        .v6
        .first()
        .zip(ranges.v6.last())
        .map(|(first, last)| (IpAddr::V6(first.0.into()), IpAddr::V6(last.1.into())));
    match (v4, v6) {
        (Some(v4), Some(v6)) => (number(v4.0), number(v6.1)),
        (Some(one), None) | (None, Some(one)) => (number(one.0), number(one.1)),
        (None, None) => (0, 0),
    }
}

fn covers_services(earlier: &Option<Vec<Service>>, later: &Option<Vec<Service>>) -> bool {
    let Some(earlier) = earlier else { return true };
    let Some(later) = later else { return false };
    let inside = |service: &Service, other: &Service| {
        service.protocol == other.protocol
            && match (service.ports, other.ports) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(ports), Some(others)) => others.0 <= ports.0 && ports.1 <= others.1,
            }
    };
    later.iter().all(|service| earlier.iter().any(|other| inside(service, other)))
}

fn covers_addresses(earlier: &Option<Rc<Ranges>>, later: &Option<Rc<Ranges>>, effort: &mut usize) -> bool {
    let Some(earlier) = earlier else { return true };
    let Some(later) = later else { return false };
    if Rc::ptr_eq(earlier, later) {
        return true;
    }
    match effort.checked_sub(if later.len() <= SHORT { 0 } else { later.len() }) {
        Some(left) => {
            *effort = left;
            earlier.covers(later)
        }
        None => {
            *effort = 0;
            false
        }
    }
}
