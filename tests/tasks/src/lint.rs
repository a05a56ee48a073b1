//! Formatting and clippy, warnings denied, in every workspace.

use crate::place::{self, FILTERS, FUZZ};
use crate::run::{Outcome, step};
use crate::{machine, setup};

/// The task.
pub fn run() -> Outcome {
    setup::run()?;
    check()
}

/// The same, for a caller that has done the set-up.
pub fn check() -> Outcome {
    machine::demand_component("fmt", "rustfmt")?;
    machine::demand_component("clippy", "clippy")?;
    step("format", place::cargo("fmt").args(["--all", "--check"]))?;
    for manifest in [FILTERS, FUZZ] {
        step(
            &format!("format: {manifest}"),
            place::cargo("fmt").args(["--all", "--check", "--manifest-path", manifest]),
        )?;
    }
    step("clippy", &mut clippy(&["--workspace"]))?;
    // Debian's rustc, which builds the filters, brings no clippy for their target.
    step(&format!("clippy: {FUZZ}"), &mut clippy(&["--all-features", "--manifest-path", FUZZ]))
}

fn clippy(of: &[&str]) -> std::process::Command {
    let mut command = place::cargo("clippy");
    command.args(["--quiet", "--locked", "--all-targets"]).args(of).args(["--", "-D", "warnings"]);
    command
}
