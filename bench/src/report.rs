//! What people read, and what other programs read: one line a scenario, in both.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::measure::Figure;

/// One scenario, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What was measured, in words.
    pub scenario: String,
    /// This gateway: median.
    pub ours: f64,
    /// What the harness costs without it: median.
    pub floor: Option<f64>,
    /// Somebody else's way to the same end: median.
    pub peer: Option<f64>,
    /// Who that is.
    pub peer_name: Option<&'static str>,
    /// How many times better than the peer: above 1 is ours ahead. Without a peer: the floor beside ours.
    pub ratio: Option<f64>,
    /// Of all figures.
    pub unit: &'static str,
    /// Smallest and largest of ours, over all rounds.
    pub ours_spread: [f64; 2],
    /// Likewise of the peer.
    pub peer_spread: Option<[f64; 2]>,
    /// Rounds that were counted.
    pub rounds: usize,
}

/// Nanoseconds a packet: less is better.
pub const NS: &str = "ns/packet";
/// Million packets a second: more is better.
pub const MPPS: &str = "Mpps";

impl Line {
    /// Puts figures together.
    pub fn new(
        scenario: impl Into<String>,
        unit: &'static str,
        rounds: usize,
        ours: Figure,
        floor: Option<Figure>,
        peer: Option<(&'static str, Figure)>,
    ) -> Self {
        let other = peer.map(|(_, figure)| figure).or(floor);
        let ratio = other.map(|other| if unit == NS { other.median / ours.median } else { ours.median / other.median });
        Self {
            scenario: scenario.into(),
            ours: ours.median,
            floor: floor.map(|figure| figure.median),
            peer: peer.map(|(_, figure)| figure.median),
            peer_name: peer.map(|(name, _)| name),
            ratio,
            unit,
            ours_spread: ours.spread,
            peer_spread: peer.map(|(_, figure)| figure.spread),
            rounds,
        }
    }
}

/// The head of the table.
pub fn print_head() {
    println!("{:<58} {:>9} {:>17} {:>9} {:>9} {:>7}  unit", "scenario", "ours", "spread", "floor", "peer", "ratio");
}

/// One line of the table, as soon as it is known.
pub fn print(line: &Line) {
    let optional = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.2}"));
    println!(
        "{:<58} {:>9.2} {:>17} {:>9} {:>9} {:>7}  {}{}",
        line.scenario,
        line.ours,
        format!("{:.2}–{:.2}", line.ours_spread[0], line.ours_spread[1]),
        optional(line.floor),
        optional(line.peer),
        optional(line.ratio),
        line.unit,
        line.peer_name.map(|name| format!("; peer: {name}")).unwrap_or_default(),
    );
}

/// Writes one JSON object a line.
pub fn write(path: &Path, lines: &[Line]) -> Result<()> {
    let write = || -> Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for line in lines {
            serde_json::to_writer(&mut file, line)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
