//! What inspector and daemon say to each other: one JSON object a line, over a Unix socket.
//!
//! The daemon is trusted, the inspector is not: it reads strangers' bytes. So the daemon never learns whose inspector it
//! talks to from what is said here, but from the network namespace of the process at the other end.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use policy::tls::{Layer, Opening, RuleRef, TlsAction, Transport, View};
use serde::{Deserialize, Serialize};

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

/// Why a connection was treated as it was: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A rule says so, or the default.
    Rule,
    /// The municipality's budget of sessions, handshakes or memory is used up.
    Limited,
    /// It should be opened, but is neither TLS nor HTTP.
    NotInspectable,
    /// It should be opened, and comes over QUIC, where nothing is opened: refused, so that the client comes by TCP.
    ByTcp,
    /// It should be opened, but there is no certificate authority to mint with.
    NoAuthority,
    /// The name that the client sent does not belong to the address it called.
    FalseSni,
    /// The name could not be looked up.
    Unresolved,
    /// The client's first message is broken, or longer than any such message.
    Malformed,
    /// The client began its first message and did not finish it in time.
    Slow,
    /// The server did not answer, or refused.
    Unreachable,
    /// The server could not agree with us on how to speak TLS.
    UpstreamTls,
    /// The server's certificate is bad.
    BadCertificate,
    /// The server asks for a certificate that only the client has.
    ClientCertificate,
    /// The client refused the certificate minted for a good server, and said so.
    CertificateRefused,
    /// There was no handshake with the client for another cause, or for one that it kept to itself.
    ClientTls,
    /// It should be opened, and its name is one that applications refuse our certificates for.
    Bypass,
    /// A request or an answer broke the rules of HTTP.
    Http,
    /// What was carried was refused.
    Content,
    /// It was open, and a newer policy decides otherwise about such a connection.
    Overruled,
    /// There is no policy yet, or the inspector ends.
    NotReady,
    /// A packet rule, or their default, denies the client what it asked the proxy for.
    PacketRule,
    /// The client is cut off, and what it called is not essential.
    Isolated,
    /// The proxy was asked for an address that no host on the Internet has: ours, or a special one.
    BadDestination,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Rule,
        Self::Limited,
        Self::NotInspectable,
        Self::ByTcp,
        Self::NoAuthority,
        Self::FalseSni,
        Self::Unresolved,
        Self::Malformed,
        Self::Slow,
        Self::Unreachable,
        Self::UpstreamTls,
        Self::BadCertificate,
        Self::ClientCertificate,
        Self::CertificateRefused,
        Self::ClientTls,
        Self::Bypass,
        Self::Http,
        Self::Content,
        Self::Overruled,
        Self::NotReady,
        Self::PacketRule,
        Self::Isolated,
        Self::BadDestination,
    ];

    /// The word in JSON, metrics and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Limited => "limited",
            Self::NotInspectable => "not_inspectable",
            Self::ByTcp => "by_tcp",
            Self::NoAuthority => "no_authority",
            Self::FalseSni => "false_sni",
            Self::Unresolved => "unresolved",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::UpstreamTls => "upstream_tls",
            Self::BadCertificate => "bad_certificate",
            Self::ClientCertificate => "client_certificate",
            Self::CertificateRefused => "certificate_refused",
            Self::ClientTls => "client_tls",
            Self::Bypass => "bypass",
            Self::Http => "http",
            Self::Content => "content",
            Self::Overruled => "overruled",
            Self::NotReady => "not_ready",
            Self::PacketRule => "packet_rule",
            Self::Isolated => "isolated",
            Self::BadDestination => "bad_destination",
        }
    }

    /// What it means, for metrics' help.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Rule => "a TLS rule or the default decided",
            Self::Limited => "the municipality's budget of sessions, handshakes or memory was used up",
            Self::NotInspectable => "it should be opened, but is neither TLS nor HTTP",
            Self::ByTcp => "it should be opened and came over QUIC: refused, so that the client comes by TCP",
            Self::NoAuthority => "it should be opened, but there is no certificate authority",
            Self::FalseSni => "the client's name for the server does not belong to the address it called",
            Self::Unresolved => "the client's name for the server could not be looked up",
            Self::Malformed => "the client's first message was broken or too long",
            Self::Slow => "the client did not finish its first message in time",
            Self::Unreachable => "the server did not answer, or refused",
            Self::UpstreamTls => "the server could not agree on how to speak TLS",
            Self::BadCertificate => "the server's certificate was bad",
            Self::ClientCertificate => "the server asked for a certificate that only the client has",
            Self::CertificateRefused => "the client refused the certificate minted for a good server",
            Self::ClientTls => "there was no handshake with the client",
            Self::Bypass => "its name is one that applications refuse our certificates for",
            Self::Http => "a request or an answer broke the rules of HTTP",
            Self::Content => "what was carried was refused",
            Self::Overruled => "it was open, and a newer policy decides otherwise",
            Self::NotReady => "there was no policy yet, or the inspector was ending",
            Self::PacketRule => "a packet rule denied what the proxy was asked for",
            Self::Isolated => "the client was cut off, and what it called is not essential",
            Self::BadDestination => "the proxy was asked for an address of ours, or for one that no host has",
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_word_in_json_and_in_metrics() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.name().into()));
        }
    }
}
