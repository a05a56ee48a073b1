//! A kernel of Debian's with its modules, and the busybox that starts them, unpacked into the cache.
//!
//! Which build it is, apt says; one that is in the cache is not fetched again, and apt need not be asked by a machine
//! without a network as long as its lists still name that build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place;
use crate::run::{Failure, Outcome, output, step, unstartable};

/// Everything in one directory of the cache.
pub struct Unpacked {
    /// As `uname -r` says it.
    pub release: String,
    directory: PathBuf,
}

impl Unpacked {
    /// What qemu starts.
    pub fn image(&self) -> PathBuf {
        self.directory.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// What is to be mounted at `/lib/modules`.
    pub fn modules(&self) -> PathBuf {
        self.directory.join("lib/modules")
    }

    /// One program that is many, linked statically.
    pub fn busybox(&self) -> PathBuf {
        self.directory.join("bin/busybox")
    }
}

/// What of a kernel's package is kept: a virtual machine has none of the hardware that most drivers are for.
const KEPT: [&str; 9] = [
    "./boot/vmlinuz-*",
    "./lib/modules/*/modules.*",
    "./lib/modules/*/kernel/arch",
    "./lib/modules/*/kernel/crypto",
    "./lib/modules/*/kernel/drivers/net/*.ko",
    "./lib/modules/*/kernel/drivers/virtio",
    "./lib/modules/*/kernel/fs",
    "./lib/modules/*/kernel/lib",
    "./lib/modules/*/kernel/net",
];

/// The build of a kernel that `package` depends on, fetched unless the cache has it.
pub fn unpacked(package: &str, series: &str) -> Result<Unpacked, Failure> {
    let about = output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))?;
    let release = release(&about).filter(|release| release.starts_with(&format!("{series}."))).ok_or_else(|| {
        Failure(format!(
            "apt knows no {series} kernel by `{package}`; run `apt-get update`, and see that apt's sources name bookworm"
        ))
    })?;
    let unpacked = Unpacked { directory: place::cache().join("bangasa/kernels").join(&release), release };
    if !unpacked.directory.exists() {
        fetch(&unpacked)?;
    }
    Ok(unpacked)
}

/// From `Depends: linux-image-6.1.0-56-amd64 (= 6.1.192-2)`.
fn release(about: &str) -> Option<String> {
    let depends = about.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let image = depends.split(", ").find_map(|package| package.strip_prefix("linux-image-"))?;
    image.split_whitespace().next().map(str::to_owned)
}

/// Unpacks beside its place and moves it there when it is whole.
fn fetch(unpacked: &Unpacked) -> Outcome {
    let beside = unpacked.directory.with_file_name(format!("{}.new-{}", unpacked.release, std::process::id()));
    let trouble = |error: std::io::Error| Failure(format!("cannot fill `{}`: {error}", beside.display()));
    fs::create_dir_all(&beside).map_err(trouble)?;
    let image = format!("linux-image-{}", unpacked.release);
    step(
        &format!("fetching the kernel {}", unpacked.release),
        Command::new("apt-get").args(["--quiet", "download", &image, "busybox-static"]).current_dir(&beside),
    )
    .map_err(|Failure(why)| {
        Failure(format!("{why}; run `apt-get update`, and see that Debian's mirror is reachable"))
    })?;
    unpack(&beside, &image, &KEPT)?;
    unpack(&beside, "busybox-static", &["./bin/busybox"])?;
    // Debian's package leaves it to its installation to say which module needs which.
    let release = unpacked.release.as_str();
    step(
        "listing its modules",
        Command::new(beside.join("bin/busybox")).args(["depmod", "-b"]).arg(&beside).arg(release),
    )?;
    fs::rename(&beside, &unpacked.directory)
        .or_else(|error| {
            // Another run has been faster.
            fs::remove_dir_all(&beside).and(if unpacked.directory.exists() { Ok(()) } else { Err(error) })
        })
        .map_err(trouble)
}

/// Unpacks some of a package's files into the directory that it was fetched to, and removes the package.
fn unpack(directory: &Path, package: &str, kept: &[&str]) -> Outcome {
    let archive = archive(directory, package)?;
    let mut whole = Command::new("dpkg-deb");
    whole.arg("--fsys-tarfile").arg(&archive).stdout(Stdio::piped());
    let mut unpacking = whole.spawn().map_err(|error| unstartable(&whole, &error))?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--directory").arg(directory).arg("--wildcards").args(kept);
    if let Some(files) = unpacking.stdout.take() {
        tar.stdin(files);
    }
    let extracted = step(&format!("unpacking {package}"), &mut tar);
    let read = unpacking.wait().is_ok_and(|status| status.success());
    extracted?;
    if !read {
        return Err(Failure(format!("dpkg-deb cannot read {}", archive.display())));
    }
    fs::remove_file(&archive).map_err(|error| Failure(format!("cannot remove {}: {error}", archive.display())))
}

fn archive(directory: &Path, package: &str) -> Result<PathBuf, Failure> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let prefix = format!("{package}_");
    files
        .map(|file| file.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
        .ok_or_else(|| Failure(format!("apt-get left no {package} in {}", directory.display())))
}

/// The files of modules and of all that they need, below [`Unpacked::modules`].
pub fn modules(unpacked: &Unpacked, wanted: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let home = Path::new(&unpacked.release);
    let list = unpacked.modules().join(home).join(NEEDS);
    let needs =
        fs::read_to_string(&list).map_err(|error| Failure(format!("cannot read {}: {error}", list.display())))?;
    let mut files = vec![home.join(NEEDS)];
    for module in wanted {
        let found = closure(&needs, module).ok_or_else(|| Failure(format!("{} has no {module}", unpacked.release)))?;
        files.extend(found.map(|path| home.join(path)));
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Which module needs which, all the way down: `fs/9p/9p.ko: net/9p/9pnet.ko …`.
const NEEDS: &str = "modules.dep";

/// A module and what it needs.
fn closure<'n>(needs: &'n str, module: &str) -> Option<impl Iterator<Item = &'n str>> {
    let file = format!("/{module}.ko");
    let (path, needed) =
        needs.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| path.ends_with(&file))?;
    Some(std::iter::once(path).chain(needed.split_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_what_the_package_depends_on() {
        let about = "Package: linux-image-amd64\nDepends: base, linux-image-6.1.0-56-amd64 (= 6.1.192-2)\nSize: 1\n";
        assert_eq!(release(about).as_deref(), Some("6.1.0-56-amd64"));
        assert_eq!(release("Package: linux-image-amd64\n"), None);
    }

    #[test]
    fn a_module_brings_what_it_needs() {
        let needs = "kernel/fs/9p/9p.ko: kernel/net/9p/9pnet.ko\nkernel/net/9p/9pnet.ko:\n";
        let found = |module| closure(needs, module).map(|paths| paths.collect::<Vec<_>>());
        assert_eq!(found("9p"), Some(vec!["kernel/fs/9p/9p.ko", "kernel/net/9p/9pnet.ko"]));
        assert_eq!(found("9pnet"), Some(vec!["kernel/net/9p/9pnet.ko"]));
        assert_eq!(found("p"), None);
    }
}
