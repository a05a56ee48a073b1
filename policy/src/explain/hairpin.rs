//! Where a packet goes that a municipality may send, when its destination is one of ours: a public address is reached by
//! the hairpin, as if from the Internet, and no other.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::packet::{Asked, Carried};
use crate::checked::{Municipality, Policy};
use crate::model::{Stage, Step};

/// What becomes of it.
pub(super) enum Way {
    /// To the Internet.
    Onward,
    /// Nowhere.
    NoRoute(Step),
    /// By the hairpin, where it comes out like this.
    Hairpin(Step, Asked),
}

/// The way of a packet that is forwarded from a municipality, with the public end of its flow if it is translated.
pub(super) fn way(policy: &Policy, asked: &Asked, translation: Option<(Ipv4Addr, u16)>) -> Way {
    let source = translation.map_or(asked.source, |(address, _)| IpAddr::V4(address));
    let step = |said: String| Step {
        stage: Stage::Hairpin,
        looked_at: format!("destination {}, an address of ours, from {source}", asked.destination),
        said,
        skipped: Vec::new(),
    };
    if !policy.municipalities.iter().any(|town| holds(&own(town), asked.destination)) {
        return Way::Onward;
    }
    let is_public = |address| policy.municipalities.iter().any(|town| holds(&town.public(), address));
    if !is_public(asked.destination) || !is_public(source) {
        return Way::NoRoute(step("drop, no_route: only public addresses reach each other".into()));
    }
    let carried = match (asked.carried, translation) {
        (Carried::Tcp { destination, flags, .. }, Some((_, source))) => Carried::Tcp { source, destination, flags },
        (Carried::Udp { destination, .. }, Some((_, source))) => Carried::Udp { source, destination },
        (carried, _) => carried,
    };
    Way::Hairpin(step("by the hairpin, as if from the Internet".into()), Asked { source, carried, ..*asked })
}

fn own(town: &Municipality) -> Vec<IpNet> {
    town.prefixes.iter().chain(&town.published).copied().chain(town.public()).collect()
}

fn holds(prefixes: &[IpNet], address: IpAddr) -> bool {
    prefixes.iter().any(|prefix| prefix.contains(&address))
}
