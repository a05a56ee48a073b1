//! Where things are, and which cargo builds them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository. Fixed when this program is built, which is right because the Makefile builds it in each clone.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Manifests of the workspaces that are not part of the root's: other target, other flags, lock files of their own.
pub const FUZZ: &str = "tests/fuzz/Cargo.toml";
/// The eBPF programs, which Debian's rustc builds for another target.
pub const FILTERS: &str = "ebpf-filters/filters/Cargo.toml";

/// The build cache that every clone shares: `$CARGO_TARGET_DIR`, else under the user's cache directory, so that a
/// fresh clone compiles no dependency twice. The Makefile sets the same for the run of this very program.
pub fn target_dir() -> PathBuf {
    match variable("CARGO_TARGET_DIR") {
        Some(set) => root().join(set),
        None => cache().join("bangasa/target"),
    }
}

/// The user's cache directory.
pub fn cache() -> PathBuf {
    match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => cache,
        (None, Some(home)) => home.join(".cache"),
        (None, None) => std::env::temp_dir(),
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where `cargo install` puts programs.
pub fn cargo_bin() -> PathBuf {
    let home = variable("CARGO_HOME").or_else(|| variable("HOME").map(|home| home.join(".cargo")));
    home.unwrap_or_default().join("bin")
}

/// `$PATH` with cargo's own programs in front and the administrator's at the end, which a plain user's `$PATH` lacks.
pub fn search_path() -> OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::iter::once(cargo_bin())
        .chain(std::env::split_paths(&inherited))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    std::env::join_paths(directories).unwrap_or(inherited)
}

/// Cargo, the same that runs this program, in the repository, into the shared build cache.
///
/// What cargo told this program about the `tasks` package is taken out of the environment: build scripts further
/// down would read it as theirs.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
        .arg(subcommand)
        .current_dir(root())
        .env("PATH", search_path())
        .env("CARGO_TARGET_DIR", target_dir())
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS");
    command
}
