//! What people read, and what other programs read: one record for every scenario and peer.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::measure::Figure;

/// One scenario, beside one peer or none. Names are stable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which: `group/what/size`.
    pub scenario: String,
    /// This gateway: median. None: it could not be measured, see `note`.
    pub ours: Option<f64>,
    /// What the harness costs without it: median.
    pub floor: Option<f64>,
    /// Somebody else's way to the same end: median.
    pub peer: Option<f64>,
    /// Who that is.
    pub peer_name: Option<String>,
    /// How many times better than the peer: above 1 is ours ahead. Without a peer: the floor beside ours.
    pub ratio: Option<f64>,
    /// Of all figures.
    pub unit: String,
    /// Smallest and largest of ours, over all rounds.
    pub ours_spread: Option<[f64; 2]>,
    /// Likewise of the peer.
    pub peer_spread: Option<[f64; 2]>,
    /// Rounds that were counted.
    pub rounds: usize,
    /// Why there is no figure of ours, or what has to be known about it.
    pub note: Option<String>,
    /// Likewise of the peer's, and of the ratio.
    pub peer_note: Option<String>,
}

/// Nanoseconds a packet: less is better.
pub const NS: &str = "ns/packet";
/// Million packets a second: more is better.
pub const MPPS: &str = "Mpps";
/// Seconds: less is better.
pub const SECONDS: &str = "s";
/// Milliseconds: less is better.
pub const MS: &str = "ms";
/// Frames that should be none: less is better.
pub const FRAMES: &str = "frames";
/// Mebibytes: less is better.
pub const MIB: &str = "MiB";
/// How many there are: more is better.
pub const COUNT: &str = "flows";

/// Connections for each second of one CPU: more is better.
pub const CONNECTIONS: &str = "connections/CPU s";
/// CPU seconds for a GB: less is better.
pub const CPU_PER_GB: &str = "CPU s/GB";
/// CPU seconds for 100,000 requests: less is better.
pub const CPU_PER_REQUESTS: &str = "CPU s/100,000 requests";
/// CPU milliseconds for a connection: less is better.
pub const CPU_PER_CONNECTION: &str = "CPU ms/connection";
/// Memory of a connection: less is better.
pub const KIB: &str = "KiB/connection";
/// Microseconds: less is better.
pub const MICROSECONDS: &str = "µs";
/// Instructions that the verifier walked through: less is better.
pub const INSTRUCTIONS: &str = "instructions";

/// A scenario being put together.
pub struct Scenario {
    name: String,
    unit: &'static str,
    rounds: usize,
    ours: Option<Figure>,
    floor: Option<f64>,
    peers: Vec<Peer>,
    note: Option<String>,
}

struct Peer {
    name: String,
    figure: Option<Figure>,
    ratio: Option<f64>,
    note: Option<String>,
}

impl Scenario {
    /// Of that name.
    pub fn new(name: impl Into<String>, unit: &'static str, rounds: usize) -> Self {
        Self { name: name.into(), unit, rounds, ours: None, floor: None, peers: Vec::new(), note: None }
    }

    /// This gateway.
    pub fn ours(self, figure: Figure) -> Self {
        Self { ours: Some(figure), ..self }
    }

    /// The harness alone.
    pub fn floor(self, figure: Figure) -> Self {
        Self { floor: Some(figure.median), ..self }
    }

    /// Why there is no figure, or what has to be known about it.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// Somebody else.
    pub fn peer(self, name: impl Into<String>, figure: Figure) -> Self {
        let ratio = self.ours.and_then(|ours| self.better(ours.median, figure.median));
        self.with(name, Some(figure), ratio, None)
    }

    /// Somebody else, compared after what both spend on something else was taken off.
    pub fn net_peer(self, name: impl Into<String>, figure: Figure, common: Figure) -> Self {
        let ratio = self.ours.and_then(|ours| self.better(ours.median - common.median, figure.median - common.median));
        let note = format!("ratio net of {:.0} {} that both pay", common.median, self.unit);
        self.with(name, Some(figure), ratio, Some(note))
    }

    /// Somebody else, who could not be measured.
    pub fn absent(self, name: impl Into<String>, why: impl Into<String>) -> Self {
        self.with(name, None, None, Some(why.into()))
    }

    fn with(
        mut self,
        name: impl Into<String>,
        figure: Option<Figure>,
        ratio: Option<f64>,
        note: Option<String>,
    ) -> Self {
        self.peers.push(Peer { name: name.into(), figure, ratio, note });
        self
    }

