//! What this gateway must reach, and whether a run reached it: ratios within the run.

use crate::report::{Report, rounded};
use crate::scenarios::{dropping, forwarding, neighbour};

/// One aim.
struct Goal {
    /// In words.
    what: &'static str,
    /// What the run has; none if a scenario is missing or did not fit.
    found: Option<f64>,
    /// The bound.
    bound: Bound,
}

/// How the names of peers begin.
const HAPROXY: &str = "HAProxy";
/// Likewise.
const SQUID: &str = "Squid";

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints which are reached, and by how much the others are missed.
pub fn print(report: &Report) {
    println!("\nmust reach");
    told(report).iter().for_each(|goal| println!("  {goal}"));
}

/// Each in a line.
pub fn told(report: &Report) -> Vec<String> {
    goals(report).iter().map(Goal::told).collect()
}

impl Goal {
    fn told(&self) -> String {
        let (word, bound) = match self.bound {
            Bound::AtLeast(bound) => ("at least", bound),
            Bound::AtMost(bound) => ("at most", bound),
        };
        let Some(found) = self.found else {
            return format!("[not measured] {}: {word} {}", self.what, rounded(bound));
        };
        let (is_reached, missed) = match self.bound {
            Bound::AtLeast(bound) => (found >= bound, bound / found),
            Bound::AtMost(bound) => (found <= bound, found / bound),
        };
        let verdict = match (is_reached, missed.is_finite()) {
            (true, _) => "reached".to_owned(),
            (false, true) => format!("missed {}×", rounded(missed)),
            // Nothing is a multiple of none.
            (false, false) => "missed".to_owned(),
        };
        format!("[{verdict}] {}: {} ({word} {})", self.what, rounded(found), rounded(bound))
    }
}

