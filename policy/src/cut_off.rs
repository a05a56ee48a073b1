//! Who of a municipality is cut off, and from what: what the fast path asks of every packet, an inspector asks of the
//! connections that it carries itself.

use std::net::IpAddr;

use crate::checked::Isolation;
use crate::model::AddressSet;
use crate::tls::View;

/// Isolation made ready to be asked.
#[derive(Debug)]
pub struct CutOff {
    isolation: Isolation,
    parts: AddressSet,
    essential: AddressSet,
}

impl CutOff {
    /// Of a municipality.
    pub fn of(view: &View) -> Self {
        let parts = match &view.isolation {
            Isolation::Parts(parts) => AddressSet::new(parts),
            Isolation::None | Isolation::All => AddressSet::default(),
        };
        Self { isolation: view.isolation.clone(), parts, essential: AddressSet::new(&view.essential) }
    }

    /// Whether this client is kept from this server.
    pub fn holds(&self, client: IpAddr, server: IpAddr) -> bool {
        let is_cut = match self.isolation {
            Isolation::None => false,
            Isolation::All => true,
            Isolation::Parts(_) => self.parts.contains(client.to_canonical()),
        };
        is_cut && !self.essential.contains(server.to_canonical())
    }
}
