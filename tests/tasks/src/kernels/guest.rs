//! One virtual machine, from its start to the verdict on what ran inside.
//!
//! Its first files are a busybox and the modules with which the kernel reaches this machine's file system ([`INIT`]);
//! from there on it runs what stands there ([`RUN`]). It answers through a directory that both see: what every job
//! printed, how it ended, and what its kernel had to say.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kernels::debian::{self, Unpacked};
use crate::place;
use crate::run::{Failure, Outcome, step, unstartable};

const INIT: &str = include_str!("init.sh");
const RUN: &str = include_str!("run.sh");

/// What the kernel needs before it sees a file system: the bus, the protocol, and the layer of memory above.
const MODULES: [&str; 4] = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

/// Brought by the set-up.
pub const EMULATOR: &str = "qemu-system-x86_64";

/// Everything that the emulator knows, but for the instructions that fill and copy memory: it goes through these byte by
/// byte, and the kernel takes to words where it is not offered them.
const CPU: &str = "max,erms=off,fsrm=off";

/// The gateway's maps are 1.2 GiB; the rest is for the lab and for what is written in the layer of memory.
const MEMORY: &str = "4G";

/// Seconds after which the machine is stopped: many times what it takes.
const PATIENCE: &str = "1200";

/// A command line to be run inside.
pub struct Job {
    /// Names its files.
    pub name: &'static str,
    /// As a shell reads it.
    pub command: String,
}

/// Starts the kernel, lets it run the jobs in order, and says which failed and how.
pub fn run(kernel: &Unpacked, jobs: &[Job]) -> Outcome {
    let home = place::target_dir().join("kernels").join(&kernel.release);
    let trouble = |error: std::io::Error| Failure(format!("cannot write in {}: {error}", home.display()));
    let answers = home.join("answers");
    if answers.exists() {
        fs::remove_dir_all(&answers).map_err(trouble)?;
    }
    fs::create_dir_all(&answers).map_err(trouble)?;
    let first_files = first_files(kernel, &home)?;
    fs::write(answers.join("run.sh"), RUN).map_err(trouble)?;
    let lines: String = jobs.iter().map(|job| format!("{} {}\n", job.name, job.command)).collect();
    fs::write(answers.join("jobs"), lines).map_err(trouble)?;
    let title = format!("kernel {}", kernel.release);
    let ran = step(&title, &mut machine(kernel, &first_files, &answers));
    let failed: Vec<&str> = jobs.iter().filter(|job| !passed(&answers, job.name)).map(|job| job.name).collect();
    if failed.is_empty() {
        return ran;
    }
    let said = fs::read(answers.join("kernel.log")).unwrap_or_default();
    eprintln!("── {title}: what it said itself\n{}", String::from_utf8_lossy(&said));
    Err(Failure(format!("{title}: {} failed; all that was said is in {}", failed.join(", "), answers.display())))
}

/// The machine; what it prints is passed through. Emulated even where the processor offers more: one that is virtual
/// itself may offer what then hangs.
fn machine(kernel: &Unpacked, first_files: &Path, answers: &Path) -> Command {
    let share = |name: &str, path: &Path, how: &str| {
        let path = path.display();
        [
            "-fsdev".to_owned(),
            format!("local,id={name},path={path},security_model=none,multidevs=remap{how}"),
            "-device".to_owned(),
            format!("virtio-9p-pci,fsdev={name},mount_tag={name}"),
        ]
    };
    let mut machine = Command::new("timeout");
    machine
        .args(["--kill-after=10", PATIENCE, EMULATOR, "-accel", "tcg", "-cpu", CPU])
        .args(["-smp", "2", "-m", MEMORY, "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(first_files)
        .args(["-append", "console=ttyS0 quiet panic=-1"])
        .args(share("machine", Path::new("/"), ",readonly=on"))
        .args(share("answers", answers, ""))
        .env("PATH", place::search_path())
        .stdin(Stdio::null());
    machine
}

/// The archive that the kernel unpacks into memory.
fn first_files(kernel: &Unpacked, home: &Path) -> Result<PathBuf, Failure> {
    let tree = home.join("first");
    let trouble = |error: std::io::Error| Failure(format!("cannot write in {}: {error}", tree.display()));
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(trouble)?;
    }
    let modules = debian::modules(kernel, &MODULES)?;
    let modules = modules.into_iter().map(|file| (kernel.modules().join(&file), Path::new("lib/modules").join(file)));
    let mut names = Vec::new();
    for (from, to) in modules.chain([(kernel.busybox(), "bin/busybox".into())]) {
        for folder in to.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            names.push(folder.to_owned());
        }
        fs::create_dir_all(tree.join(&to).parent().unwrap_or(&tree))
            .and_then(|()| fs::copy(&from, tree.join(&to)))
            .map_err(trouble)?;
        names.push(to);
    }
    let init =
        INIT.replace("@modules@", &MODULES.join(" ")).replace("@kernel@", &kernel.modules().display().to_string());
    fs::write(tree.join("init"), init)
        .and_then(|()| fs::set_permissions(tree.join("init"), fs::Permissions::from_mode(0o755)))
        .map_err(trouble)?;
    names.push("init".into());
    names.sort();
    names.dedup();
    let archive = home.join("first.cpio");
    pack(kernel, &tree, &names, &archive)?;
    Ok(archive)
}

/// Writes files, each after its directory, into an archive.
fn pack(kernel: &Unpacked, tree: &Path, names: &[PathBuf], archive: &Path) -> Outcome {
    let trouble = |error: std::io::Error| Failure(format!("cannot write {}: {error}", archive.display()));
    let mut cpio = Command::new(kernel.busybox());
    cpio.args(["cpio", "-o", "-H", "newc", "-R", "0:0"]).current_dir(tree).stdin(Stdio::piped());
    cpio.stdout(fs::File::create(archive).map_err(trouble)?).stderr(Stdio::null());
    let mut packing = cpio.spawn().map_err(|error| unstartable(&cpio, &error))?;
    if let Some(mut list) = packing.stdin.take() {
        for name in names {
            writeln!(list, "{}", name.display()).map_err(trouble)?;
        }
    }
    if packing.wait().map_err(trouble)?.success() {
        return Ok(());
    }
    Err(Failure(format!("busybox cannot pack {}", archive.display())))
}

/// A job that did not end left no word.
fn passed(answers: &Path, name: &str) -> bool {
    fs::read_to_string(answers.join(format!("{name}.ended"))).is_ok_and(|code| code.trim() == "0")
}
