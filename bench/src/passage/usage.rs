//! What a contender's processes have used, from `/proc`: helpers count as well.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process and all that come from it.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    first: Option<u32>,
}

impl Usage {
    /// Of this process; of nobody where nobody stands between.
    pub fn new(first: Option<u32>) -> Self {
        Self { first }
    }

    /// Seconds that they have run, the kernel's work for them included. By the scheduler's account, which has nanoseconds
    /// where `stat` has hundredths.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let mut nanoseconds = 0_u64;
        for process in self.processes() {
            let tasks = fs::read_dir(format!("/proc/{process}/task")).context("a contender has ended")?;
            for task in tasks.flatten() {
                // One that has ended meanwhile was a helper's.
                let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let run = text.split(' ').next().and_then(|run| run.parse::<u64>().ok());
                nanoseconds += run.unwrap_or_default();
            }
        }
        Ok(nanoseconds as f64 / 1e9)
    }

    /// KiB of theirs in memory.
    pub fn resident_kib(&self) -> Result<f64> {
        self.processes().iter().map(|process| resident_kib(*process)).sum()
    }

    /// Ends them, each by its number.
    pub fn end(&self) {
        for process in self.processes() {
            // Gone already is as well.
            let _ = i32::try_from(process).map(|process| kill(Pid::from_raw(process), Signal::SIGKILL));
        }
    }

    fn processes(&self) -> Vec<u32> {
        let mut found: Vec<u32> = self.first.into_iter().collect();
        let all: Vec<(u32, u32)> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(child).collect();
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
            next += 1;
        }
        found
    }
}

/// A process and its parent.
fn child(entry: fs::DirEntry) -> Option<(u32, u32)> {
    let process = entry.file_name().to_str()?.parse().ok()?;
    let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    Some((process, rest.split(' ').nth(1)?.parse().ok()?))
}

fn resident_kib(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).context("a contender has ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.context("the kernel does not tell what is in memory")
}