/// Of packets, then of inspected connections.
fn goals(report: &Report) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let ratio = |scenario: &str, peer: &str| report.beside(scenario, peer)?.ratio;
    let ours = |scenario: &str| report.ours(scenario);
    let grows = |from: &str, to: &str| Some(ours(to)? / ours(from)?);
    let of_floor = |scenario: &str| Some(ours(scenario)? / report.floor(scenario)?);
    // Without an apply the gap may happen to be the larger one: then nothing is beyond it.
    let beyond_floor = |scenario: &str| Some((ours(scenario)? - report.floor(scenario)?).max(0.0));
    let goal = |what, found, bound| Goal { what, found, bound };
    vec![
        goal(
            "classifying blocked addresses among 500,000 prefixes beside the kernel's LPM trie, net of key fetch",
            ratio("addresses/looked-up-v4/500000", "kernel's LPM"),
            AtLeast(6.0),
        ),
        goal(
            "the same with addresses from anywhere",
            ratio("addresses/anywhere-v4/500000", "kernel's LPM"),
            AtLeast(6.0),
        ),
        goal(
            "classifying addresses from anywhere: from 10,000 to 1,000,000 prefixes",
            grows("addresses/anywhere-v4/10000", "addresses/anywhere-v4/1000000"),
            AtMost(1.15),
        ),
        goal(
            "classifying blocked addresses, which spread with the prefixes: from 10,000 to 1,000,000",
            grows("addresses/looked-up-v4/10000", "addresses/looked-up-v4/1000000"),
            AtMost(1.15),
        ),
        goal(
            "judging a blocked packet: from 10,000 to 1,000,000 prefixes",
            grows("addresses/judged-v4/10000", "addresses/judged-v4/1000000"),
            AtMost(1.15),
        ),
        goal(
            "first packet: from 10 to 10,000 rules in each of 60 municipalities",
            grows("rules/first/mixed/10x60", "rules/first/mixed/10000x60"),
            AtMost(1.2),
        ),
        goal(
            "the same with crossed rules",
            grows("rules/first/crossed/10x60", "rules/first/crossed/10000x60"),
            AtMost(1.2),
        ),
        goal(
            "established packet: from 10 to 10,000 rules (not at all: noise allowed for)",
            grows("rules/established/mixed/10x60", "rules/established/mixed/10000x60"),
            AtMost(1.05),
        ),
        goal(
            "dropping among 100,000 prefixes beside nftables at its best",
            ratio("dropping/100000", dropping::NFTABLES),
            AtLeast(8.0),
        ),
        goal("dropping among 100,000 prefixes beside a bare drop", of_floor("dropping/100000"), AtLeast(0.7)),
        goal(
            "forwarding 10,000 established flows beside nftables at its best",
            ratio("forwarding/established/10000", forwarding::BEST),
            AtLeast(4.0),
        ),
        goal(
            "forwarding 10,000 established flows beside a bare route and redirect",
            ratio("forwarding/established/10000", forwarding::FIB),
            AtLeast(0.8),
        ),
        goal(
            "forwarding 10,000 established flows translated, beside the same untranslated: cost",
            ratio("forwarding/translated/10000", forwarding::UNTRANSLATED).map(|ratio| 1.0 / ratio),
            AtMost(1.35),
        ),
        goal(
            "established frames of one municipality while another floods, beside the same without",
            ratio("neighbour/established", neighbour::ALONE),
            AtLeast(0.95),
        ),
        goal("the same of its new flows", ratio("neighbour/first", neighbour::ALONE), AtLeast(0.95)),
        goal(
            "60 × 1,000 rules and a million prefixes: check, compile, install, in seconds",
            ours("compile/all"),
            AtMost(3.0),
        ),
        goal("the same, peak memory in MiB", ours("compile/peak-memory"), AtMost(1_024.0)),
        goal("a hundredth of the feeds changed, in seconds", ours("compile/changed-feeds"), AtMost(0.15)),
        goal(
            "apply of the largest policy under a full-rate flood: frames lost",
            ours("apply-under-flood/lost"),
            AtMost(0.0),
        ),
        goal(
            "the same, largest gap beyond the one without apply, in ms",
            beyond_floor("apply-under-flood/largest-gap"),
            AtMost(1.0),
        ),
        goal("opening connections beside HAProxy", ratio("inspected/new", HAPROXY), AtLeast(1.3)),
        goal("opening connections beside Squid", ratio("inspected/new", SQUID), AtLeast(3.0)),
        goal("CPU for inspected bodies: HAProxy's beside ours", ratio("inspected/bodies", HAPROXY), AtLeast(1.0)),
        goal("CPU for inspected requests: HAProxy's beside ours", ratio("inspected/requests", HAPROXY), AtLeast(1.0)),
        goal(
            "memory of a waiting inspected connection: HAProxy's beside ours",
            ratio("inspected/waiting", HAPROXY),
            AtLeast(1.0),
        ),
        goal(
            "CPU for spliced bodies: that of HAProxy in TCP mode beside ours",
            ratio("spliced/bodies", HAPROXY),
            AtLeast(1.0),
        ),
        goal(
            "CPU for a spliced connection: that of HAProxy in TCP mode beside ours",
            ratio("spliced/new", HAPROXY),
            AtLeast(1.0),
        ),
        goal("added to an inspected request, median, in µs", ours("inspected/latency/p50"), AtMost(70.0)),
        goal("the same, slowest hundredth, in µs", ours("inspected/latency/p99"), AtMost(250.0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Figure;
    use crate::report::{NS, Scenario};

    #[test]
    fn a_goal_says_whether_it_is_reached() {
        let mut report = Report::default();
        let at = |median: f64| Figure { median, spread: [median, median] };
        let judged = |count: &str, ns| Scenario::new(format!("addresses/judged-v4/{count}"), NS, 1).ours(at(ns));
        report.add(judged("10000", 100.0));
        report.add(judged("1000000", 230.0));
        let told: Vec<_> = goals(&report).iter().map(Goal::told).collect();
        assert!(told[4].starts_with("[missed 2.00×]") && told[4].contains("2.30"), "{}", told[4]);
        assert!(told[0].starts_with("[not measured]"), "{}", told[0]);
        let mut report = Report::default();
        report.add(judged("10000", 100.0));
        report.add(judged("1000000", 110.0));
        assert!(goals(&report)[4].told().starts_with("[reached]"));
        let lost = |frames| Goal { what: "frames lost", found: Some(frames), bound: Bound::AtMost(0.0) }.told();
        assert_eq!(lost(0.0), "[reached] frames lost: 0.00 (at most 0.00)");
        assert_eq!(lost(3.0), "[missed] frames lost: 3.00 (at most 0.00)");
    }
}
