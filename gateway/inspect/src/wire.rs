//! What inspector and daemon say to each other: one JSON object a line, over a Unix socket.
//!
//! The daemon is trusted, the inspector is not: it reads strangers' bytes. So the daemon never learns whose inspector it
//! talks to from what is said here, but from the network namespace of the process at the other end.

mod reason;

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use policy::tls::{Layer, Opening, RuleRef, TlsAction, Transport, View};
use serde::{Deserialize, Serialize};

pub use reason::Reason;

/// Counts up whenever a line changes its meaning. Between versions that differ, [`Report::Begin`], [`Order::Retire`] and
/// [`Order::End`] are understood, and nothing else is said: they keep their form for good.
pub const WIRE_VERSION: u32 = 5;
/// The longest line from the daemon: name lists, and the certificates of several hundred roots.
pub const LONGEST_ORDER: u64 = 256 << 20;
/// The longest line from an inspector.
pub const LONGEST_REPORT: u64 = 1 << 20;
/// For the connections that an inspector carries when another one takes its place.
pub const RETIREMENT: Duration = Duration::from_secs(600);

/// Daemon to inspector.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// From now on new connections are decided by this.
    Setting(Box<Setting>),
    /// Answer with [`Report::Pong`] as soon as every thread that serves has had its turn.
    Ping,
    /// From now on connections to these names that should be opened, and no others, are passed on unopened.
    Bypass {
        /// All of them.
        names: Vec<BypassName>,
    },
    /// Another one has taken this one's place: accept nothing more, and exit when what is open has ended, or after
    /// [`RETIREMENT`].
    Retire,
    /// Accept nothing more, end what is left, and exit.
    End,
}

/// A name that applications refuse our certificates for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BypassName {
    /// Canonical.
    pub name: String,
    /// Until when, seconds since 1970.
    pub until_seconds: u64,
    /// Who says so.
    pub by: Approver,
}

/// Who approved that a name is passed on unopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// Enough clients had refused, and the policy says that this is enough. A rule for the name outweighs it.
    Machine,
    /// Somebody who had the right to.
    Person,
}

/// Everything that decides about connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// [`WIRE_VERSION`] of the daemon.
    pub version: u32,
    /// Generation of the policy.
    pub generation: u64,
    /// The municipality's rules.
    pub view: View,
    /// Roots that the machine trusts, PEM.
    pub platform_roots: String,
    /// Certificates and keys to mint with, PEM; none: nothing can be opened.
    pub authority: Option<AuthorityText>,
}

/// A municipality's certificates and keys, PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityText {
    /// ECDSA certificate.
    pub chain: String,
    /// Its key.
    pub key: String,
    /// RSA certificate.
    pub rsa_chain: String,
    /// Its key.
    pub rsa_key: String,
}

impl fmt::Debug for AuthorityText {
    /// Without the keys: what is logged is read by many.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthorityText").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Inspector to daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    /// The first line.
    Begin {
        /// [`WIRE_VERSION`] of the inspector.
        version: u32,
        /// Version of the program.
        program: String,
        /// When the process started, nanoseconds since 1970: counters begin there.
        started_ns: u64,
        /// Where it is the municipality's proxy.
        #[serde(default)]
        proxy: Vec<SocketAddr>,
        /// UDP ports whose datagrams it can be handed.
        udp: Vec<u16>,
        /// Its descriptors of the sockets that it was given.
        #[serde(default)]
        sockets: Vec<RawFd>,
        /// Whether it has been told to retire.
        #[serde(default)]
        retires: bool,
    },
    /// A setting is in force.
    Accepted {
        /// Its generation.
        generation: u64,
        /// What of it cannot be used all the same.
        warning: Option<String>,
    },
    /// A setting cannot be used; the one before stays.
    Refused {
        /// Its generation.
        generation: u64,
        /// Why, and what to do.
        because: String,
    },
    /// The answer to the latest ping.
    Pong,
    /// A connection has ended.
    Session(Box<Session>),
    /// All counters since the process started.
    Totals(Totals),
}

/// One connection, as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When it arrived, nanoseconds since 1970.
    pub began_ns: u64,
    /// How long it lasted.
    pub duration_ms: u64,
    /// Generation that decided.
    pub generation: u64,
    /// Who connected, inside.
    pub client: SocketAddr,
    /// Whom the client meant; of the proxy, until that is known, the proxy.
    pub destination: SocketAddr,
    /// How it came.
    pub arrival: Arrival,
    /// What carried it.
    pub transport: Transport,
    /// Host and port that the proxy was asked for.
    pub host: Option<String>,
    /// What the client's first bytes were; none: that was not found out.
    pub opening: Option<Opening>,
    /// The name that the client sent.
    pub sni: Option<String>,
    /// Protocols that it offered.
    pub alpn: Vec<String>,
    /// Its fingerprint.
    pub ja4: Option<String>,
    /// Whether another name may be hidden.
    pub ech: bool,
    /// What was done in the end.
    pub action: TlsAction,
    /// Why.
    pub reason: Reason,
    /// Rule that decided, and where it stands; none: the default.
    pub rule: Option<Rule>,
    /// What the upstream's certificate was found to be: `good`, or its defect; none: it was not looked at.
    pub upstream: Option<String>,
    /// Whether the client did not take the certificate minted for a good server.
    pub refused: Option<Refused>,
    /// Requests that passed, where they could be seen.
    pub requests: u64,
    /// Bytes of content from the client, and from the server.
    pub bytes: [u64; 2],
}

/// A client did not take the certificate that was minted for a server whose own was found good in the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// How it showed.
    pub sign: Sign,
    /// Whether the policy would let connections like this one go by unopened.
    pub may_pass: bool,
}

/// How a client shows that it does not take a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// By an alert that says so.
    Alert,
    /// It went away during the handshake, as it may have for other causes.
    Closed,
    /// It went away right after the handshake without a word, likewise.
    Unused,
}

impl Sign {
    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Closed => "closed",
            Self::Unused => "unused",
        }
    }
}

/// How a connection came to the inspector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// The gateway handed it over; the client knows of nobody between.
    Transparent,
    /// The client called the proxy.
    Explicit,
}

impl Arrival {
    /// The word in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transparent => "transparent",
            Self::Explicit => "explicit",
        }
    }
}

/// A rule as events name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub layer: Layer,
    /// `file:line`.
    pub location: String,
}

impl From<&RuleRef> for Rule {
    fn from(rule: &RuleRef) -> Self {
        Self { name: rule.name.clone(), layer: rule.layer, location: format!("{}:{}", rule.file, rule.line) }
    }
}

/// Counters since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections that ended, by what carried them, what was done, why, and by which rule.
    pub ended: Vec<Ended>,
    /// Connections that are open.
    pub open: u64,
    /// Sessions that could not be told because too many waited.
    pub sessions_lost: u64,
    /// Datagrams of QUIC that were lost here because too many came at once.
    pub datagrams_lost: u64,
}

/// Connections that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What carried them.
    pub transport: Transport,
    /// What was done.
    pub action: TlsAction,
    /// Why.
    pub reason: Reason,
    /// `file:line` and name of the rule; none: the default, or none was asked.
    pub rule: Option<(String, String)>,
    /// How many.
    pub connections: u64,
    /// Their bytes of content from the client, and from the server.
    pub bytes: [u64; 2],
}
