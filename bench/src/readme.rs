//! The README's figures: written between two marks from a run's results, never by hand. A test compares the two.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::goals;
use crate::report::{Record, Report, rounded};
use crate::scenarios::{dropping, forwarding};

const BEGIN: &str = "<!-- figures: written by `make bench` -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Puts the figures of a run into the README.
pub fn write(report: &Report, path: &Path) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text =
        replaced(&text, &figures(report)).with_context(|| format!("{} has no marks for figures", path.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The text with other figures between its marks.
fn replaced(text: &str, figures: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{figures}{END}{after}"))
}

/// By live frames: scenario, in words, and the peer that is a program of a few lines.
const LIVE: [(&str, &str, Option<&str>); 8] = [
    ("dropping/10000", "blocked source among 10,000 prefixes, dropped", None),
    ("dropping/100000", "… among 100,000", None),
    ("dropping/1000000", "… among 1,000,000", None),
    ("forwarding/first/10", "first packet of a flow, 10 rules", None),
    ("forwarding/first/1000", "… 1,000 rules", None),
    ("forwarding/first/10000", "… 10,000 rules", None),
    ("forwarding/established/10000", "established, 10,000 flows", Some(forwarding::FIB)),
    ("forwarding/imix/10000", "… frames of 64, 570 and 1,500 bytes (7:4:1)", Some(forwarding::FIB)),
];

/// By the program alone: scenario and in words.
const JUDGED: [(&str, &str); 16] = [
    ("addresses/judged-v4/10000", "blocked source among 10,000 IPv4 prefixes"),
    ("addresses/judged-v4/1000000", "… among 1,000,000"),
    ("addresses/anywhere-v4/10000", "the look-up of any address alone, 10,000 prefixes"),
    ("addresses/anywhere-v4/1000000", "… 1,000,000"),
    ("addresses/looked-up-v4/10000", "the look-up of a blocked address alone, 10,000 prefixes"),
    ("addresses/looked-up-v4/500000", "… 500,000"),
    ("addresses/looked-up-v4/1000000", "… 1,000,000"),
    ("addresses/judged-v6/300000", "blocked source among 300,000 IPv6 prefixes"),
    ("rules/first/mixed/10x60", "first packet, 10 rules in each of 60 municipalities"),
    ("rules/first/mixed/1000x60", "… 1,000 rules"),
    ("rules/first/mixed/10000x60", "… 10,000 rules"),
    ("rules/first/crossed/1000x60", "… 1,000 rules that cross 20 sections, 500 destinations, 50 ports"),
    ("flows/uniform/1000000", "established, 1,000,000 flows, uniform"),
    ("flows/zipf-1.1/1000000", "… Zipf, s = 1.1"),
    ("flows/uniform/10000000", "established, 10,000,000 flows, uniform"),
    ("flows/zipf-1.1/10000000", "… Zipf, s = 1.1"),
];

/// By connections: scenario and in words, ours first and beside it the peers of the same scenario.
const CONNECTIONS: [(&str, &str); 8] = [
    ("inspected/new", "opened connections for a second of CPU"),
    ("inspected/bodies", "large bodies, CPU seconds a GB"),
    ("inspected/requests", "100,000 requests of 1 KB, CPU seconds"),
    ("inspected/waiting", "a waiting connection, KiB"),
    ("inspected/latency/p50", "added to a request, µs: median"),
    ("inspected/latency/p99", "… slowest hundredth"),
    ("spliced/bodies", "spliced: large bodies, CPU seconds a GB"),
    ("spliced/new", "… a connection, CPU milliseconds"),
];

fn figures(report: &Report) -> String {
    let rounds = report.records.iter().map(|record| record.rounds).min().unwrap_or_default();
    let mut text = format!("Medians of {rounds} rounds or more.\n\n");
    text.push_str(
        "| by live frames, Mpps | Bangasa | nftables at its best | nftables, rule by rule | kernel forwarding, no policy | \
         bare XDP program |\n|---|---|---|---|---|---|\n",
    );
    for (scenario, words, bare) in LIVE {
        let peer = |name: &str| cell(report.beside(scenario, name).and_then(|record| record.peer));
        let best = if scenario.starts_with("dropping") { dropping::NFTABLES } else { forwarding::BEST };
        let bare = bare.map_or_else(|| cell(report.floor(scenario)), peer);
        let (ours, best, lines) = (cell(report.ours(scenario)), peer(best), peer(forwarding::LINES));
        let plain = peer("kernel forwarding");
        let _ = writeln!(text, "| {words} | {ours} | {best} | {lines} | {plain} | {bare} |");
    }
    text.push_str(
        "\n| judging alone, ns | Bangasa | kernel's own table, look-up alone | its cost in ours |\n|---|---|---|---|\n",
    );
    for (scenario, words) in JUDGED {
        let beside: Option<&Record> = report.beside(scenario, "kernel's");
        let ratio = beside
            .and_then(|record| record.ratio)
            .map_or_else(|| "–".to_owned(), |ratio| format!("{}×", rounded(ratio)));
        let (ours, peer) = (cell(report.ours(scenario)), cell(beside.and_then(|record| record.peer)));
        let _ = writeln!(text, "| {words} | {ours} | {peer} | {ratio} |");
    }
    text.push_str("\n| TLS connections | Bangasa | HAProxy | Squid | SSLsplit |\n|---|---|---|---|---|\n");
    for (scenario, words) in CONNECTIONS {
        let peer = |name: &str| cell(report.beside(scenario, name).and_then(|record| record.peer));
        let (ours, haproxy) = (cell(report.ours(scenario)), peer("HAProxy"));
        let _ = writeln!(text, "| {words} | {ours} | {haproxy} | {} | {} |", peer("Squid"), peer("SSLsplit"));
    }
    text.push_str("\nMust reach, from the same figures:\n\n");
    for goal in goals::told(report) {
        let _ = writeln!(text, "- {goal}");
    }
    text
}

fn cell(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(file: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
    }

    #[test]
    fn the_readme_says_what_was_measured() {
        let report = Report::read(&root("bench/results.json")).expect("the results can be read");
        let readme = std::fs::read_to_string(root("README.md")).expect("the README can be read");
        let meant = replaced(&readme, &figures(&report)).expect("the README has marks for figures");
        assert!(
            readme == meant,
            "the README's figures are not those of bench/results.json; run `bench --from` on them"
        );
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}old\n{END}b\n");
        assert_eq!(replaced(&text, "new\n"), Some(format!("a\n{BEGIN}new\n{END}b\n")));
        assert_eq!(replaced("no marks", "new\n"), None);
    }
}
