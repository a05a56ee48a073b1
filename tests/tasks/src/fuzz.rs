//! Each fuzz target for a short while, with libFuzzer and stable rustc's own coverage instrumentation.
//!
//! What a run finds is kept under the build cache; a crash is written beside it and named in the failure. To keep it,
//! move it to `tests/fuzz/regressions/TARGET/` under a name that says what it is, with a line in the README there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::place::{self, FUZZ};
use crate::run::{Failure, Outcome, output, step};
use crate::setup;

const TARGETS: [&str; 6] = ["client_hello", "http1", "packet", "policy", "quic_initial", "upstream_certificate"];

/// Seconds a target, unless `FUZZ_SECONDS` says otherwise.
const SECONDS: &str = "20";

/// What `cargo fuzz` passes for coverage, without the address sanitizer, which only nightly has.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table";

/// The task. Every target runs even if one before it crashed.
pub fn run() -> Outcome {
    setup::run()?;
    let host = host()?;
    let home = place::target_dir().join("fuzz");
    step(
        "building the fuzz targets",
        place::cargo("build")
            .args(["--quiet", "--locked", "--release", "--features", "libfuzzer", "--manifest-path", FUZZ])
            // With an explicit target the flags spare build scripts and procedural macros.
            .args(["--target", &host])
            .arg("--target-dir")
            .arg(&home)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    let programs = home.join(&host).join("release");
    let outcomes: Vec<Outcome> = TARGETS.iter().map(|target| fuzz(target, &programs, &home)).collect();
    outcomes.into_iter().collect()
}

/// One target, from the seeds in the repository and what earlier runs found.
fn fuzz(target: &str, programs: &Path, home: &Path) -> Outcome {
    let seconds = std::env::var("FUZZ_SECONDS").unwrap_or_else(|_| SECONDS.to_owned());
    let found = home.join("corpus").join(target);
    let crashes = home.join("crashes").join(target);
    for directory in [&found, &crashes] {
        fs::create_dir_all(directory)
            .map_err(|error| Failure(format!("cannot make {}: {error}", directory.display())))?;
    }
    let seeds = place::root().join("tests/fuzz/seeds").join(target);
    let regressions = place::root().join("tests/fuzz/regressions").join(target);
    // Its files as they are: text for the policy target to cut and splice, noise for the other.
    let example = place::root().join("policy/example");
    let crash_prefix = format!("-artifact_prefix={}/", crashes.display());
    step(
        &format!("fuzz: {target} for {seconds} s"),
        Command::new(programs.join(target))
            .arg(format!("-max_total_time={seconds}"))
            .args(["-max_len=16384", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0"])
            .arg(crash_prefix)
            .args([&found, &seeds, &regressions, &example]),
    )
    .map_err(|Failure(why)| {
        Failure(format!("{why}; the input is in {}: move it to tests/fuzz/regressions/{target}/", crashes.display()))
    })
}

/// The triple that rustc builds for by default.
fn host() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = output(Command::new(rustc).arg("-vV").env("PATH", place::search_path()))?;
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure("rustc does not say which host it builds for".to_owned()))
}
