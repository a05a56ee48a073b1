//! Translation of a new flow: which public address and port it gets. The candidates are those of [`abi::nat`], which
//! every engine shares.

use std::net::{IpAddr, Ipv4Addr};

use abi::nat::{CANDIDATES, candidate};
use abi::{Direction, Verdict};

use super::crossing::Crossing;
use super::flows::{Flows, Key};
use super::packet::{Packet, Transport};
use super::prefecture::Municipality;

/// What becomes of a new flow's inside address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nat {
    /// It stays as it is.
    Untranslated,
    /// This address and port stand for it on the uplink.
    Public(Ipv4Addr, u16),
    /// None of the candidates is free.
    Exhausted,
}

/// Chooses.
pub(crate) fn nat(
    x: &Crossing,
    municipality: &Municipality,
    packet: &Packet,
    key: &Key,
    verdict: Verdict,
    flows: &Flows,
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
    let pool_size = u32::try_from(municipality.pool.len()).unwrap_or(u32::MAX);
    let has_ports = matches!(packet.transport, Transport::Tcp(..) | Transport::Udp(_) | Transport::Echo { .. });
    (0..CANDIDATES)
        .map(|n| {
            let (index, port) = candidate(inside.to_bits(), key.inside_port, has_ports, n, pool_size);
            (municipality.pool[index as usize], port)
        })
        .find(|&public| !flows.is_taken(&key.translated(public), x.now_s))
        .map_or(Nat::Exhausted, |(address, port)| Nat::Public(address, port))
}
