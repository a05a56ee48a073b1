//! What becomes of a connection that packet rules hand to the inspector: TLS rules, made ready for whoever asks them.
//!
//! ```text
//! Policy ─► View::of (one municipality, everything its inspector needs) ─► Decider ─► Ruling
//! ```
//! Pure. Reading the client's first bytes, looking names up and carrying a ruling out are the inspector's.
//!
//! A rule that names host names, fingerprints, protocols or ECH speaks of TLS and QUIC only: nothing else has them. What
//! a client calls the server is its own word. So a spliced connection whose client sent a name may only go where that
//! name resolves to, unless the [`Ruling`] says `trust_sni`.

mod asked;
pub mod bypass;
mod decider;
mod heard;
pub mod limits;
mod lookup;
mod names;
#[cfg(test)]
mod tests;
mod view;

pub use asked::{Asked, Ruling};
pub use bypass::{BypassSaid, BypassTerms};
pub use decider::Decider;
pub(crate) use heard::Heard;
pub(crate) use lookup::Lookup;
pub use names::{NameError, Names, canonical};
pub(crate) use view::Lists;
pub use view::{BadView, HostLists, RevocationLists, Root, RuleRef, VIEW_VERSION, View, ViewRule};

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// What a rule, or the default, says.
    TlsAction {
        /// Both ends talk to each other; the inspector passes bytes on and sees only what is in the clear.
        Splice = "splice",
        /// The inspector speaks TLS with both ends.
        Inspect = "inspect",
        /// The connection ends.
        Block = "block",
    }
}

words! {
    /// What carries a connection.
    Transport {
        /// TCP.
        Tcp = "tcp",
        /// UDP, datagram by datagram.
        Udp = "udp",
    }
}

words! {
    /// What the client's first bytes are.
    Opening {
        /// A TLS ClientHello.
        Tls = "tls",
        /// A QUIC Initial, over UDP.
        Quic = "quic",
        /// A request in the clear.
        Http = "http",
        /// The client waits for the server to begin, as in SSH or SMTP.
        ServerFirst = "server-first",
        /// Anything else; over UDP all that is not QUIC.
        Other = "other",
        /// Neither end says anything.
        Silence = "silence",
    }
}

words! {
    /// Whether the client sent an `encrypted_client_hello` extension. A true one and GREASE, which browsers send to every
    /// server, are made to look alike: only the server can tell.
    Ech {
        /// No such extension: the name in the clear is the one that is meant.
        Absent = "absent",
        /// Another name may be hidden, or it is GREASE.
        Offered = "offered",
    }
}

words! {
    /// What a client sees where the server's certificate is bad.
    OnBadCertificate {
        /// A minted certificate with the same defect: the client judges.
        Mirror = "mirror",
        /// A page that says so.
        Page = "page",
    }
}

words! {
    /// What becomes of clients that refuse minted certificates.
    Bypass {
        /// They stay refused, and nothing is learned.
        Off = "off",
        /// Names are proposed to whoever reads, and passed on unopened once a person approves.
        Suggest = "suggest",
        /// Names are passed on unopened once enough clients have refused.
        Automatic = "automatic",
    }
}

words! {
    /// What an inspected connection does where the server asks for a certificate of the client, which only the client has.
    ClientCertificates {
        /// The server gets none. What is said where nothing is: otherwise a server could ask for one to go uninspected.
        Refuse = "refuse",
        /// Connections to it are spliced.
        Splice = "splice",
    }
}

words! {
    /// Whose rule it is.
    Layer {
        /// The prefecture's: asked first.
        Prefecture = "prefecture",
        /// The municipality's own.
        Municipality = "municipality",
    }
}

impl Transport {
    /// Its number in IP.
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl Opening {
    /// Whether there is a ClientHello, with what rules may ask about it.
    pub const fn has_hello(self) -> bool {
        matches!(self, Self::Tls | Self::Quic)
    }

    /// What may carry it.
    pub const fn transports(self) -> &'static [Transport] {
        match self {
            Self::Quic => &[Transport::Udp],
            Self::Other => &[Transport::Tcp, Transport::Udp],
            _ => &[Transport::Tcp],
        }
    }
}

/// `[tls] limits`: what one municipality's inspector may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Connections at a time.
    pub sessions: u32,
    /// New ones.
    pub handshakes_per_second: u32,
    /// Memory.
    pub memory_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: limits::SESSIONS.default,
            handshakes_per_second: limits::HANDSHAKES_PER_SECOND.default,
            memory_mib: limits::MEMORY_MIB.default,
        }
    }
}
