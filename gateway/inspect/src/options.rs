//! The command line of `bangasa-inspect`; the daemon writes it.

use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The inspector of one municipality: looks at connections that the gateway hands over, and copies, opens or refuses them
///
/// Started by bangasad in the municipality's network namespace, with listening sockets already open, as a user without any
/// privilege. It goes on without the daemon, and ends when the daemon says so.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Options {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
    /// File descriptor of a listening socket for transparent connections; may be given several times
    #[arg(long, value_name = "FD")]
    pub transparent: Vec<RawFd>,
    /// File descriptor of a UDP socket for transparent datagrams (QUIC); may be given several times
    #[arg(long, value_name = "FD")]
    pub datagrams: Vec<RawFd>,
    /// File descriptor of a listening socket where clients ask for a proxy; may be given several times
    #[arg(long, value_name = "FD")]
    pub proxy: Vec<RawFd>,
    /// Where the daemon listens for inspectors
    #[arg(long, value_name = "PATH", default_value = "/run/bangasa/inspect.sock")]
    pub daemon: PathBuf,
    /// User and group, by number, that the process becomes before it serves; needless where it is one already
    #[arg(long, value_name = "UID:GID", value_parser = identity, global = true)]
    pub become_user: Option<Identity>,
    /// Threads that serve connections
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
}

/// A user without privilege, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group; the only one.
    pub gid: u32,
}

fn identity(text: &str) -> Result<Identity, String> {
    let numbers = text.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    match numbers {
        Some((0, _) | (_, 0)) => Err("root has privileges; name another user".into()),
        Some((uid, gid)) => Ok(Identity { uid, gid }),
        None => Err("write two numbers, as in 998:998".into()),
    }
}

/// Other things than serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Enter the sandbox, then say what is left: privileges, and whether these files can be opened
    Sandbox {
        /// Files to try
        files: Vec<PathBuf>,
    },
}
