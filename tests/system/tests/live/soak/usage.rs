//! What a process has, from `/proc`.

use std::fs;

/// Of one process, in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// KiB in memory, a share of what it shares with others: the mean over the round.
    pub resident_kib: f64,
    /// Open descriptors, after the round.
    pub descriptors: usize,
}

/// A mean that is being made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    /// One more.
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// Of all so far.
    pub(super) fn value(self) -> f64 {
        self.sum / f64::from(self.count)
    }
}

/// KiB in memory, by its proportional share.
pub(super) fn resident_kib(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Open descriptors.
pub(super) fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
