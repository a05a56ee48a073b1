//! Why connections were treated as they were.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Why a connection was treated as it was: a closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in JSON, metrics and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, for metrics' help.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, )+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// a TLS rule or the default decided
    Rule = "rule";
    /// the municipality's budget of sessions, handshakes or memory was used up
    Limited = "limited";
    /// it should be opened, but is neither TLS nor HTTP
    NotInspectable = "not_inspectable";
    /// it should be opened and came over QUIC: refused, so that the client comes by TCP
    ByTcp = "by_tcp";
    /// it should be opened, but there is no certificate authority
    NoAuthority = "no_authority";
    /// the client's name for the server does not belong to the address it called
    FalseSni = "false_sni";
    /// the client's name for the server could not be looked up
    Unresolved = "unresolved";
    /// the client's first message was broken or too long
    Malformed = "malformed";
    /// the client did not finish its first message in time
    Slow = "slow";
    /// the server did not answer, or refused
    Unreachable = "unreachable";
    /// the server could not agree on how to speak TLS
    UpstreamTls = "upstream_tls";
    /// the server's certificate was bad
    BadCertificate = "bad_certificate";
    /// the server asked for a certificate that only the client has
    ClientCertificate = "client_certificate";
    /// the client refused the certificate minted for a good server
    CertificateRefused = "certificate_refused";
    /// there was no handshake with the client
    ClientTls = "client_tls";
    /// its name is one that applications refuse our certificates for
    Bypass = "bypass";
    /// a request or an answer broke the rules of HTTP
    Http = "http";
    /// what was carried was refused
    Content = "content";
    /// it was open, and a newer policy decides otherwise
    Overruled = "overruled";
    /// there was no policy yet, or the inspector was ending
    NotReady = "not_ready";
    /// a packet rule denied what the proxy was asked for
    PacketRule = "packet_rule";
    /// the client was cut off, and what it called is not essential
    Isolated = "isolated";
    /// the proxy was asked for an address of ours, or for one that no host has
    BadDestination = "bad_destination";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique() {
        let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
