//! `[nat]` of a municipality, beside its pool.

use std::fmt;
use std::net::Ipv4Addr;

use abi::nat::UNIT_PORTS;

use super::Service;
use crate::source::Location;

/// Ports are given to inside clients in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBlocks {
    /// `block`: ports of one, a power of two of [units](UNIT_PORTS).
    pub ports: u32,
    /// `blocks_per_client`: how many a client gets at most.
    pub per_client: u32,
}

impl PortBlocks {
    /// The size of a block as tables hold it.
    pub fn shift(self) -> u32 {
        (self.ports / UNIT_PORTS).max(1).ilog2()
    }
}

impl Default for PortBlocks {
    fn default() -> Self {
        Self { ports: 512, per_client: 4 }
    }
}

/// One entry of `[[nat.inbound]]`: ports of a public address that stand for an inside server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Unique within its municipality.
    pub name: String,
    /// Whom the Internet calls, and what rules speak of.
    pub public: Ipv4Addr,
    /// TCP and UDP ports there; all of a service without ports.
    pub services: Vec<Service>,
    /// The server.
    pub inside: Ipv4Addr,
    /// Its port; none: the public one.
    pub inside_port: Option<u16>,
    /// Where it stands.
    pub location: Location,
}

impl Inbound {
    /// Runs of public ports, each with its protocol: first and last.
    pub fn runs(&self) -> impl Iterator<Item = (u8, u16, u16)> {
        self.services.iter().map(|service| {
            let (first, last) = service.ports.unwrap_or((0, u16::MAX));
            (service.protocol, first, last)
        })
    }

    /// The server's port that a public one stands for, if it does.
    pub fn inside_port(&self, protocol: u8, port: u16) -> Option<u16> {
        let holds = |(of, first, last): (u8, u16, u16)| of == protocol && (first..=last).contains(&port);
        self.runs().any(holds).then(|| self.inside_port.unwrap_or(port))
    }
}

/// As plans tell it: `city-site: 203.0.113.12 tcp/443 to 10.10.1.10:8443`.
impl fmt::Display for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.public)?;
        for (protocol, first, last) in self.runs() {
            let protocol = if protocol == 6 { "tcp" } else { "udp" };
            write!(f, " {protocol}/{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
        }
        write!(f, " to {}", self.inside)?;
        self.inside_port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
