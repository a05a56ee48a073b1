//! The tour: builds the gateway and the lab, then becomes the lab's `demo`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::run::{Outcome, step, unstartable};
use crate::{machine, place, setup};

/// The task. Replaces this process, so that a signal reaches the lab, which cleans up.
pub fn run() -> Outcome {
    machine::demand_root("the demo")?;
    setup::run()?;
    step(
        "building the gateway and the lab",
        place::cargo("build").args(["--locked", "--package", "bangasa", "--package", "bangasad", "--package", "lab"]),
    )?;
    let mut lab = Command::new(place::target_dir().join("debug/lab"));
    lab.arg("demo").current_dir(place::root()).env("PATH", place::search_path());
    let error = lab.exec();
    Err(unstartable(&lab, &error))
}
