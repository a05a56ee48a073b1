//! A question to the TLS rules, and what they say.

use std::net::{IpAddr, SocketAddr};

use super::{ClientCertificates, Ech, Opening, RuleRef, TlsAction, Transport};

/// What is known about a connection once its client has spoken, or has not.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who connects. IPv4 in IPv6 clothes is IPv4, here and below.
    pub client: IpAddr,
    /// Whereto.
    pub destination: SocketAddr,
    /// What carries the connection.
    pub transport: Transport,
    /// What the client's first bytes are.
    pub opening: Opening,
    /// The name that the client sent, as it came; none: it sent none.
    pub sni: Option<&'a str>,
    /// The fingerprint of its hello.
    pub ja4: Option<&'a str>,
    /// The protocols that it offers.
    pub alpn: &'a [&'a [u8]],
    /// Whether another name may be hidden.
    pub ech: Ech,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling<'d> {
    /// What to do.
    pub action: TlsAction,
    /// Who says so; none: the default.
    pub rule: Option<&'d RuleRef>,
    /// Whether the name that the client sent is believed. Otherwise a spliced connection may only go to an address that
    /// the name resolves to.
    pub trust_sni: bool,
    /// Whether that rule asks for names of the server: what it says is meant for this very name.
    pub names_server: bool,
    /// What to do if the server of an inspected connection asks for a certificate.
    pub client_certificates: ClientCertificates,
}
