//! Compiles the eBPF objects from `ebpf-filters/filters` into `OUT_DIR`.
//!
//! The crate is a workspace of its own: another target, and a compiler that can build `core` from source. Which one is
//! found in this order: `BANGASA_BPF_RUSTC`; rustup's nightly, if it has rust-src; a `rustc` in `PATH` or `/usr/bin` whose
//! sysroot has rust-src (Debian's `rustc-web` with `rust-web-src`), used with `RUSTC_BOOTSTRAP=1`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// Bins of the filters crate.
const OBJECTS: [&str; 2] = ["gateway", "switch"];

fn main() {
    if let Err(problem) = build() {
        println!("cargo::error={problem}");
        exit(1);
    }
}

fn build() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../ebpf-filters");
    let filters = root.join("filters");
    for watched in ["filters/Cargo.toml", "filters/Cargo.lock", "filters/src", "abi/Cargo.toml", "abi/src"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BANGASA_BPF_RUSTC");

    let out = PathBuf::from(variable("OUT_DIR")?);
    let target = match variable("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let rustc = compiler()?;
    // A target directory of its own: the one of the build around this one is locked.
    let target_dir = out.join("bpf");
    let status = cargo(&rustc)?
        .current_dir(&filters)
        .args(["build", "--release", "--locked", "--bins", "-Z", "build-std=core", "--target", target])
        .arg("--target-dir")
        .arg(&target_dir)
        .status()
        .map_err(|error| format!("cannot start cargo for the eBPF programs: {error}"))?;
    if !status.success() {
        return Err(format!("the eBPF programs in {} do not compile with {}", filters.display(), rustc.display()));
    }
    for object in OBJECTS {
        let from = target_dir.join(target).join("release").join(object);
        let to = out.join(format!("{object}.o"));
        fs::copy(&from, &to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    }
    Ok(())
}

/// A rustc, by its real path, that can build `core`.
fn compiler() -> Result<PathBuf, String> {
    if let Some(explicit) = env::var_os("BANGASA_BPF_RUSTC") {
        let rustc = PathBuf::from(explicit);
        return match sysroot(Command::new(&rustc)) {
            Some(sysroot) if has_source(&sysroot) => Ok(rustc),
            Some(sysroot) => Err(format!(
                "BANGASA_BPF_RUSTC={}: its sysroot {} has no rust-src; install it there, or unset the variable",
                rustc.display(),
                sysroot.display()
            )),
            None => Err(format!("BANGASA_BPF_RUSTC={}: cannot be run; unset it or correct it", rustc.display())),
        };
    }
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc"]);
    if let Some(sysroot) = sysroot(nightly).filter(|sysroot| has_source(sysroot)) {
        return Ok(sysroot.join("bin/rustc"));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin")])
        .map(|folder| folder.join("rustc"))
        .filter(|rustc| rustc.exists())
        .find(|rustc| new_enough(rustc) && sysroot(Command::new(rustc)).is_some_and(|sysroot| has_source(&sysroot)))
        .ok_or_else(|| {
            "no Rust compiler here can build the eBPF programs: they need the standard library's source; \
             run `make setup`, or set BANGASA_BPF_RUSTC to a rustc whose sysroot has rust-src"
                .to_owned()
        })
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    scrub(&mut rustc);
    let output = rustc.args(["--print", "sysroot"]).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
}

/// Whether a compiler is at least this workspace's `rust-version`: Debian may have an older one, with its source, too.
fn new_enough(rustc: &Path) -> bool {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let Some(wanted) = env::var("CARGO_PKG_RUST_VERSION").ok().as_deref().and_then(minor) else {
        return true;
    };
    let mut command = Command::new(rustc);
    scrub(&mut command);
    let Ok(output) = command.arg("--version").output() else {
        return false;
    };
    minor(&String::from_utf8_lossy(&output.stdout)).is_some_and(|found| found >= wanted)
}

/// A cargo that drives `rustc`, preferably the one beside it.
fn cargo(rustc: &Path) -> Result<Command, String> {
    let beside = rustc.with_file_name("cargo");
    let program = if beside.exists() { beside } else { PathBuf::from(variable("CARGO")?) };
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    let flags = [
        // aya-ebpf picks register layouts by it.
        format!("--cfg=bpf_target_arch=\"{arch}\""),
        // Atomic compare-and-exchange and 32-bit jumps; kernels from 5.12 know them.
        "-Ctarget-cpu=v3".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        // Small copies become loads and stores in place instead of calls to a loop over bytes.
        "-Clink-arg=--disable-expand-memcpy-in-order".to_owned(),
        format!("-Clinker={}", linker()?.display()),
    ];
    let mut cargo = Command::new(program);
    scrub(&mut cargo);
    cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    Ok(cargo)
}

/// bpf-linker from `PATH`, or where `cargo install` puts it.
fn linker() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    env::split_paths(&path)
        .chain(cargo_home.into_iter().chain(home).map(|folder| folder.join("bin")))
        .map(|folder| folder.join("bpf-linker"))
        .find(|linker| linker.exists())
        .ok_or_else(|| "bpf-linker is neither in PATH nor in ~/.cargo/bin; run `make setup`".to_owned())
}

/// Takes out of a child's environment what the outer build meant for itself.
fn scrub(command: &mut Command) {
    let kept = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_SOURCE_", "RUSTUP_HOME"];
    let taken = ["CARGO", "RUST", "MAKEFLAGS", "MFLAGS", "DEP_", "TARGET", "HOST", "OPT_LEVEL", "DEBUG", "PROFILE"];
    for (name, _) in env::vars_os() {
        if starts_with_any(&name, &taken) && !starts_with_any(&name, &kept) {
            command.env_remove(name);
        }
    }
}

fn starts_with_any(name: &OsString, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.to_string_lossy().starts_with(prefix))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set; this script is run by cargo"))
}
