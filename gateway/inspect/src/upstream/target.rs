//! Whom a connection is for.

use std::net::IpAddr;

use rustls_pki_types::{DnsName, ServerName};

/// Whom a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The host of the client's hello, in lower case. The certificate has to be for it.
    Host(DnsName<'static>),
    /// The client named nobody. What name it wants is known to it alone, and it will look for that in the minted
    /// certificate, which has the server's names; so only the chain is verified here.
    Address(IpAddr),
}

impl Target {
    /// Of a hello's host name, if it is one that DNS can have, and the address that the client wanted to reach.
    pub fn new(sni: Option<&str>, destination: IpAddr) -> Self {
        let host = sni.and_then(|sni| DnsName::try_from(sni.to_ascii_lowercase()).ok());
        host.map_or(Self::Address(destination), Self::Host)
    }

    /// The host, if there is one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Host(host) => Some(host.as_ref()),
            Self::Address(_) => None,
        }
    }

    pub(super) fn server_name(&self) -> ServerName<'static> {
        match self {
            Self::Host(host) => ServerName::DnsName(host.clone()),
            Self::Address(address) => ServerName::IpAddress((*address).into()),
        }
    }
}
