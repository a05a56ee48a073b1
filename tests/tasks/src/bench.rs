//! The benchmarks: an optimised build, then the scenarios of the `bench` crate.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::run::{Outcome, step, unstartable};
use crate::{machine, place, setup};

/// The task. Replaces this process, so that a signal ends the benchmark. The namespaces of one that was ended are removed
/// by the next.
pub fn run() -> Outcome {
    machine::demand_root("the benchmark")?;
    setup::run()?;
    step(
        "building the benchmarks",
        place::cargo("build").args(["--locked", "--release", "--package", "bench", "--package", "inspect"]),
    )?;
    let mut bench = Command::new(place::target_dir().join("release/bench"));
    bench.current_dir(place::root()).env("PATH", place::search_path());
    let error = bench.exec();
    Err(unstartable(&bench, &error))
}
