//! The picture of cost against size: what a packet costs with more prefixes, and a flow's first with more rules, here and
//! at the peers. Both axes are logarithmic; every line is named where it ends. The ground is white, whatever is around it.

mod panel;

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::report::{Record, Report};
use crate::scenarios::{dropping, forwarding};
use panel::{Line, Panel};

const WIDTH: u32 = 1_120;
const HEIGHT: u32 = 440;
/// Of the headline.
const HEAD: i32 = 62;
const MARGIN: i32 = 28;

const OURS: RGBColor = RGBColor(176, 42, 48);
const FIRST_PEER: RGBColor = RGBColor(46, 94, 140);
const LEAST: RGBColor = RGBColor(160, 160, 166);
const SECOND_PEER: RGBColor = RGBColor(112, 112, 118);
/// Of words.
pub const INK: RGBColor = RGBColor(38, 38, 42);
/// Of words that matter less.
pub const PALE_INK: RGBColor = RGBColor(110, 110, 116);

/// Draws what a whole run has found.
pub fn draw(report: &Report, path: &Path) -> Result<()> {
    let panels = [
        Panel {
            title: "Dropping a blocked source",
            across: "prefixes in the block sets",
            lines: vec![
                line(report, "dropping/", None, "Bangasa", OURS),
                floor(report, "dropping/", "a bare drop", LEAST),
                line(report, "dropping/", Some(dropping::TRIE), "LPM trie, in XDP", SECOND_PEER),
                line(report, "dropping/", Some(dropping::NFTABLES), "nftables, best set", FIRST_PEER),
            ],
        },
        Panel {
            title: "Forwarding the first packet of a flow",
            across: "rules of the municipality",
            lines: vec![
                line(report, "forwarding/first/", None, "Bangasa", OURS),
                line(report, "forwarding/first/", Some(forwarding::LINES), "nftables, rule by rule", SECOND_PEER),
                line(report, "forwarding/first/", Some(forwarding::BEST), "nftables, best maps", FIRST_PEER),
            ],
        },
    ];
    let root = SVGBackend::new(path, (WIDTH, HEIGHT)).into_drawing_area();
    paint(&root, &panels).map_err(|error| anyhow!("{} cannot be drawn: {error}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

fn paint(root: &Area<'_>, panels: &[Panel<'_>]) -> Drawn {
    root.fill(&WHITE)?;
    let head = ("sans-serif", 19).into_font().style(FontStyle::Bold).color(&INK);
    root.draw(&Text::new("What one packet costs as the policy grows", (MARGIN, 20), head))?;
    let below = ("sans-serif", 13).into_font().color(&PALE_INK);
    let words =
        "time for each packet on one core, with sending and counting it; median of alternating rounds; lower is better";
    root.draw(&Text::new(words, (MARGIN, 44), below))?;
    let (_, charts) = root.split_vertically(HEAD + 8);
    for (area, panel) in charts.split_evenly((1, panels.len())).iter().zip(panels) {
        panel.draw(area)?;
    }
    root.present()
}

/// What of a group of scenarios was measured of ours or of a peer, by size.
fn line<'p>(report: &Report, group: &str, peer: Option<&str>, name: &'p str, color: RGBColor) -> Line<'p> {
    let points = points(report, group, |record| match peer {
        None => record.ours,
        Some(peer) if record.peer_name.as_deref() == Some(peer) => record.peer,
        Some(_) => None,
    });
    Line { name, color, is_ours: peer.is_none(), points }
}

/// Likewise of the harness alone.
fn floor<'p>(report: &Report, group: &str, name: &'p str, color: RGBColor) -> Line<'p> {
    Line { name, color, is_ours: false, points: points(report, group, |record| record.floor) }
}

/// Size and nanoseconds, from packets a second.
fn points(report: &Report, group: &str, mpps: impl Fn(&Record) -> Option<f64>) -> Vec<(f64, f64)> {
    let size = |record: &Record| record.scenario.strip_prefix(group)?.parse::<f64>().ok();
    let found = report.records.iter().filter_map(|record| Some((size(record)?, 1_000.0 / mpps(record)?)));
    let mut points: Vec<_> = found.collect();
    points.dedup_by(|one, other| one.0 == other.0);
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Figure;
    use crate::report::{MPPS, Scenario};

    #[test]
    fn a_picture_names_every_line_that_has_points() {
        let at = |median: f64| Figure { median, spread: [median, median] };
        let mut report = Report::default();
        for (size, mpps) in [(10, 4.0), (10_000, 3.0), (1_000_000, 2.5)] {
            let scenario = Scenario::new(format!("dropping/{size}"), MPPS, 1).ours(at(mpps));
            report.add(scenario.peer(dropping::TRIE, at(mpps / 4.0)));
        }
        let path = std::env::temp_dir().join(format!("bangasa-plot-{}.svg", std::process::id()));
        draw(&report, &path).expect("it can be drawn");
        let picture = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        for words in ["Bangasa", "LPM trie, in XDP", "1 µs", "10,000"] {
            assert!(picture.contains(words), "`{words}` is missing");
        }
        assert!(!picture.contains("nftables, best set"));
    }
}
