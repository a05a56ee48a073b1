//! What an opened connection costs the process that opens it: when it comes about, by its bytes, by its requests, while it
//! waits, and in time. Beside those who do the same; all in the place of [`crate::passage`].

use std::cell::RefCell;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use crate::measure::{Figure, Turns};
use crate::passage::client::{ask, time};
use crate::passage::{Passage, Running, Way};
use crate::report::{CONNECTIONS, CPU_PER_GB, CPU_PER_REQUESTS, KIB, MICROSECONDS, Scenario};

/// Who opens connections, ours first.
pub const OPENERS: [Way; 4] = [Way::Opened, Way::Haproxy, Way::Squid, Way::Sslsplit];
/// Threads of the load.
const THREADS: usize = 8;
/// New connections of one thread a round.
const VISITS: usize = 40;
/// Connections at a time that fetch bodies, and of what size in bytes each, a round.
const FETCHING: usize = 2;
const FETCHES: usize = 3;
/// Requests of one connection a round.
const REQUESTS: usize = 500;
/// Connections that wait: with the first ones, a process has what it needs whatever their number.
const FEW: usize = 50;
const MANY: usize = 250;
/// Requests that are timed a round.
const TIMED: usize = 1_000;
/// For the last of the work to be done, and for what is kept for a while to be given back.
const REST: Duration = Duration::from_millis(60);

/// New connections, with one small request each.
pub fn connections(bench: &mut Bench<'_>) -> Result<()> {
    race(bench, "inspected/new", CONNECTIONS, &OPENERS, |running| {
        let seconds = spent(running, || running.client.visit(running.way, THREADS, VISITS))?;
        Ok((THREADS * VISITS) as f64 / seconds)
    })
}

/// Large bodies.
pub fn bodies(bench: &mut Bench<'_>) -> Result<()> {
    race(bench, "inspected/bodies", CPU_PER_GB, &OPENERS, per_gigabyte)
}

/// Small requests on connections that are there.
pub fn requests(bench: &mut Bench<'_>) -> Result<()> {
    race(bench, "inspected/requests", CPU_PER_REQUESTS, &OPENERS, |running| {
        let mut open = running.client.open_many(running.way, THREADS)?;
        let seconds = spent(running, || ask(&mut open, "/small", REQUESTS))?;
        Ok(seconds / (THREADS * REQUESTS) as f64 * 1e5)
    })
}

/// CPU seconds for a GB of content.
pub fn per_gigabyte(running: &Running<'_>) -> Result<f64> {
    let mut open = running.client.open_many(running.way, FETCHING)?;
    let seconds = spent(running, || ask(&mut open, "/large", FETCHES))?;
    Ok(seconds / (FETCHING * FETCHES * crate::passage::LARGE_BYTES) as f64 * 1e9)
}

/// CPU seconds of the contender while something is done, and until it is quiet again.
pub fn spent(running: &Running<'_>, action: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = running.usage.cpu_seconds()?;
    action()?;
    sleep(REST);
    Ok(running.usage.cpu_seconds()? - before)
}

/// What one more waiting connection takes, each time in a new process: memory that was given back once would be used again.
pub fn waiting(bench: &mut Bench<'_>) -> Result<()> {
    let passage = Passage::new()?;
    let waiting = |running: &Running<'_>| -> Result<f64> {
        let running = passage.start(running.way)?;
        let _few = running.client.open_many(running.way, FEW)?;
        sleep(REST);
        let before = running.usage.resident_kib()?;
        let _many = running.client.open_many(running.way, MANY)?;
        sleep(REST);
        Ok((running.usage.resident_kib()? - before) / MANY as f64)
    };
    // One at a time: there is one socket for each.
    let ready = start(&passage, &OPENERS, Running::ended)?;
    race_of(bench, "inspected/waiting", KIB, ready, waiting)
}