    /// None where one of them is nothing.
    fn better(&self, ours: f64, other: f64) -> Option<f64> {
        let ratio = if [MPPS, COUNT, CONNECTIONS].contains(&self.unit) { ours / other } else { other / ours };
        ratio.is_finite().then_some(ratio)
    }

    fn records(self) -> Vec<Record> {
        let record = Record {
            scenario: self.name.clone(),
            ours: self.ours.map(|figure| figure.median),
            floor: self.floor,
            peer: None,
            peer_name: None,
            ratio: self.ours.and_then(|ours| self.better(ours.median, self.floor?)),
            unit: self.unit.to_owned(),
            ours_spread: self.ours.map(|figure| figure.spread),
            peer_spread: None,
            rounds: self.rounds,
            note: self.note,
            peer_note: None,
        };
        if self.peers.is_empty() {
            return vec![record];
        }
        let beside = |peer: Peer| Record {
            peer: peer.figure.map(|figure| figure.median),
            peer_spread: peer.figure.map(|figure| figure.spread),
            peer_name: Some(peer.name),
            ratio: peer.ratio,
            peer_note: peer.note,
            ..record.clone()
        };
        self.peers.into_iter().map(beside).collect()
    }
}

/// Everything measured so far.
#[derive(Default)]
pub struct Report {
    /// In the order of measuring.
    pub records: Vec<Record>,
}

impl Report {
    /// Prints the head of the table.
    pub fn begin() -> Self {
        println!("{:<42} {:>10} {:>19} {:>8} {:>7}  unit, beside whom", "scenario", "ours", "spread", "floor", "ratio");
        Self::default()
    }

    /// Prints a scenario, and keeps it.
    pub fn add(&mut self, scenario: Scenario) {
        let records = scenario.records();
        for (number, record) in records.iter().enumerate() {
            print(record, number == 0);
        }
        self.records.extend(records);
    }

    /// Writes one JSON object a line.
    pub fn write(&self, path: &Path) -> Result<()> {
        let write = || -> Result<()> {
            let mut file = BufWriter::new(File::create(path)?);
            for record in &self.records {
                serde_json::to_writer(&mut file, record)?;
                file.write_all(b"\n")?;
            }
            Ok(file.flush()?)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// What was written before.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let records = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        Ok(Self { records: records.with_context(|| format!("{} holds something else", path.display()))? })
    }

    /// A scenario, beside a peer whose name begins so.
    pub fn beside(&self, scenario: &str, peer: &str) -> Option<&Record> {
        let is_peer = |record: &&Record| record.peer_name.as_deref().is_some_and(|name| name.starts_with(peer));
        self.records.iter().filter(|record| record.scenario == scenario).find(is_peer)
    }

    /// The harness alone in a scenario.
    pub fn floor(&self, scenario: &str) -> Option<f64> {
        self.records.iter().find(|record| record.scenario == scenario)?.floor
    }

    /// Ours in a scenario.
    pub fn ours(&self, scenario: &str) -> Option<f64> {
        self.records.iter().find(|record| record.scenario == scenario)?.ours
    }
}

/// One line of the table, as soon as it is known.
fn print(record: &Record, is_first: bool) {
    let optional = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), rounded);
    let spread = |spread: Option<[f64; 2]>| {
        spread.map_or_else(String::new, |[low, high]| format!("{}–{}", rounded(low), rounded(high)))
    };
    if is_first {
        println!(
            "{:<42} {:>10} {:>19} {:>8} {:>7}  {}{}",
            record.scenario,
            optional(record.ours),
            spread(record.ours_spread),
            optional(record.floor),
            if record.peer_name.is_none() { optional(record.ratio) } else { String::new() },
            record.unit,
            noted(record.note.as_ref()),
        );
    }
    if let Some(name) = &record.peer_name {
        let ratio = record.ratio.map_or_else(String::new, |ratio| format!("{}×", rounded(ratio)));
        println!(
            "{:<42} {:>10} {:>19} {:>8} {:>7}  {name}{}",
            "",
            optional(record.peer),
            spread(record.peer_spread),
            "",
            ratio,
            noted(record.peer_note.as_ref())
        );
    }
}

fn noted(note: Option<&String>) -> String {
    note.map_or_else(String::new, |note| format!(" ({note})"))
}

/// Three digits or so.
pub fn rounded(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}
