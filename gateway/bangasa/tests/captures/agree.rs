//! Kernel and model judge every capture alike, packet by packet: under the example policy, and under policies of our
//! own in which strangers' traffic reaches the flows and the rules.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bangasa::capture::Capture;
use bangasa::engine::{self, Engine, Kind};
use policy::{Judgement, Policy};

use crate::corpora::{EVERYONE, EXAMPLE, HALVES, Random, load, sides};
use crate::files::captures;

/// Where packets enter.
#[derive(Clone, Copy)]
enum Entrance {
    /// All at this port.
    At(&'static str),
    /// At the trunk or the uplink, whichever side of the gateway the source is on: policy `halves` only.
    BySource,
}

const RUNS: [(&str, Entrance); 7] = [
    (EXAMPLE, Entrance::At("lan0")),
    (EXAMPLE, Entrance::At("lan0.101")),
    (EXAMPLE, Entrance::At("wan0")),
    (EVERYONE, Entrance::At("lan0")),
    (EVERYONE, Entrance::At("lan0.101")),
    (HALVES, Entrance::BySource),
    (HALVES, Entrance::At("wan0")),
];

#[test]
fn kernel_and_model_agree_on_every_capture() {
    let Some(captures) = captures() else { return };
    let total = Mutex::new(Tally::default());
    for (directory, entrance) in RUNS {
        let policy = load(directory);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let tally = compare(&policy, directory, entrance, &captures, &next);
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
                });
            }
        });
    }
    let total = total.into_inner().unwrap();
    println!("compared {} packets of {} captures", total.packets, captures.len());
    println!("{}", total.outcomes());
    let shown = total.differences.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(total.differences.is_empty(), "{} captures judged differently:\n{shown}", total.differences.len());
    assert!(total.packets > 0, "no packet was compared");
}

/// What came of it.
#[derive(Default)]
struct Tally {
    packets: u64,
    outcomes: std::collections::BTreeMap<(&'static str, &'static str), u64>,
    /// The first of each capture: later ones may only follow from it.
    differences: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.packets += other.packets;
        for (outcome, packets) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += packets;
        }
        self.differences.extend(other.differences);
    }

    fn outcomes(&self) -> String {
        self.outcomes.iter().map(|((verdict, reason), packets)| format!("{packets:>9} {verdict} {reason}\n")).collect()
    }
}

/// One pair of engines, which lives through all the captures that this thread takes: flows of one meet the next.
fn compare(policy: &Policy, directory: &str, entrance: Entrance, captures: &[PathBuf], next: &AtomicUsize) -> Tally {
    let mut engines = Pair {
        kernel: engine::open(Kind::Kernel, policy, engine::inspectors(false))
            .unwrap_or_else(|error| panic!("{error:#}")),
        model: engine::open(Kind::Model, policy, engine::inspectors(false)).unwrap(),
        clock_ns: 1_000_000_000_000,
        random: Random::new(20_261_122),
    };
    let mut tally = Tally::default();
    while let Some(path) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
        if let Some(difference) = engines.capture(path, entrance, &mut tally) {
            tally.differences.push(format!("policy {directory}, {difference}"));
        }
    }
    tally
}

struct Pair {
    kernel: Box<dyn Engine>,
    model: Box<dyn Engine>,
    /// When the last packet came: captures are judged one after the other, whenever they were taken.
    clock_ns: u64,
    random: Random,
}

impl Pair {
    /// One capture; says where the engines differ first.
    fn capture(&mut self, path: &Path, entrance: Entrance, tally: &mut Tally) -> Option<String> {
        let mut capture = Capture::new(std::fs::File::open(path).unwrap()).ok()?;
        let mut difference = None;
        let mut last_ns = None;
        // Whether the rest can be read is the reader's concern, not that of this test.
        while let Ok(Some(packet)) = capture.next_packet() {
            let passed_ns = packet.time_ns.saturating_sub(last_ns.unwrap_or(packet.time_ns));
            last_ns = Some(packet.time_ns);
            self.clock_ns += passed_ns.min(LONGEST_PAUSE_NS);
            let (port, frame) = match entrance {
                Entrance::At(port) => (port, packet.frame.to_vec()),
                Entrance::BySource => sides(packet.frame),
            };
            let broken = self.random.broken(&frame);
            for (what, frame) in [("", frame), (", broken on purpose", broken)] {
                let kernel = self.kernel.judge(port, self.clock_ns, &frame).unwrap_or_else(|error| {
                    panic!("{}, packet {}{what}: {error:#}\n{}", path.display(), packet.number, hex(&frame))
                });
                let model = self.model.judge(port, self.clock_ns, &frame).unwrap();
                tally.packets += 1;
                *tally.outcomes.entry((model.verdict.name(), model.reason.name())).or_default() += 1;
                if kernel != model && difference.is_none() {
                    let place = format!("{}, packet {}{what}, port {port}", path.display(), packet.number);
                    difference = Some(format!("{place}:\n{}", describe(&kernel, &model, &frame)));
                }
            }
        }
        // Less than any flow's timeout, so that some of them meet the next capture.
        self.clock_ns += 5_000_000_000;
        difference
    }
}

/// A capture with a gap of years would leave no room for the rest.
const LONGEST_PAUSE_NS: u64 = 10_000 * 1_000_000_000;

fn describe(kernel: &Judgement, model: &Judgement, frame: &[u8]) -> String {
    format!("kernel {kernel:?}\nmodel  {model:?}\nframe  {} bytes: {}", frame.len(), hex(frame))
}

fn hex(frame: &[u8]) -> String {
    frame.iter().take(400).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