/// What is added to the time of a small request, beside what it takes directly in the same round.
pub fn latency(bench: &mut Bench<'_>) -> Result<()> {
    let passage = Passage::on_one_cpu()?;
    let direct = passage.start(Way::Direct)?;
    let (running, absent) = start(&passage, &OPENERS, |running| running)?;
    // A round's figures, of everyone in turn: the median and the hundredth part's begin.
    let rounds: RefCell<Vec<[f64; 2]>> = RefCell::default();
    let mut turns = Turns::default();
    for running in [&direct].into_iter().chain(&running) {
        turns.add(|| {
            let mut open = running.client.open(running.way).with_context(|| running.way.name())?;
            let times = time(&mut open, "/small", TIMED).with_context(|| running.way.name())?;
            rounds.borrow_mut().push([times[TIMED / 2], times[TIMED * 99 / 100]]);
            Ok(times[TIMED / 2])
        });
    }
    turns.run(bench.rounds)?;
    let rounds = rounds.borrow();
    // The first one warms up.
    let counted: Vec<_> = rounds.chunks_exact(running.len() + 1).skip(1).collect();
    for (number, name) in ["p50", "p99"].into_iter().enumerate() {
        let directly = Figure::of(counted.iter().map(|round| round[0][number]).collect());
        let added =
            |place: usize| Figure::of(counted.iter().map(|round| round[place][number] - round[0][number]).collect());
        let mut scenario = Scenario::new(format!("inspected/latency/{name}"), MICROSECONDS, bench.rounds)
            .ours(added(1))
            .note(format!("above the {:.0} µs that it takes directly", directly.median));
        for (place, running) in running.iter().enumerate().skip(1) {
            scenario = scenario.peer(running.way.name(), added(place + 1));
        }
        bench.report.add(with_absent(scenario, &absent));
    }
    Ok(())
}

/// Ours, then the others, in turns.
pub fn race(
    bench: &mut Bench<'_>,
    name: &str,
    unit: &'static str,
    ways: &[Way],
    measure: impl Fn(&Running<'_>) -> Result<f64>,
) -> Result<()> {
    let passage = Passage::new()?;
    let ready = start(&passage, ways, |running| running)?;
    race_of(bench, name, unit, ready, measure)
}

fn race_of(
    bench: &mut Bench<'_>,
    name: &str,
    unit: &'static str,
    (running, absent): (Vec<Running<'_>>, Vec<Absent>),
    measure: impl Fn(&Running<'_>) -> Result<f64>,
) -> Result<()> {
    let mut turns = Turns::default();
    let measure = &measure;
    let turn: Vec<_> =
        running.iter().map(|running| turns.add(move || measure(running).with_context(|| running.way.name()))).collect();
    let figures = turns.run(bench.rounds)?;
    let mut scenario = Scenario::new(name, unit, bench.rounds);
    for (number, (running, turn)) in running.iter().zip(turn).enumerate() {
        scenario =
            if number == 0 { scenario.ours(figures[turn]) } else { scenario.peer(running.way.name(), figures[turn]) };
    }
    bench.report.add(with_absent(scenario, &absent));
    Ok(())
}

/// A peer without a figure, and why.
type Absent = (Way, String);

/// Those who serve some connections, several at a time, and those who do not; ours must.
fn start<'p>(
    passage: &'p Passage,
    ways: &[Way],
    keep: impl Fn(Running<'p>) -> Running<'p>,
) -> Result<(Vec<Running<'p>>, Vec<Absent>)> {
    let (mut ready, mut absent) = (Vec::new(), Vec::new());
    for way in ways {
        let started = passage.start(*way).and_then(|running| running.client.visit(*way, 4, 8).map(|()| running));
        match started {
            Ok(running) => ready.push(keep(running)),
            Err(error) if ready.is_empty() => return Err(error.context(way.name())),
            Err(error) => absent.push((*way, format!("{error:#}"))),
        }
    }
    Ok((ready, absent))
}

fn with_absent(scenario: Scenario, absent: &[Absent]) -> Scenario {
    absent.iter().fold(scenario, |scenario, (way, why)| scenario.absent(way.name(), why))
}
