//! Files on the bpffs: what keeps programs, links and maps alive without a process.
//!
//! ```text
//! maps/FLOWS …          programs/gateway …          links/gateway-wan0, guard-wan0, gateway-bgi3 … from_namespace-bgs12 …
//! ```
//!
//! Kernels before 6.6 attach classifiers without a link: there, `links/guard-wan0` is the program.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use abi::control::Control;
use aya::Ebpf;
use aya::maps::MapData;
use aya::programs::{SchedClassifier, TcAttachType, Xdp, tc};
use nix::sys::statfs::{FsType, statfs};

use super::ports;
use crate::capacities::Capacities;
use crate::command;
use crate::error::Error;
use crate::load;

/// Directory of maps.
pub const MAPS: &str = "maps";
const PROGRAMS: &str = "programs";
const LINKS: &str = "links";

/// `BPF_FS_MAGIC`.
const BPFFS: FsType = FsType(0xcafe_4a11);
/// Where a bpffs is usually mounted.
const USUAL_MOUNT: &str = "/sys/fs/bpf";

/// Sizes of what is pinned.
#[derive(Clone, Copy, Debug)]
pub struct Pinned {
    /// Room in the policy tables.
    pub capacities: Capacities,
    /// Buckets of the flow table.
    pub flow_buckets: u32,
    /// Public addresses.
    pub nat_addresses: u32,
}

/// Makes the directories, mounting a bpffs where there is none. As long as the file returned is open, nobody else may
/// change the data path.
pub fn prepare(pins: &Path) -> Result<File, Error> {
    mount_bpffs(pins)?;
    for directory in [MAPS, PROGRAMS, LINKS] {
        let directory = pins.join(directory);
        fs::create_dir_all(&directory).map_err(|error| Error::file(directory, error))?;
    }
    lock(pins)
}

/// Mounts a bpffs for these pins where there is none. A second one on top would hide the pins in the first, so only one
/// process at a time looks and mounts.
pub fn mount_bpffs(pins: &Path) -> Result<(), Error> {
    if is_bpffs(pins) {
        return Ok(());
    }
    let mount = if pins.starts_with(USUAL_MOUNT) { Path::new(USUAL_MOUNT) } else { pins };
    fs::create_dir_all(mount).map_err(|error| Error::file(mount, error))?;
    let bare = File::open(mount).map_err(|error| Error::file(mount, error))?;
    bare.lock().map_err(|error| Error::file(mount, error))?;
    if is_bpffs(pins) {
        return Ok(());
    }
    command::run("mount", &["-t", "bpf", "bpf", &mount.to_string_lossy()])?;
    Ok(())
}

fn lock(pins: &Path) -> Result<File, Error> {
    let directory = File::open(pins).map_err(|error| Error::file(pins, error))?;
    match lock_patiently(&directory) {
        Ok(()) => Ok(directory),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(pins.into())),
        Err(TryLockError::Error(error)) => Err(Error::file(pins, error)),
    }
}

/// Locks a file. A process that was killed holds its locks until its memory is taken down, which takes a moment with maps
/// as large as ours: so this waits for a moment, too.
pub fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(100)),
            result => return result,
        }
    }
    file.try_lock()
}

/// Whether the directory, or the nearest that exists above it, lies on a bpffs.
fn is_bpffs(path: &Path) -> bool {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    existing.and_then(|path| statfs(path).ok()).is_some_and(|stat| stat.filesystem_type() == BPFFS)
}

/// Whether a data path is pinned there.
pub fn is_pinned(pins: &Path) -> bool {
    pins.join(MAPS).join("CONTROL").exists()
}

/// What is pinned, if it is ours, whole and was ever finished.
pub fn inspect(pins: &Path) -> Result<Option<Pinned>, Error> {
    if !is_pinned(pins) {
        if !ports(pins)?.is_empty() {
            return Err(Error::Incomplete(pins.into()));
        }
        // Maps of a first start that was killed may have other sizes than this one asks for.
        start_over(pins)?;
        return Ok(None);
    }
    let open = |name: &str| MapData::from_pin(pins.join(MAPS).join(name)).map_err(|error| Error::map(name, error));
    let control: Control = load::Mappable::new(&open("CONTROL")?, "CONTROL")?.map()?.get(0);
    if control.abi_version == 0 {
        // A first start that did not get far: start over.
        start_over(pins)?;
        return Ok(None);
    }
    if control.abi_version != abi::ABI_VERSION {
        let (found, ours) = (control.abi_version, abi::ABI_VERSION);
        return Err(Error::OtherAbi { pins: pins.into(), found, ours });
    }
    if load::MAPS.iter().any(|name| !pins.join(MAPS).join(name).exists()) {
        return Err(Error::Incomplete(pins.into()));
    }
    let entries = |name: &str| -> Result<u32, Error> {
        Ok(open(name)?.info().map_err(|error| Error::map(name, error))?.max_entries())
    };
    Ok(Some(Pinned {
        capacities: Capacities::found(entries)?,
        flow_buckets: entries("FLOWS")?,
        nat_addresses: entries("NAT_ADDRESSES")?,
    }))
}

