//! A program that runs beside the test: started, waited for, ended with its guard.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wire::wait_until;

/// How long a server may take until it is ready: in an emulated machine the gateway's daemon takes a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running program; killed on drop unless released.
#[derive(Debug)]
pub struct Server {
    name: String,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts `command`, its output going to `log`, and waits until `ready` says so.
    pub fn start(
        name: &str,
        command: &mut Command,
        log: &Path,
        mut ready: impl FnMut() -> Result<bool>,
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}; is it installed"))?;
        let mut server = Self { name: name.to_owned(), log: log.to_owned(), child: Some(child) };
        let is_ready = wait_until(PATIENCE, || {
            if let Some(status) = server.ended()? {
                bail!("{name} ended at once ({status}): {}", server.last_words());
            }
            ready()
        })?;
        if !is_ready {
            bail!("{name} is not ready after {} s: {}", PATIENCE.as_secs(), server.last_words());
        }
        Ok(server)
    }

    /// Its process id; `nsenter` and the like replace themselves, so it is the program's own.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.name))?;
        kill(Pid::from_raw(pid.try_into()?), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Kills it as `kill -9` does, and waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Lets it run on without a guard.
    pub fn release(&mut self) {
        self.child = None;
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that is already gone is what is wanted.
        let _ = self.kill();
    }
}
