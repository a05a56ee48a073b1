//! The eBPF object on the oldest kernel that is promised: Debian 12's, in an emulated machine.
//!
//! What runs inside are the tests as they are: the virtual machine sees this machine's files, read-only beneath a layer
//! of memory, so that programs, libraries and sources are where they were built. Nothing of the kernel is installed
//! here; it is unpacked into the cache.

mod debian;
mod guest;

use std::path::PathBuf;
use std::process::Command;

use crate::place;
use crate::run::{Failure, Outcome, output, step};
use crate::setup;

/// A kernel to prove, by the package that always depends on the newest build of it.
struct Kernel {
    release: &'static str,
    package: &'static str,
}

const KERNELS: [Kernel; 1] = [Kernel { release: "6.1", package: "linux-image-amd64" }];

/// A test program of the workspace, how long it is to be, and which of its tests run; none named: all.
struct Program {
    target: &'static str,
    settings: &'static str,
    tests: &'static [&'static str],
}

/// First whether the programs load at all, then what they judge, then whether they hold on ports.
const PROGRAMS: [Program; 6] = [
    Program { target: "budget", settings: "", tests: &[] },
    Program { target: "engine", settings: "", tests: &[] },
    Program { target: "verdict_tables", settings: "", tests: &[] },
    Program { target: "prefix_edges", settings: "", tests: &[] },
    // Policies take their time there, packets do not; enough of these that every stage is reached, as the test demands.
    Program { target: "kernel_is_model", settings: "BANGASA_POLICIES=8 BANGASA_PACKETS=6000", tests: &[] },
    Program { target: "live", settings: "", tests: &["given_back::", "detached::", "kill::", "qinq::"] },
];

/// The task.
pub fn run() -> Outcome {
    setup::run()?;
    setup::for_kernels()?;
    output(Command::new(guest::EMULATOR).arg("--version").env("PATH", place::search_path()))
        .map_err(|Failure(why)| Failure(format!("{why}; install package qemu-system-x86")))?;
    step("building the programs", place::cargo("build").args(["--quiet", "--locked", "--workspace", "--bins"]))?;
    step("building the tests", building().arg("--quiet"))?;
    // Done again it builds nothing, and says where they are.
    let jobs = jobs(&output(building().arg("--message-format=json"))?)?;
    for kernel in &KERNELS {
        let unpacked = debian::unpacked(kernel.package, kernel.release)?;
        guest::run(&unpacked, &jobs)?;
    }
    Ok(())
}

fn building() -> Command {
    let mut build = place::cargo("test");
    // With all of the workspace, as `make test` builds them: else crates would be built with other features again.
    build.args(["--locked", "--workspace", "--no-run"]);
    for program in &PROGRAMS {
        build.args(["--test", program.target]);
    }
    build
}

/// One command line for each of [`PROGRAMS`].
fn jobs(messages: &str) -> Result<Vec<guest::Job>, Failure> {
    let job = |program: &Program| {
        let path = executable(messages, program.target)
            .ok_or_else(|| Failure(format!("cargo does not say where it put the test `{}`", program.target)))?;
        let command = format!("{} {} --test-threads=1 {}", program.settings, path.display(), program.tests.join(" "));
        Ok(guest::Job { name: program.target, command })
    };
    PROGRAMS.iter().map(job).collect()
}

/// Where cargo put a test program, from its messages. Its file is called after the target, with a hash.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let paths = messages.lines().filter_map(|line| line.split_once(r#""executable":""#)?.1.split('"').next());
    let is_wanted = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.rsplit_once('-').is_some_and(|(name, _)| name == target)
    };
    paths.filter(is_wanted).map(PathBuf::from).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_known_by_its_file() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null,"fresh":true}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/debug/deps/engine_room-0a","fresh":true}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/debug/deps/engine-1b","fresh":true}"#,
        );
        assert_eq!(executable(messages, "engine"), Some("/t/debug/deps/engine-1b".into()));
        assert_eq!(executable(messages, "live"), None);
    }
}
