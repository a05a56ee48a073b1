//! Whose a public address and port was.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The answer to `who`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// As asked.
    pub address: IpAddr,
    /// As asked.
    pub port: Option<u16>,
    /// `port_block`: a client's, translated; `inbound`: of a mapping, which leads to a server; `published`: by an ingress rule; `own_address`: an address that is not
    /// translated.
    pub what: String,
    /// Id.
    pub municipality: String,
    /// Address inside.
    pub client: Option<IpAddr>,
    /// Whether that is the municipality's inspector, whose sessions name the client.
    pub inspector: bool,
    /// Port of the server inside that a published port leads to.
    pub inside_port: Option<u16>,
    /// Lowest port of the block.
    pub first_port: Option<u16>,
    /// Highest port of the block.
    pub last_port: Option<u16>,
    /// Since when it was the client's, RFC 3339.
    pub from: Option<String>,
    /// Until when; none: it still is.
    pub to: Option<String>,
    /// Where in the policy in force: `file:line`.
    pub location: Option<String>,
}
