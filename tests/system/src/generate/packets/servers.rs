//! Servers behind published ports: what the Internet sends to them, and what they answer.

use std::net::IpAddr;

use policy::Policy;
use policy::checked::Inbound;
use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Arrival, build, outside, pick_port};
use crate::frame::{Packet, Payload};

/// Every mapping of a policy, with the tags of its municipality.
#[derive(Debug)]
pub(super) struct Servers(Vec<(Vec<u16>, Inbound)>);

impl Servers {
    pub fn of(policy: &Policy) -> Self {
        let towns = policy.municipalities.iter();
        let of = |town: &policy::checked::Municipality| {
            let vlans = town.attachments.first().map_or_else(Vec::new, |attachment| attachment.vlans.clone());
            town.inbound.iter().map(|mapping| (vlans.clone(), mapping.clone())).collect::<Vec<_>>()
        };
        Self(towns.flat_map(of).collect())
    }

    /// A packet for a published port, or one beside it.
    pub fn call(&self, rng: &mut impl Rng) -> Option<Arrival> {
        let (_, mapping) = self.0.choose(rng)?;
        let (protocol, first, last) = *mapping.runs().collect::<Vec<_>>().choose(rng)?;
        let port = [first, last, first.wrapping_sub(1), last.wrapping_add(1), rng.random_range(first..=last)];
        let ports = (pick_port(rng), *port.choose(rng)?);
        let payload = if protocol == 6 {
            Payload::Tcp { ports, flags: 0x02, sequence: rng.random(), acknowledgement: 0, data: 0 }
        } else {
            Payload::Udp { ports, data: rng.random_range(0..32) }
        };
        Some(build("wan0", Vec::new(), Packet::new(outside(rng, true), mapping.public.into(), payload)))
    }

    /// What a server sends to who called it, where its packets enter; none: the port that was called is no server's.
    pub fn answer(&self, mut reply: Packet, public: (IpAddr, u16)) -> Option<(Packet, Vec<u16>)> {
        let (protocol, ports) = match &mut reply.payload {
            Payload::Tcp { ports, .. } => (6, ports),
            Payload::Udp { ports, .. } => (17, ports),
            Payload::Icmp { .. } | Payload::Raw { .. } => return None,
        };
        let mut called = self.0.iter().filter(|(_, mapping)| IpAddr::from(mapping.public) == public.0);
        let (vlans, mapping, port) =
            called.find_map(|(vlans, mapping)| Some((vlans, mapping, mapping.inside_port(protocol, public.1)?)))?;
        ports.0 = port;
        reply.source = mapping.inside.into();
        Some((reply, vlans.clone()))
    }
}
