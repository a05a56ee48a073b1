//! A ClientHello as a line: for programs by its keys, for people by columns.

use std::fmt;
use std::net::IpAddr;

use hello::client_hello::is_grease;
use hello::{Ech, Hello, ja4};
use serde::Serialize;

/// Above the lines for people.
pub const HEADING: &str = "     packet via  fingerprint                          client > server: name [protocols]";

/// What is told of a hello. Where there is nothing to tell, a key is null.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The packet that completed it, from 1.
    pub packet: u64,
    /// What carried it.
    pub transport: &'static str,
    /// Host name.
    pub sni: Option<String>,
    /// Why there is none.
    pub no_sni: Option<&'static str>,
    /// Application protocols, in order.
    pub alpn: Option<Vec<String>>,
    /// JA4 fingerprint.
    pub ja4: Option<String>,
    /// Whether the true name is hidden, or pretends to be.
    pub ech: bool,
    /// In which way.
    pub ech_kind: Option<&'static str>,
    /// Which key of the server.
    pub ech_config: Option<u8>,
    /// The version field.
    pub legacy_version: Option<String>,
    /// Versions of the extension, in order, without GREASE.
    pub supported_versions: Option<Vec<String>>,
    /// Client.
    pub source: IpAddr,
    /// Server.
    pub destination: IpAddr,
    /// Client's port.
    pub source_port: u16,
    /// Server's port.
    pub destination_port: u16,
    /// VLANs, the outermost first.
    pub vlan: Vec<u16>,
    /// What is wrong with the message; without `ja4` it could not be read at all.
    pub malformed: Option<String>,
}

impl Line {
    /// Of a hello.
    pub fn new(found: &Hello) -> Self {
        let hello = found.hello.as_ref().ok();
        let ech = hello.map_or(Ech::Absent, |hello| hello.ech);
        let ends = found.ends;
        Self {
            packet: found.packet,
            transport: found.transport.name(),
            sni: hello.and_then(|hello| hello.sni.clone().ok()),
            no_sni: hello.and_then(|hello| hello.sni.as_ref().err()).map(|no_sni| no_sni.name()),
            alpn: hello.and_then(|hello| hello.alpn.as_ref()).map(|names| names.iter().map(|it| text(it)).collect()),
            ja4: hello.map(|hello| ja4(hello, found.transport)),
            ech: ech.is_present(),
            ech_kind: ech.name(),
            ech_config: if let Ech::Outer { config_id, .. } = ech { Some(config_id) } else { None },
            legacy_version: hello.map(|hello| number(hello.legacy_version)),
            supported_versions: hello.filter(|hello| !hello.supported_versions.is_empty()).map(|hello| {
                hello.supported_versions.iter().filter(|it| !is_grease(**it)).map(|it| number(*it)).collect()
            }),
            source: ends.source,
            destination: ends.destination,
            source_port: ends.source_port,
            destination_port: ends.destination_port,
            vlan: ends.vlan.iter().copied().take_while(|tag| *tag != 0).collect(),
            malformed: match &found.hello {
                Ok(hello) => hello.flaw.map(|flaw| flaw.to_string()),
                Err(malformed) => Some(malformed.to_string()),
            },
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ja4 = self.ja4.as_deref().unwrap_or("-");
        write!(f, "{:>11} {:<4} {ja4:<36} ", self.packet, self.transport)?;
        if !self.vlan.is_empty() {
            let tags: Vec<_> = self.vlan.iter().map(ToString::to_string).collect();
            write!(f, "vlan {} ", tags.join("."))?;
        }
        let port = |address: IpAddr, port: u16| std::net::SocketAddr::new(address, port);
        write!(f, "{} > ", port(self.source, self.source_port))?;
        write!(f, "{}: ", port(self.destination, self.destination_port))?;
        match (&self.sni, self.no_sni) {
            // A name is a stranger's text on our terminal.
            (Some(name), _) => write!(f, "{}", name.escape_debug())?,
            (None, Some(why)) => write!(f, "no name ({})", why.replace('_', " "))?,
            (None, None) => write!(f, "no name")?,
        }
        if let Some(alpn) = &self.alpn {
            let names: Vec<_> = alpn.iter().map(|name| name.escape_debug().to_string()).collect();
            write!(f, " [{}]", names.join(" "))?;
        }
        if let Some(kind) = self.ech_kind {
            write!(f, " ech {kind}")?;
        }
        if let Some(why) = &self.malformed {
            write!(f, ", malformed: {why}")?;
        }
        Ok(())
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn number(version: u16) -> String {
    format!("0x{version:04x}")
}
