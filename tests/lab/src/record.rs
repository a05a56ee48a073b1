//! Who owns a lab, and how a lab that lost its owner is removed.
//!
//! A lab is recorded on disk before its first namespace exists. Removing needs nothing but the id: everything in the
//! kernel carries it. Three paths lead here: `Drop`, the reaper (a process that waits for the owner's end, however
//! violent), and the sweep at the start of the next lab.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::names::{InstanceId, NETNS, RECORDS};
use crate::process;

/// The directory of one lab, with its owner written inside.
#[derive(Debug)]
pub struct Record {
    id: InstanceId,
}

impl Record {
    /// Takes a free id and writes this process down as its owner.
    pub fn claim() -> Result<Self> {
        fs::create_dir_all(RECORDS).with_context(|| format!("cannot create `{RECORDS}`; the lab needs root"))?;
        let _lock = lock()?;
        for _ in 0..64 {
            let id = InstanceId::random();
            match fs::create_dir(id.directory()) {
                Ok(()) => {
                    let owner = Owner::Process { pid: std::process::id(), started: started(std::process::id())? };
                    owner.write(&id)?;
                    return Ok(Self { id });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot create `{}`", id.directory().display()));
                }
            }
        }
        bail!("no free lab id; run `lab down` to remove labs that are kept");
    }

    /// The instance.
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// From now on the lab belongs to nobody and stays until `lab down`.
    pub fn keep(&self) -> Result<()> {
        Owner::Nobody.write(&self.id)
    }
}

/// Whose end ends the lab.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// A process, told from a later one with the same number by its start time in clock ticks.
    Process { pid: u32, started: u64 },
    /// Kept on purpose.
    Nobody,
}

impl Owner {
    fn read(id: &InstanceId) -> Option<Self> {
        let text = fs::read_to_string(id.directory().join("owner")).ok()?;
        let mut words = text.split_whitespace();
        match (words.next()?, words.next()) {
            ("kept", None) => Some(Self::Nobody),
            (pid, Some(ticks)) => Some(Self::Process { pid: pid.parse().ok()?, started: ticks.parse().ok()? }),
            _ => None,
        }
    }

    fn write(&self, id: &InstanceId) -> Result<()> {
        let text = match self {
            Self::Process { pid, started } => format!("{pid} {started}\n"),
            Self::Nobody => "kept\n".to_owned(),
        };
        let path = id.directory().join("owner");
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::Process { pid, started: at } => started(*pid).ok() != Some(*at),
            Self::Nobody => false,
        }
    }
}

/// Every recorded lab.
pub fn all() -> Vec<InstanceId> {
    let entries = fs::read_dir(RECORDS).into_iter().flatten().flatten();
    entries.filter_map(|entry| InstanceId::parse(entry.file_name().to_str()?)).collect()
}

/// Whether the lab was kept on purpose.
pub fn is_kept(id: &InstanceId) -> bool {
    Owner::read(id) == Some(Owner::Nobody)
}

/// Labs that end with this process.
pub fn owned_here() -> Vec<InstanceId> {
    let is_own = |owner: Owner| matches!(owner, Owner::Process { pid, .. } if pid == std::process::id());
    all().into_iter().filter(|id| Owner::read(id).is_some_and(is_own)).collect()
}

/// Removes every lab whose owner is dead. A record without a readable owner counts as such: claiming happens under
/// the lock that is held here.
pub fn sweep() -> Result<Vec<InstanceId>> {
    if !Path::new(RECORDS).exists() {
        return Ok(Vec::new());
    }
    let _lock = lock()?;
    let mut swept = Vec::new();
    for id in all() {
        if Owner::read(&id).is_none_or(|owner| owner.is_gone()) {
            remove(&id)?;
            swept.push(id);
        }
    }
    Ok(swept)
}

/// Ends the processes inside the lab's namespaces, then removes namespaces, pins and files. Doing it twice is no error.
pub fn remove(id: &InstanceId) -> Result<()> {
    // A signal may arrive while a lab is being dropped.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let inhabitants = inhabitants(id);
        if inhabitants.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            bail!("processes {inhabitants:?} inside the namespaces of lab {id} do not end");
        }
        for pid in inhabitants {
            let _ = kill(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for (name, _) in namespaces(id) {
        if let Err(error) = process::run(&mut process::command("ip", ["netns", "del", &name])) {
            // The daemon's last act, or another process that removes the same lab, may have been faster.
            if Path::new(NETNS).join(&name).exists() {
                return Err(error);
            }
        }
    }
    for directory in [id.pins(), id.directory()] {
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{}`", directory.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The instance's named namespaces and their inode numbers.
fn namespaces(id: &InstanceId) -> Vec<(String, u64)> {
    let entries = fs::read_dir(NETNS).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let inode = fs::metadata(entry.path()).ok()?.ino();
            name.starts_with(&id.prefix()).then_some((name, inode))
        })
        .collect()
}

/// Processes, other than this one, whose network is one of the instance's namespaces.
fn inhabitants(id: &InstanceId) -> Vec<Pid> {
    let inodes: Vec<u64> = namespaces(id).into_iter().map(|(_, inode)| inode).collect();
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let network = fs::metadata(entry.path().join("ns/net")).ok()?.ino();
            (pid != own && inodes.contains(&network)).then_some(Pid::from_raw(pid.try_into().ok()?))
        })
        .collect()
}

/// When a process started, in clock ticks since boot: field 22 of `/proc/PID/stat`, the 20th after the command, which
/// is in parentheses and may itself contain anything.
fn started(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no command in stat")?;
    Ok(fields.split_whitespace().nth(19).context("no start time in stat")?.parse()?)
}

/// Held while labs are claimed and swept, so that a sweep never meets a half-written record.
fn lock() -> Result<File> {
    let path = Path::new(RECORDS).join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
    file.lock().with_context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone_and_a_namesake_is() {
        let pid = std::process::id();
        let at = started(pid).expect("stat of this process");
        assert!(!Owner::Process { pid, started: at }.is_gone());
        assert!(Owner::Process { pid, started: at + 1 }.is_gone());
        assert!(!Owner::Nobody.is_gone());
    }
}
