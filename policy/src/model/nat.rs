//! Translation of a new flow: which public address and port stand for its inside client's. What is chosen, of blocks,
//! groups and addresses, is in [`abi::nat`], which every engine shares; what is remembered is this code's own.

mod mappings;

use std::net::{IpAddr, Ipv4Addr};

use abi::nat::{GROUP, pool_choice};
use abi::{Direction, Verdict};

use super::crossing::Crossing;
use super::flows::{Flows, Key};
use super::packet::{Packet, Transport};
use super::prefecture::Municipality;
use mappings::{Client, Port};

pub(crate) use mappings::Mappings;

/// What becomes of a new flow's inside address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// It stays as it is.
    Untranslated,
    /// This address and port stand for it on the uplink.
    Public(Ipv4Addr, u16),
    /// The client's blocks are full and it gets no other, or what is chosen is taken.
    Exhausted,
}

/// Chooses.
pub(crate) fn nat(
    x: &Crossing,
    municipality: &Municipality,
    packet: &Packet,
    key: &Key,
    verdict: Verdict,
    flows: &mut Flows,
) -> Nat {
    let IpAddr::V4(inside) = key.inside else {
        return Nat::Untranslated;
    };
    let is_translated = x.direction == Direction::Egress
        && verdict == Verdict::Forward
        && !municipality.pool.is_empty()
        && !municipality.published.contains(packet.source);
    if !is_translated {
        return Nat::Untranslated;
    }
    let has_ports = matches!(packet.transport, Transport::Tcp(..) | Transport::Udp(_) | Transport::Echo { .. });
    let public = if has_ports {
        let port = Port { number: key.inside_port, protocol: key.protocol };
        let part = match x.sender.is_inspector() {
            true => Some(u32::from(port.number) / municipality.blocks.ports),
            false => None,
        };
        let client = Client { municipality: key.municipality.clone(), address: inside, part };
        let public = flows.mappings.map(municipality, &client, port, x.now_s);
        public.filter(|&public| !flows.is_taken(&key.translated(public), x.now_s))
    } else {
        without_ports(municipality, inside)
            .map(|address| (address, 0))
            .find(|&public| !flows.is_taken(&key.translated(public), x.now_s))
    };
    public.map_or(Nat::Exhausted, |(address, port)| Nat::Public(address, port))
}

/// A protocol without ports has no mapping: the client walks the pool for an address that nobody has towards its peer.
fn without_ports(municipality: &Municipality, inside: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
    let size = u32::try_from(municipality.pool.len()).unwrap_or(u32::MAX);
    (0..GROUP).map(move |n| municipality.pool[pool_choice(inside.to_bits(), n, size) as usize])
}
