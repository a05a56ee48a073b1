//! 2022 and 2023, floods for weeks on gateways that many share: what hit one was felt by all.
//! Here: one municipality sends as much as a CPU can on the one CPU, far beyond all its budgets, while on the other another
//! one's transfers and connections are measured, with and without it, in turns.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::frame::{self, flags};
use lab::internet::WEB_V4;
use lab::load::Transfer;
use lab::process::text;
use lab::{Lab, wire};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::{Drill, Report, Step};
use crate::tour::{TOWN, VILLAGE, dropped, explain, frame_of};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2022 Hiroshima, 2023 Mie: a flood on one was felt by everybody behind the same gateway",
    step: Step {
        name: "neighbour",
        title: "a municipality beyond all its budgets is not felt by its neighbour",
        title_ja: "隣の自治体への影響",
        run,
    },
};

const ROUNDS: usize = 5;
const TRANSFER: Duration = Duration::from_secs(2);
const CONNECTING: Duration = Duration::from_secs(1);
/// Where the flood is, and everybody else.
const NOISY: usize = 0;
const QUIET: usize = 1;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let since = lab.daemon()?.events().mark();
    // Servers, clients and this thread: the flood has a CPU of its own.
    let pids = std::process::Command::new("ip").args(["netns", "pids", lab.internet().namespace().name()]).output()?;
    for pid in text(&pids.stdout).split_whitespace().filter_map(|pid| pid.parse().ok()) {
        stay_on(QUIET, Pid::from_raw(pid))?;
    }
    stay_on(QUIET, Pid::from_raw(0))?;
    let (mut bits, mut connections) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let sent = AtomicU64::new(0);
    for _ in 0..ROUNDS {
        for noise in [false, true] {
            let over = AtomicBool::new(!noise);
            thread::scope(|scope| -> Result<()> {
                let flood = scope.spawn(|| flood(lab, &over, &sent));
                let (rate, connects) = (transfer(lab), connects(lab));
                over.store(true, Ordering::Relaxed);
                flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??;
                bits[usize::from(noise)].push(rate?);
                connections[usize::from(noise)].push(connects?);
                Ok(())
            })?;
        }
    }
    report.sent(format!("{} connections of {VILLAGE}, as fast as one CPU sends them", sent.into_inner()));
    for (what, unit, [calm, noisy]) in [("transfer", "bits/s", bits), ("connections", "a second", connections)] {
        let (calm, noisy) = (median(calm), median(noisy));
        let change = (noisy / calm - 1.0) * 100.0;
        report.counted(format!(
            "{what} of {TOWN}: {calm:.3e} {unit} without, {noisy:.3e} with the flood: {change:+.1} %"
        ));
    }
    explain(lab, report, since, dropped(VILLAGE, "limited"))?;
    let status = lab.daemon()?.status()?;
    let limited = lab::daemon::counted(&status, Some(TOWN), "egress", "drop", "limited");
    report.expect_count(limited, 0, "packets of the neighbour that were limited");
    Ok(())
}

fn stay_on(cpu: usize, pid: Pid) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu)?;
    // Whoever has ended meanwhile needs no place.
    let _ = sched_setaffinity(pid, &only);
    Ok(())
}

fn transfer(lab: &Lab) -> Result<f64> {
    let town = lab.site(TOWN)?;
    Ok(Transfer::start(town.namespace(), town.v4()?, WEB_V4.into(), TRANSFER, 0)?.finish()?.bits_per_second)
}

/// Connections a second, one after the other.
fn connects(lab: &Lab) -> Result<f64> {
    let town = lab.site(TOWN)?;
    let began = Instant::now();
    let count = town.namespace().enter(|| {
        let mut count = 0;
        while began.elapsed() < CONNECTING {
            TcpStream::connect_timeout(&SocketAddr::new(WEB_V4.into(), 80), Duration::from_secs(2))?;
            count += 1;
        }
        Ok(count)
    })?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

fn flood(lab: &Lab, over: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    stay_on(NOISY, Pid::from_raw(0))?;
    let village = lab.site(VILLAGE)?;
    let from = village.v4()?;
    let syn = |port: u16| {
        let to = SocketAddr::new(WEB_V4.into(), 443);
        frame_of(lab, village, &frame::tcp(SocketAddr::new(from, port), to, flags::SYN, 1, 0))
    };
    let frames = (1_024..9_216).map(syn).collect::<Result<Vec<_>>>()?;
    for some in frames.chunks(1_024).cycle() {
        if over.load(Ordering::Relaxed) {
            return Ok(());
        }
        wire::send(village.device(), some)?;
        sent.fetch_add(some.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
