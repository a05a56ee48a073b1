//! The programs behind the Makefile: `tasks setup | demo | drills | test | bench | lint | fuzz-smoke`.
//!
//! Standard library only, so that it builds in seconds on a machine that has nothing but cargo yet: `setup` is what
//! brings the rest. Nothing here judges a packet or knows a policy; it starts the programs that do.

mod bench;
mod cache;
mod demo;
mod drills;
mod fuzz;
mod lint;
mod machine;
mod place;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use run::{Failure, Outcome};

/// A target of the Makefile.
struct Task {
    name: &'static str,
    does: &'static str,
    start: fn() -> Outcome,
}

const TASKS: [Task; 7] = [
    Task { name: "setup", does: "install what a Debian 12 machine with cargo lacks", start: setup::run },
    Task { name: "demo", does: "a tour of real traffic through the gateway, in network namespaces", start: demo::run },
    Task { name: "drills", does: "incidents of elsewhere, repeated in network namespaces", start: drills::run },
    Task { name: "test", does: "formatting, lints and every test", start: test::run },
    Task { name: "bench", does: "measure beside peers, in one run", start: bench::run },
    Task { name: "lint", does: "formatting and clippy, in every workspace", start: lint::run },
    Task { name: "fuzz-smoke", does: "every fuzz target for a short while", start: fuzz::run },
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), None) = (arguments.next(), arguments.next()) else {
        return usage();
    };
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return usage();
    };
    match cache::take_over().and_then(|()| (task.start)()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(message)) => {
            eprintln!("{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Says what there is; wrong usage is exit code 2, as in every program here.
fn usage() -> ExitCode {
    eprintln!("usage: make TASK, or cargo run -p tasks -- TASK, where TASK is one of");
    for task in TASKS {
        eprintln!("  {:<11} {}", task.name, task.does);
    }
    ExitCode::from(2)
}
