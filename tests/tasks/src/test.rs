//! Everything that must hold: formatting, lints, unit and property tests, the lab's system tests, the checks of
//! licences, advisories and dependency edges, and the replay of every crash that fuzzing has found.

use crate::place::{self, FUZZ};
use crate::run::{Outcome, step};
use crate::{lint, machine, setup};

/// The task. All tests run even if one fails, so that one run says everything.
pub fn run() -> Outcome {
    machine::demand_root("the suite's lab")?;
    setup::run()?;
    lint::check()?;
    // The system tests start the daemon and the command line, which `cargo test` alone would not build.
    step("building the programs", place::cargo("build").args(["--quiet", "--locked", "--workspace", "--bins"]))?;
    let workspace = step("tests", place::cargo("test").args(["--quiet", "--locked", "--workspace", "--no-fail-fast"]));
    let regressions = step(
        "tests: regressions of fuzzing",
        place::cargo("test").args(["--quiet", "--locked", "--manifest-path", FUZZ]),
    );
    workspace.and(regressions)
}
