//! What can go wrong between the daemon and the kernel, each with what to do about it.

use std::path::PathBuf;

/// Everything that this crate reports.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not load programs.
    #[error(
        "loading eBPF programs needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, which this process lacks; run it as root"
    )]
    NoPrivilege,
    /// The kernel lacks what the programs need.
    #[error("kernel {found} is too old: Bangasa needs {needed} or later; install a newer kernel")]
    OldKernel {
        /// What runs.
        found: String,
        /// What is needed.
        needed: String,
    },
    /// The eBPF object and this binary do not fit together.
    #[error("the eBPF object has no {kind} `{name}`; rebuild both from one source")]
    Missing {
        /// `map`, or `program`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// The kernel refused the programs or maps.
    #[error("the kernel refused to load `{what}`: {source}")]
    Refused {
        /// Program or object.
        what: String,
        /// What aya or the kernel said; a verifier log, at times.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map cannot be read or written.
    #[error("map `{map}`: {source}")]
    Map {
        /// Which.
        map: String,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A policy does not fit the maps that exist.
    #[error(
        "the policy needs {needed} bytes in table `{table}` but there is room for {room}; shorten the policy, or detach and start again with larger tables"
    )]
    DoesNotFit {
        /// Which.
        table: String,
        /// Bytes of its image.
        needed: usize,
        /// Bytes of one half of the map.
        room: usize,
    },
    /// A policy has more pool addresses than the maps were made for.
    #[error(
        "the NAT pools have {needed} public addresses, with those of before that are still in use, but there is room for the port blocks of {room}; shorten the pools, or detach and start again with a larger `--nat-addresses`"
    )]
    PublicAddresses {
        /// Addresses.
        needed: usize,
        /// Addresses that there is room for.
        room: usize,
    },
    /// Generations only go up.
    #[error("generation {asked} cannot follow generation {installed}")]
    Generation {
        /// What was to be installed.
        asked: u64,
        /// What is.
        installed: u64,
    },
    /// What was read back is not what was written.
    #[error("the tables read back from the kernel have digest {found}, not {intended}; nothing was switched over")]
    Digest {
        /// Of the compiled policy.
        intended: String,
        /// Of the maps.
        found: String,
    },
    /// No such interface.
    #[error("port `{0}` does not exist; name one of this machine's interfaces under `[ports]` (see `ip link`)")]
    NoPort(String),
    /// The program's table of ports ends before.
    #[error(
        "interface index {found} of a port is not below {limit}; a machine that has made so many interfaces must be restarted"
    )]
    InterfaceIndex {
        /// The port's.
        found: u32,
        /// What indexes are below.
        limit: u32,
    },
    /// Neither mode works.
    #[error(
        "XDP was refused on port `{port}`, by the driver ({native}) and by the kernel's generic mode ({generic}); is another XDP program attached (see `ip link show {port}`)?"
    )]
    XdpRefused {
        /// Which.
        port: String,
        /// Why not native.
        native: String,
        /// Why not generic.
        generic: String,
    },
    /// A link cannot be made, pinned or replaced.
    #[error("cannot attach `{program}` to `{interface}`: {source}")]
    Attach {
        /// Which program.
        program: String,
        /// Where.
        interface: String,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is pinned was made by a program of another layout.
    #[error("what is pinned in `{}` was made by a Bangasa with ABI version {found}, this one has {ours}; run `bangasad detach`, then start again", .pins.display())]
    OtherAbi {
        /// Where.
        pins: PathBuf,
        /// Theirs.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// Another process has it.
    #[error("another bangasad holds the data path pinned in `{}`; stop it first", .0.display())]
    InUse(PathBuf),
    /// Something is pinned, but not enough to take over.
    #[error("what is pinned in `{}` is incomplete; run `bangasad detach`, then start again", .0.display())]
    Incomplete(PathBuf),
    /// A program of the machine failed.
    #[error("`{command}` failed: {message}")]
    Command {
        /// Program and arguments.
        command: String,
        /// What it printed.
        message: String,
    },
    /// A program of the machine is not there.
    #[error("cannot run `{program}`: {source}; install package `{package}`")]
    NoCommand {
        /// Which.
        program: String,
        /// Debian's package.
        package: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be read or written.
    #[error("`{}`: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn map(map: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Map { map: map.into(), source: Box::new(source) }
    }

    pub(crate) fn refused(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Refused { what: what.into(), source: Box::new(source) }
    }

    pub(crate) fn attach(
        program: &str,
        interface: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Attach { program: program.into(), interface: interface.into(), source: Box::new(source) }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File { path: path.into(), source }
    }
}
