//! The TLS part of a checked policy.

use std::collections::BTreeMap;

use super::{Addresses, Service};
use crate::source::Location;
use crate::tls::{BypassSaid, ClientCertificates, Ech, Names, OnBadCertificate, Opening, TlsAction};

/// `[tls]`, the prefecture's or a municipality's. What is not said here is the other's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// What no rule matches.
    pub default: Option<TlsAction>,
    /// What a client sees where the server's certificate is bad.
    pub on_bad_certificate: Option<OnBadCertificate>,
    /// What becomes of clients that refuse minted certificates.
    pub bypass: BypassSaid,
    /// In order; the first match wins.
    pub rules: Vec<TlsRule>,
}

/// One TLS rule. What is absent matches anything, an empty list nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRule {
    /// Unique within its list.
    pub name: String,
    /// Clients.
    pub from: Option<Addresses>,
    /// Destinations.
    pub to: Option<Addresses>,
    /// Protocols and destination ports.
    pub services: Option<Vec<Service>>,
    /// What the client's first bytes are.
    pub speaks: Option<Vec<Opening>>,
    /// Names of the server.
    pub sni: Option<Hosts>,
    /// Fingerprints, sorted.
    pub ja4: Option<Vec<String>>,
    /// Protocols, sorted: the client offers one at least.
    pub alpn: Option<Vec<String>>,
    /// Whether another name may be hidden.
    pub ech: Option<Ech>,
    /// What it says.
    pub action: TlsAction,
    /// Whether the name is believed; of splicing rules only.
    pub trust_sni: bool,
    /// Where a server asks for a certificate; of inspecting rules only.
    pub client_certificates: ClientCertificates,
    /// Where it stands.
    pub location: Location,
}

/// Names of a server, as a rule names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Those that the rule spells out.
    pub spelled_out: Names,
    /// Lists by name.
    pub named: BTreeMap<String, Names>,
    /// Whether it is a match too that there is no name.
    pub none: bool,
}

impl Hosts {
    /// Every list that is not empty.
    pub fn lists(&self) -> impl Iterator<Item = &Names> {
        std::iter::once(&self.spelled_out).chain(self.named.values()).filter(|names| !names.is_empty())
    }

    /// Whether it matches nothing.
    pub fn is_nobody(&self) -> bool {
        !self.none && self.lists().next().is_none()
    }
}

/// A named list of host names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameList {
    /// What is in it.
    pub names: Names,
    /// Where it is defined.
    pub location: Location,
}
