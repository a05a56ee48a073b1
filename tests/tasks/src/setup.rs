//! Brings what a Debian 12 machine with cargo lacks. Done again, it only looks, in well under a second.

mod linker;
mod packages;
mod services;
mod user;

use crate::run::Outcome;

/// The task.
pub fn run() -> Outcome {
    if is_skipped() {
        eprintln!("── setup: skipped, as SETUP=skip asks");
        return Ok(());
    }
    packages::ensure()?;
    linker::ensure()?;
    user::ensure()?;
    eprintln!("── setup: everything is there");
    Ok(())
}

/// What the tests on old kernels need besides.
pub fn for_kernels() -> Outcome {
    if is_skipped() { Ok(()) } else { packages::ensure_for_kernels() }
}

fn is_skipped() -> bool {
    std::env::var_os("SETUP").is_some_and(|value| value == "skip")
}
