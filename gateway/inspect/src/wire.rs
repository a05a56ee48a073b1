//! What inspector and daemon say to each other: one JSON object a line, over a Unix socket.
//!
//! The daemon is trusted, the inspector is not: it reads strangers' bytes. So the daemon never learns whose inspector it
//! talks to from what is said here, but from the network namespace of the process at the other end.

use std::fmt;
use std::net::SocketAddr;

use policy::tls::{Layer, Opening, RuleRef, TlsAction, View};
use serde::{Deserialize, Serialize};

/// Counts up whenever a line changes its meaning. Whoever meets another version ends the conversation.
pub const WIRE_VERSION: u32 = 2;
/// The longest line from the daemon: name lists, and the certificates of several hundred roots.
pub const LONGEST_ORDER: u64 = 256 << 20;
/// The longest line from an inspector.
pub const LONGEST_REPORT: u64 = 1 << 20;

/// Daemon to inspector.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// From now on new connections are decided by this.
    Setting(Box<Setting>),
    /// Accept nothing more, end what is left, and exit.
    End,
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
    /// Requests that passed, where they could be seen.
    pub requests: u64,
    /// Bytes of content from the client, and from the server.
    pub bytes: [u64; 2],
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
    /// The client did not accept the certificate, or broke off before.
    ClientTls,
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
    pub const ALL: [Self; 20] = [
        Self::Rule,
        Self::Limited,
        Self::NotInspectable,
        Self::NoAuthority,
        Self::FalseSni,
        Self::Unresolved,
        Self::Malformed,
        Self::Slow,
        Self::Unreachable,
        Self::UpstreamTls,
        Self::BadCertificate,
        Self::ClientCertificate,
        Self::ClientTls,
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
            Self::NoAuthority => "no_authority",
            Self::FalseSni => "false_sni",
            Self::Unresolved => "unresolved",
            Self::Malformed => "malformed",
            Self::Slow => "slow",
            Self::Unreachable => "unreachable",
            Self::UpstreamTls => "upstream_tls",
            Self::BadCertificate => "bad_certificate",
            Self::ClientCertificate => "client_certificate",
            Self::ClientTls => "client_tls",
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
            Self::NoAuthority => "it should be opened, but there is no certificate authority",
            Self::FalseSni => "the client's name for the server does not belong to the address it called",
            Self::Unresolved => "the client's name for the server could not be looked up",
            Self::Malformed => "the client's first message was broken or too long",
            Self::Slow => "the client did not finish its first message in time",
            Self::Unreachable => "the server did not answer, or refused",
            Self::UpstreamTls => "the server could not agree on how to speak TLS",
            Self::BadCertificate => "the server's certificate was bad",
            Self::ClientCertificate => "the server asked for a certificate that only the client has",
            Self::ClientTls => "the client did not accept the certificate, or broke off",
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
    /// Connections that ended, by what was done, why, and by which rule.
    pub ended: Vec<Ended>,
    /// Connections that are open.
    pub open: u64,
    /// Sessions that could not be told because too many waited.
    pub sessions_lost: u64,
}

/// Connections that ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
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