fn start_over(pins: &Path) -> Result<(), Error> {
    let maps = pins.join(MAPS);
    remove_directory(&maps)?;
    fs::create_dir_all(&maps).map_err(|error| Error::file(maps, error))
}

/// Pins the programs in place of those of before.
pub fn pin_programs(object: &mut Ebpf, pins: &Path) -> Result<(), Error> {
    let place = |name: &str| {
        let path = pins.join(PROGRAMS).join(name);
        // Links hold the programs that run; this pin is for people with bpftool.
        let _ = fs::remove_file(&path);
        path
    };
    let program: &mut Xdp = load::program(object, "gateway")?;
    program.pin(place("gateway")).map_err(|error| Error::refused("gateway", error))?;
    for name in ["guard", "from_namespace"] {
        let program: &mut SchedClassifier = load::program(object, name)?;
        program.pin(place(name)).map_err(|error| Error::refused(name, error))?;
    }
    Ok(())
}

/// The pin of a program's link on an interface.
pub fn link(pins: &Path, program: &str, interface: &str) -> PathBuf {
    pins.join(LINKS).join(format!("{program}-{interface}"))
}

/// Ports that have a link pinned, inspectors' among them, be it only the guard's: attaching may have ended there.
pub fn ports(pins: &Path) -> Result<BTreeSet<String>, Error> {
    Ok(links_of(pins, "gateway")?.chain(links_of(pins, "guard")?).collect())
}

/// Takes both programs off a port, the guard last.
pub fn remove_port(pins: &Path, port: &str) -> Result<(), Error> {
    remove_file(&link(pins, "gateway", port))?;
    remove_classifier(pins, "guard", port)
}

fn remove_classifier(pins: &Path, program: &str, interface: &str) -> Result<(), Error> {
    // Where there is tcx, there is no such filter: the pin is all.
    let _ = tc::qdisc_detach_program(interface, TcAttachType::Ingress, program);
    remove_file(&link(pins, program, interface))
}

/// Drops the links of veths that are not wanted any more.
pub fn remove_veths_except(pins: &Path, wanted: &BTreeSet<&str>) -> Result<(), Error> {
    for veth in links_of(pins, "from_namespace")?.filter(|veth| !wanted.contains(veth.as_str())) {
        remove_classifier(pins, "from_namespace", &veth)?;
    }
    Ok(())
}

/// Takes the data path away for good: ports stop forwarding first, then programs, then maps.
pub fn detach(pins: &Path) -> Result<(), Error> {
    if !pins.exists() {
        return Ok(());
    }
    let _lock = lock(pins)?;
    for port in ports(pins)? {
        ports::close(&port);
        remove_port(pins, &port)?;
    }
    remove_directory(pins)
}

fn links_of(pins: &Path, program: &str) -> Result<impl Iterator<Item = String> + use<>, Error> {
    let directory = pins.join(LINKS);
    let prefix = format!("{program}-");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::file(directory, error)),
    };
    let names = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(move |name| name.strip_prefix(&prefix).map(str::to_owned)))
}

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path, error)),
        _ => Ok(()),
    }
}

/// Removes a directory of pins. A mount point itself stays.
fn remove_directory(path: &Path) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        if entry.path().is_dir() { remove_directory(&entry.path())? } else { remove_file(&entry.path())? }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(()),
        Err(error) => Err(Error::file(path, error)),
        Ok(()) => Ok(()),
    }
}

/// In a mount namespace of our own, pins and named network namespaces end with the last process in it.
pub fn private_mounts() -> Option<String> {
    let ours = fs::read_link("/proc/self/ns/mnt").ok()?;
    let first = fs::read_link("/proc/1/ns/mnt").ok()?;
    (ours != first).then(|| {
        "bangasad runs in a mount namespace of its own (a service with private mounts, or `ip netns exec`): the data path \
         may end with it; use the host's mounts (with `nsenter --net=` to enter a network namespace)"
            .to_owned()
    })
}
