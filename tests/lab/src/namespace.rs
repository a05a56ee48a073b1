//! One network namespace: making it, running things in it.
//!
//! Only the network changes: the mounts stay the machine's, so that bpffs and pins remain visible (`ip netns exec`
//! would hide them behind a sysfs of its own).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::names::NETNS;
use crate::process;

/// A named network namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace, with loopback up and IPv6 addresses usable at once: duplicate address detection would
    /// cost a second at every address.
    pub fn create(name: &str) -> Result<Self> {
        process::run(&mut process::command("ip", ["netns", "add", name]))?;
        let namespace = Self { name: name.to_owned() };
        namespace.sysctl(&[
            ("net.ipv6.conf.all.accept_dad", "0"),
            ("net.ipv6.conf.default.accept_dad", "0"),
            ("net.ipv6.conf.default.accept_ra", "0"),
            ("net.ipv6.conf.default.router_solicitations", "0"),
            ("net.ipv4.conf.all.rp_filter", "0"),
            ("net.ipv4.conf.default.rp_filter", "0"),
        ])?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A namespace that somebody else makes: the daemon's, of a municipality.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name under `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new(NETNS).join(&self.name)
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }

    /// Runs a command line, split at blanks, to its end; anything but success is an error.
    pub fn run(&self, line: &str) -> Result<Output> {
        process::run(&mut self.line(line)?)
    }

    /// Runs a command line, split at blanks, to its end, whatever that is.
    pub fn attempt(&self, line: &str) -> Result<Output> {
        self.line(line)?.output().with_context(|| format!("cannot run `{line}`"))
    }

    /// Runs `ip` commands, one a line.
    pub fn ip(&self, lines: &str) -> Result<()> {
        process::run_with_input(&mut process::command("ip", ["-n", &self.name, "-batch", "-"]), lines)
            .with_context(|| format!("in namespace `{}`: {lines}", self.name))?;
        Ok(())
    }

    /// Writes kernel settings of this namespace.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.enter(|| {
            for (name, value) in settings {
                let path = Path::new("/proc/sys").join(name.replace('.', "/"));
                fs::write(&path, value).with_context(|| format!("cannot set `{name}`"))?;
            }
            Ok(())
        })
    }

    /// Runs `action` on a thread of its own inside the namespace. Sockets opened there stay there.
    pub fn enter<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.join()?;
                action()
            });
            inside.join().unwrap_or_else(|_| Err(anyhow!("a thread in namespace `{}` panicked", self.name)))
        })
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn join(&self) -> Result<()> {
        let path = self.path();
        let file = File::open(&path).with_context(|| format!("cannot open namespace `{}`", path.display()))?;
        setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter namespace `{}`", self.name))
    }

    fn line(&self, line: &str) -> Result<Command> {
        let mut words = line.split_whitespace();
        let program = words.next().context("an empty command line")?;
        let mut command = self.command(program);
        command.args(words);
        Ok(command)
    }
}
