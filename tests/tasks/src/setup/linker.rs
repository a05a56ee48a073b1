//! bpf-linker, built from source against Debian's LLVM.

use std::process::Command;

use crate::place;
use crate::run::{Outcome, output, step};

const VERSION: &str = "0.13.0";
/// Debian's, from `llvm-22-dev`; must be at least the LLVM of the rustc that builds the eBPF programs.
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// Installs it unless this very version answers; one whose LLVM has gone does not.
pub fn ensure() -> Outcome {
    let found = output(Command::new("bpf-linker").arg("--version").env("PATH", place::search_path()));
    if is_right(&found.unwrap_or_default()) {
        return Ok(());
    }
    eprintln!("── setup: bpf-linker {VERSION} is missing; building it takes some minutes");
    step(
        "setup: building bpf-linker",
        place::cargo("install")
            .args(["bpf-linker", "--version", VERSION, "--locked", "--force"])
            .args(["--no-default-features", "--features", "llvm-22"])
            .env("LLVM_PREFIX", LLVM_PREFIX)
            // Built once and then installed: nothing of it is worth keeping in the shared cache.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS"),
    )
}

fn is_right(answer: &str) -> bool {
    answer.trim() == format!("bpf-linker {VERSION}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_version_is_right() {
        assert!(is_right("bpf-linker 0.13.0\n"));
        assert!(!is_right("bpf-linker 0.13.01\n"));
        assert!(!is_right(""));
    }
}
