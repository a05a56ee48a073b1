//! The drills: builds the gateway and the lab, then becomes the lab's `drill all`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::run::{Outcome, step, unstartable};
use crate::{machine, place, setup};

/// The task. Replaces this process, so that a signal reaches the lab, which cleans up.
pub fn run() -> Outcome {
    machine::demand_root("the drills")?;
    setup::run()?;
    let packages = ["bangasa", "bangasad", "inspect", "lab"].map(|package| ["--package", package]);
    step("building the gateway and the lab", place::cargo("build").arg("--locked").args(packages.as_flattened()))?;
    let mut lab = Command::new(place::target_dir().join("debug/lab"));
    lab.args(["drill", "all"]).current_dir(place::root()).env("PATH", place::search_path());
    let error = lab.exec();
    Err(unstartable(&lab, &error))
}
