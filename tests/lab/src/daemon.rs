//! The gateway's daemon inside the lab, and the command line that asks it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use control::status::Status;
use control::{Client, Request, Response};

use crate::events::Events;
use crate::names::InstanceId;
use crate::namespace::Namespace;
use crate::process;
use crate::server::Server;

/// Where the daemon's metrics are, inside the gateway's namespace.
pub const METRICS: &str = "127.0.0.1:9843";

/// A daemon that answers.
#[derive(Debug)]
pub struct Daemon {
    server: Server,
    events: Events,
    files: Files,
}

/// Where a lab's daemon keeps what.
#[derive(Clone, Debug)]
pub struct Files {
    /// Its socket.
    pub socket: PathBuf,
    /// Where inspectors find it.
    pub inspect_socket: PathBuf,
    /// The inspectors' program: a link to the one that was built, unless a test puts another file there.
    pub inspector: PathBuf,
    /// Certificate authorities.
    pub authorities: PathBuf,
    /// Certificates that upstream ones may chain to.
    pub roots: PathBuf,
    /// Its memory of policies and numbers.
    pub state: PathBuf,
    /// Events, one JSON object a line.
    pub events: PathBuf,
    /// What it says about itself.
    pub log: PathBuf,
}

impl Files {
    /// The places of an instance.
    pub fn of(id: &InstanceId) -> Self {
        let directory = id.directory();
        Self {
            socket: directory.join("control.sock"),
            inspect_socket: directory.join("inspect.sock"),
            inspector: directory.join("bangasa-inspect"),
            authorities: directory.join("ca"),
            roots: directory.join("roots.pem"),
            state: directory.join("state"),
            events: directory.join("events.jsonl"),
            log: directory.join("bangasad.log"),
        }
    }
}

impl Daemon {
    /// Starts it in the gateway's namespace, waits until it answers, and makes sure that a policy is installed.
    pub fn start(id: &InstanceId, gateway: &Namespace, policy: &Path) -> Result<Self> {
        let files = Files::of(id);
        let mut command = gateway.command(find_binary("bangasad")?);
        command.arg("--policy").arg(policy);
        command.arg("--state").arg(&files.state);
        command.arg("--pins").arg(id.pins());
        command.arg("--socket").arg(&files.socket);
        command.arg("--inspect-socket").arg(&files.inspect_socket);
        if fs::symlink_metadata(&files.inspector).is_err() {
            symlink(find_binary("bangasa-inspect")?, &files.inspector).context("cannot link the inspector")?;
        }
        command.arg("--inspector").arg(&files.inspector);
        command.arg("--ca").arg(&files.authorities).arg("--roots").arg(&files.roots);
        command.args(["--metrics", METRICS]);
        command.arg("--events").arg(&files.events);
        command.args(["--netns-prefix", &id.municipality_prefix()]);
        let client = Client::new(&files.socket);
        let server = Server::start("bangasad", &mut command, &files.log, || Ok(client.ask(&Request::Status).is_ok()))?;
        let events = Events::follow(&files.socket)?;
        let daemon = Self { server, events, files };
        if daemon.status()?.generation == 0 {
            daemon.apply(policy)?;
        }
        Ok(daemon)
    }

    /// What has happened since the daemon started.
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Its places.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// `bangasa` with arguments, towards this daemon.
    pub fn bangasa<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Result<Command> {
        let mut command = Command::new(find_binary("bangasa")?);
        command.arg("--socket").arg(&self.files.socket).args(arguments);
        Ok(command)
    }

    /// `bangasa` with arguments to its end, which must be good; what it printed.
    pub fn order(&self, arguments: &[&str]) -> Result<String> {
        Ok(process::text(&process::run(&mut self.bangasa(arguments)?)?.stdout))
    }

    /// `bangasa` with arguments, which must refuse; what it says.
    pub fn refusal(&self, arguments: &[&str]) -> Result<String> {
        let output = self.bangasa(arguments)?.output()?;
        if output.status.success() {
            bail!("`bangasa {}` was not refused: {}", arguments.join(" "), process::text(&output.stdout));
        }
        Ok(process::text(&output.stderr))
    }

    /// `bangasa status --json`.
    pub fn status(&self) -> Result<Status> {
        let output = process::run(&mut self.bangasa(["status", "--json"])?)?;
        serde_json::from_slice(&output.stdout).context("`bangasa status --json` printed something else")
    }

    /// `bangasa apply DIR`.
    pub fn apply(&self, policy: &Path) -> Result<Output> {
        process::run(&mut self.bangasa([OsStr::new("apply"), policy.as_os_str()])?)
    }

    /// Installs a policy through the socket, without the cost of a process; answers the new generation.
    pub fn apply_files(&self, files: policy::Source) -> Result<u64> {
        let request = Request::Apply {
            files,
            because: Some("the lab".to_owned()),
            who: "lab".to_owned(),
            confirm_within_s: None,
        };
        match Client::new(&self.files.socket).ask(&request)? {
            Response::Applied(applied) => Ok(applied.generation),
            other => bail!("the policy was not applied: {other:?}"),
        }
    }

    /// Ends it as `kill -9` does. The data path is pinned and goes on.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        self.server.last_words()
    }

    /// Lets it run on without a guard.
    pub fn release(&mut self) {
        self.server.release();
    }
}

/// A counter's packets: over one municipality, or all with `None`.
pub fn counted(status: &Status, municipality: Option<&str>, direction: &str, verdict: &str, reason: &str) -> u64 {
    let rows = status.municipalities.iter();
    let rows = rows.filter(|row| municipality.is_none() || row.municipality.as_deref() == municipality);
    rows.flat_map(|row| &row.counters)
        .filter(|counter| {
            (counter.direction.as_str(), counter.verdict.as_str(), counter.reason.as_str())
                == (direction, verdict, reason)
        })
        .map(|counter| counter.packets)
        .sum()
}

/// A program of this project, beside this executable; a test's executable is one directory further down.
pub fn find_binary(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program is")?;
    let directories = own.ancestors().skip(1).take(2);
    let found = directories.map(|directory| directory.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("`{name}` is not beside `{}`; run `cargo build` for it", own.display()))
}
