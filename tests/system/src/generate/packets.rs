//! Random packets aimed at a random policy's edges: known addresses, their neighbours, replies to what went before,
//! errors that quote it, fragments of it, and damaged bytes.

mod servers;

use std::net::{IpAddr, Ipv4Addr};

use abi::Address;
use abi::cookie::{Ends, Offer, REPLAY_KEY, cookie};
use ipnet::IpNet;
use policy::Policy;
use policy::model::{HAIRPIN, inspector};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::policies::PROXY_PORTS;
use servers::Servers;

use crate::frame::{Fragment, Packet, Payload, ethernet};

/// A frame and where it enters.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `lan0`, `wan0`, [`HAIRPIN`] or one of [`INSPECTORS`].
    pub port: &'static str,
    /// VLAN tags of the frame, from the outside in (kept apart so that replies can use them).
    pub vlans: Vec<u16>,
    /// The bytes.
    pub frame: Vec<u8>,
    /// What the frame was built from, unless it is not IP or was damaged.
    pub packet: Option<Packet>,
}

/// Where the inspectors of a policy's first municipalities send.
const INSPECTORS: [&str; 6] =
    ["inspector:town0", "inspector:town1", "inspector:town2", "inspector:town3", "inspector:town4", "inspector:town5"];
const INSIDE: [&str; 14] = [
    "10.10.16.1",
    "10.10.16.7",
    "10.10.16.255",
    "10.10.17.0",
    "10.10.31.255",
    "10.10.32.0",
    "10.20.0.1",
    "10.20.0.9",
    "172.16.0.1",
    "172.16.0.5",
    "172.31.255.255",
    "10.255.255.255",
    "9.255.255.255",
    "11.0.0.0",
];
const OUTSIDE: [&str; 16] = [
    "198.51.100.0",
    "198.51.100.63",
    "198.51.100.64",
    "198.51.100.80",
    "198.51.100.127",
    "198.51.100.128",
    "198.51.100.255",
    "198.51.101.0",
    "192.0.2.1",
    "128.0.0.0",
    "8.8.8.8",
    "0.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "169.254.1.1",
    "127.255.255.255",
];
const OUTSIDE_V6: [&str; 9] = [
    "2001:db8:ffff::80",
    "2001:db8:ffff::81",
    "2001:db8:ffff:8000::1",
    "2001:db8:fffe::1",
    "2400::1",
    "fe80::1",
    "ff02::1",
    "::1",
    "::ffff:10.0.0.1",
];
const PORTS: [u16; 14] = [0, 1, 25, 53, 80, 81, 443, 444, 587, 1023, 1024, 3479, 40_000, 65_535];

/// Remembers what was sent, to answer it.
#[derive(Debug)]
pub struct Traffic {
    /// Where a municipality's packets enter, and addresses at the edges of its prefixes.
    towns: Vec<(Vec<u16>, Vec<IpAddr>)>,
    /// Where inspectors send, with the gateway's addresses there and some that are not.
    inspectors: Vec<(&'static str, Vec<IpAddr>)>,
    servers: Servers,
    /// Packets that passed, newest last: what entered, and its translation if there was one.
    passed: Vec<(Arrival, Option<(IpAddr, u16)>)>,
}

impl Traffic {
    /// Traffic for a policy.
    pub fn new(policy: &Policy) -> Self {
        let towns = policy.municipalities.iter().flat_map(|town| {
            let edges: Vec<IpAddr> = town
                .prefixes
                .iter()
                .chain(&town.published)
                .flat_map(|prefix| edges(prefix, &town.attachments))
                .collect();
            town.attachments.iter().map(move |attachment| (attachment.vlans.clone(), edges.clone()))
        });
        let inspectors = policy.municipalities.iter().filter_map(|town| {
            let port = INSPECTORS.into_iter().find(|port| inspector(port) == Some(&town.id))?;
            let gateways = town.attachments.iter().flat_map(|attachment| &attachment.addresses);
            Some((port, gateways.map(IpNet::addr).collect()))
        });
        let servers = Servers::of(policy);
        Self { towns: towns.collect(), inspectors: inspectors.collect(), servers, passed: Vec::new() }
    }

    /// Notes a packet that was forwarded, with the public side of its flow if it was translated.
    pub fn note(&mut self, arrival: Arrival, public: Option<(IpAddr, u16)>) {
        if arrival.packet.is_some() {
            if self.passed.len() >= 64 {
                self.passed.remove(0);
            }
            self.passed.push((arrival, public));
        }
    }

    /// Notes a SYN that the gateway answered itself at that second, as if its answer had come from inside.
    pub fn note_cookie(&mut self, rng: &mut impl Rng, arrival: &Arrival, now_s: u32) {
        let Some(Packet { source, destination, payload: Payload::Tcp { ports, sequence, .. }, .. }) = &arrival.packet
        else {
            return;
        };
        let ends = Ends {
            source: &address(*source),
            destination: &address(*destination),
            source_port: ports.0,
            destination_port: ports.1,
        };
        let payload = Payload::Tcp {
            ports: (ports.1, ports.0),
            flags: 0x12,
            sequence: cookie(REPLAY_KEY, ends, *sequence, now_s, Offer(rng.random())),
            acknowledgement: sequence.wrapping_add(1),
            data: 0,
        };
        self.note(build("lan0", vlans(rng), Packet::new(*destination, *source, payload)), None);
    }

    /// The next packet.
    pub fn next(&self, rng: &mut impl Rng) -> Arrival {
        let mut arrival = match self.passed.choose(rng) {
            Some((before, public)) if rng.random_bool(0.6) => self.answer(rng, before, *public),
            _ if rng.random_bool(0.12) => self.of_inspector(rng),
            _ if rng.random_bool(0.05) => by_hairpin(fresh(&self.towns, rng), rng),
            _ if rng.random_bool(0.1) => self.servers.call(rng).unwrap_or_else(|| fresh(&self.towns, rng)),
            _ => fresh(&self.towns, rng),
        };
        if rng.random_bool(0.04) {
            damage(rng, &mut arrival);
        }
        arrival
    }

    /// A packet that has to do with one that passed: the same again, a reply, a fragment, an error about it.
    fn answer(&self, rng: &mut impl Rng, before: &Arrival, public: Option<(IpAddr, u16)>) -> Arrival {
        let Some(packet) = &before.packet else {
            return before.clone();
        };
        if rng.random_bool(0.03) {
            // The same packet from the other of a municipality's two senders.
            return self.other_sender(rng, before, packet);
        }
        if public.is_some() && before.port == "lan0" && rng.random_bool(0.06) {
            return build(before.port, before.vlans.clone(), contend(rng, packet));
        }
        let mut next = packet.clone();
        let mut port = before.port;
        let mut vlans = before.vlans.clone();
        if rng.random_bool(0.6) {
            (next, port, vlans) = reply(rng, before, packet, public);
            let called = public.filter(|_| matches!(before.port, "wan0" | HAIRPIN));
            if let Some((answer, own)) = called.and_then(|public| self.servers.answer(next.clone(), public)) {
                (next, vlans) = (answer, own);
            }
        }
        vary(rng, &mut next);
        if rng.random_bool(0.1) {
            next = error_about(rng, &next);
        }
        build(port, vlans, next)
    }
}

impl Traffic {
    /// A connection of an inspector's own, mostly from an address that it may use.
    fn of_inspector(&self, rng: &mut impl Rng) -> Arrival {
        let mut arrival = fresh(&self.towns, rng);
        let Some((port, gateways)) = self.inspectors.choose(rng) else { return arrival };
        arrival.port = port;
        if rng.random_bool(0.9) {
            arrival.vlans.clear();
        }
        let Some(mut packet) = arrival.packet.clone() else { return arrival };
        if let Some(address) = gateways.choose(rng).filter(|_| rng.random_bool(0.9)) {
            packet.source = *address;
        }
        if packet.source.is_ipv4() != packet.destination.is_ipv4() || packet.source == packet.destination {
            packet.destination = outside(rng, packet.source.is_ipv4());
        }
        if packet.source.is_ipv4() {
            packet.extensions.clear();
        } else {
            packet.options.clear();
        }
        if rng.random_bool(0.8) && !matches!(packet.payload, Payload::Tcp { .. } | Payload::Udp { .. }) {
            packet.payload = Payload::Udp { ports: (pick_port(rng), 53), data: 16 };
        }
        build(port, arrival.vlans, packet)
    }

    fn other_sender(&self, rng: &mut impl Rng, before: &Arrival, packet: &Packet) -> Arrival {
        let (port, vlans) = match (before.port, self.inspectors.choose(rng), self.towns.choose(rng)) {
            ("lan0" | "wan0", Some((port, _)), _) => (*port, Vec::new()),
            (_, _, Some((vlans, _))) => ("lan0", vlans.clone()),
            _ => (before.port, before.vlans.clone()),
        };
        build(port, vlans, packet.clone())
    }
}

/// A packet from a municipality to a public address, as it comes out of the hairpin; now and then from somewhere else.
fn by_hairpin(mut arrival: Arrival, rng: &mut impl Rng) -> Arrival {
    let Some(mut packet) = arrival.packet.take() else { return arrival };
    let v4 = packet.source.is_ipv4();
    packet.source = if rng.random_bool(0.8) { inside(rng, v4, "wan0") } else { packet.source };
    packet.destination = inside(rng, v4, "wan0");
    build(HAIRPIN, Vec::new(), packet)
}

/// A packet without ports from a neighbour of a translated packet's sender, to the same remote host: without ports, each
/// such sender needs a public address of its own, and a small pool has too few.
fn contend(rng: &mut impl Rng, packet: &Packet) -> Packet {
    let source = match packet.source {
        IpAddr::V4(source) => Ipv4Addr::from(u32::from(source) ^ rng.random_range(0..16)).into(),
        source @ IpAddr::V6(_) => source,
    };
    Packet::new(source, packet.destination, Payload::Raw { protocol: 47, bytes: vec![0x11; 8] })
}

/// The packet that the far side would answer with, entering where that side's packets enter.
fn reply(
    rng: &mut impl Rng,
    before: &Arrival,
    packet: &Packet,
    public: Option<(IpAddr, u16)>,
) -> (Packet, &'static str, Vec<u16>) {
    let mut next = packet.clone();
    std::mem::swap(&mut next.source, &mut next.destination);
    let swap = |ports: (u16, u16)| match public {
        Some((_, translated)) => (ports.1, translated),
        None => (ports.1, ports.0),
    };
    match &mut next.payload {
        Payload::Tcp { ports, flags, sequence, acknowledgement, data } => {
            *ports = swap(*ports);
            let syn_fin = u32::from(*flags & 0x02 != 0) + u32::from(*flags & 0x01 != 0);
            let answered = sequence.wrapping_add(*data as u32).wrapping_add(syn_fin);
            *sequence = *acknowledgement;
            *acknowledgement = answered;
            *flags = if *flags & 0x12 == 0x02 { 0x12 } else { 0x10 };
        }
        Payload::Udp { ports, .. } => *ports = swap(*ports),
        Payload::Icmp { kind, rest, .. } => {
            *kind = match *kind {
                8 => 0,
                128 => 129,
                other => other,
            };
            if let Some((_, translated)) = public {
                [rest[0], rest[1]] = translated.to_be_bytes();
            }
        }
        Payload::Raw { .. } => {}
    }
    if let Some((address, _)) = public {
        next.destination = address;
    }
    if !matches!(before.port, "wan0" | HAIRPIN) {
        let is_ours = next.source.to_string().starts_with("203.0.113.");
        (next, if is_ours { HAIRPIN } else { "wan0" }, Vec::new())
    } else {
        let inner = rng.random_range(100..106);
        (next, "lan0", if rng.random_bool(0.7) { vec![inner] } else { vec![200, inner] })
    }
}

/// Small changes that move a flow on: flags, numbers, fragments, hop limit.
fn vary(rng: &mut impl Rng, packet: &mut Packet) {
    if let Payload::Tcp { flags, sequence, acknowledgement, data, .. } = &mut packet.payload {
        match rng.random_range(0..12) {
            0 => *flags = 0x02,
            1 => *flags = 0x12,
            2..=4 => *flags = 0x10,
            5 => *flags = 0x11,
            6 => *flags = 0x04,
            7 => *flags = 0x14,
            8 => *flags = rng.random(),
            _ => {}
        }
        match rng.random_range(0..8) {
            0 => *sequence = sequence.wrapping_add(1),
            1 => *sequence = sequence.wrapping_add(rng.random_range(0..140_000)),
            2 => *sequence = sequence.wrapping_sub(rng.random_range(0..4)),
            3 => *acknowledgement = acknowledgement.wrapping_add(1),
            4 => *sequence = rng.random(),
            _ => {}
        }
        if rng.random_bool(0.2) {
            *data = rng.random_range(0..64);
        }
    }
    if rng.random_bool(0.12) {
        let offsets = [0, 0, 0, 1, 3, 185, 8191];
        packet.fragment = Some(Fragment {
            offset: offsets.choose(rng).copied().unwrap_or(0),
            more: rng.random_bool(0.6),
            identification: rng.random_range(1..4),
        });
        // Fragments carry a multiple of eight bytes; some should not.
        if rng.random_bool(0.8) {
            match &mut packet.payload {
                Payload::Tcp { data, .. } => *data = *data / 8 * 8 + 4,
                Payload::Udp { data, .. } => *data = *data / 8 * 8,
                Payload::Icmp { body, .. } => body.truncate(body.len() / 8 * 8),
                Payload::Raw { .. } => {}
            }
        }
    }
}

/// An ICMP error that enters where `packet` would, about a packet that travelled the other way.
fn error_about(rng: &mut impl Rng, packet: &Packet) -> Packet {
    let mut quoted = packet.clone();
    std::mem::swap(&mut quoted.source, &mut quoted.destination);
    match &mut quoted.payload {
        Payload::Tcp { ports, .. } | Payload::Udp { ports, .. } => *ports = (ports.1, ports.0),
        Payload::Icmp { .. } | Payload::Raw { .. } => {}
    }
    let mut quote = quoted.ip_bytes();
    if rng.random_bool(0.3) {
        quote.truncate(rng.random_range(8..quote.len().max(9) + 1));
    }
    let kinds: &[u8] = if packet.source.is_ipv4() { &[3, 3, 11, 12, 5] } else { &[1, 2, 3, 4, 100] };
    let kind = kinds.choose(rng).copied().unwrap_or(3);
    let payload = Payload::Icmp { kind, code: rng.random_range(0..5), rest: [0; 4], body: quote };
    let mut error = Packet::new(packet.source, packet.destination, payload);
    if rng.random_bool(0.2) {
        // A router on the way says it, or somebody who has nothing to do with it.
        let router: &str = if packet.source.is_ipv4() { "192.0.2.1" } else { "2400::1" };
        let router = router.parse().expect("an address that this file wrote");
        if rng.random_bool(0.7) { error.source = router } else { error.destination = router }
    }
    error
}

fn fresh(towns: &[(Vec<u16>, Vec<IpAddr>)], rng: &mut impl Rng) -> Arrival {
    if rng.random_bool(0.04) {
        let ethertype = [0x0806, 0x88cc, 0x0100, 0x8847, 0x8100].choose(rng).copied().unwrap_or(0x0806);
        let length = rng.random_range(0..40);
        let mut body = vec![0, 1, 8, 0, 6, 4, 0, 1];
        body.resize(length.max(if ethertype == 0x0806 { 26 } else { 0 }), 0);
        let vlans = vlans(rng);
        let frame = ethernet(&vlans, ethertype, &body);
        return Arrival { port: port(rng), vlans, frame, packet: None };
    }
    let v4 = rng.random_bool(0.65);
    let port = port(rng);
    let town = towns.choose(rng).filter(|_| rng.random_bool(0.85));
    let known = town.and_then(|(_, edges)| {
        let edges: Vec<_> = edges.iter().filter(|edge| edge.is_ipv4() == v4).collect();
        edges.choose(rng).map(|edge| **edge)
    });
    let inside = match known {
        Some(edge) if port == "lan0" || !v4 => edge,
        _ => inside(rng, v4, port),
    };
    let outside = outside(rng, v4);
    let (source, destination) = if port == "lan0" { (inside, outside) } else { (outside, inside) };
    let mut packet = Packet::new(source, destination, payload(rng, v4));
    if rng.random_bool(0.03) {
        packet.destination = packet.source;
    }
    if v4 && rng.random_bool(0.06) {
        let lists: [&[u8]; 5] =
            [&[1, 1, 1, 0], &[131, 3, 4, 0], &[137, 7, 4, 1, 2, 3, 4, 0], &[7, 1, 0, 0], &[148, 4, 0, 0]];
        packet.options = lists.choose(rng).copied().unwrap_or(&[1, 1, 1, 1]).to_vec();
    }
    if !v4 && rng.random_bool(0.12) {
        packet.extensions = extensions(rng);
    }
    vary(rng, &mut packet);
    if town.is_some() && rng.random_bool(0.06) {
        towards_the_gateway(rng, &mut packet);
    }
    let vlans = match town {
        _ if port == "wan0" && rng.random_bool(0.97) => Vec::new(),
        Some((vlans, _)) if rng.random_bool(0.95) => vlans.clone(),
        _ => vlans(rng),
    };
    build(port, vlans, packet)
}

/// Neighbour discovery, or an echo request or a segment for a proxy to an address that the gateway may have.
fn towards_the_gateway(rng: &mut impl Rng, packet: &mut Packet) {
    packet.extensions.clear();
    if rng.random_bool(0.5) {
        let town = rng.random_range(1..4);
        let gateway = match packet.source.is_ipv4() {
            true => ["10.10.16.1", "10.20.0.1", "172.16.0.1"].choose(rng).copied().unwrap_or("10.10.16.1").to_owned(),
            false => format!("2001:db8:{town}:8000::1"),
        };
        packet.destination = gateway.parse().expect("an address that this file wrote");
        let proxy = PROXY_PORTS.choose(rng).copied().unwrap_or(PROXY_PORTS[0]);
        let flags = [0x02, 0x10, 0x11, 0x12].choose(rng).copied().unwrap_or(0x02);
        let ports = (pick_port(rng), proxy);
        packet.payload = Payload::Tcp { ports, flags, sequence: rng.random(), acknowledgement: rng.random(), data: 4 };
        return;
    }
    if packet.source.is_ipv4() {
        let gateways = ["10.10.16.1", "10.20.0.1", "172.16.0.1"];
        packet.destination =
            gateways.choose(rng).copied().unwrap_or(gateways[0]).parse().expect("an address that this file wrote");
        packet.payload = Payload::Icmp { kind: 8, code: 0, rest: [0, 1, 0, 1], body: Vec::new() };
        return;
    }
    let kind = rng.random_range(132..139);
    packet.payload = Payload::Icmp { kind, code: 0, rest: [0; 4], body: vec![0; 16] };
    packet.hop_limit = if rng.random_bool(0.8) { 255 } else { 64 };
}

/// First and last address of a prefix, one in the middle, the next one beyond, and the gateways' neighbours.
fn edges(prefix: &IpNet, attachments: &[policy::checked::Attachment]) -> Vec<IpAddr> {
    let offsets = [0, 7, u128::MAX, 1];
    let mut edges: Vec<IpAddr> = offsets.iter().filter_map(|offset| at(prefix, *offset)).collect();
    for address in attachments.iter().flat_map(|attachment| &attachment.addresses) {
        if address.addr().is_ipv4() == prefix.addr().is_ipv4() {
            edges.extend(
                [Some(address.addr()), at(address, 6), at(address, 9), at(address, 0x14)].into_iter().flatten(),
            );
        }
    }
    edges
}

/// The `offset`th address of a prefix; its last, if it has fewer.
fn at(prefix: &IpNet, offset: u128) -> Option<IpAddr> {
    match prefix {
        IpNet::V4(prefix) => {
            let size = 1_u64 << (32 - prefix.prefix_len());
            let offset = u64::try_from(offset).unwrap_or(u64::MAX).min(size - 1) as u32;
            Some(Ipv4Addr::from(u32::from(prefix.network()) + offset).into())
        }
        IpNet::V6(prefix) => {
            let size = u128::MAX.checked_shr(u32::from(prefix.prefix_len()))?;
            Some(std::net::Ipv6Addr::from(u128::from(prefix.network()) | offset.min(size)).into())
        }
    }
}

fn extensions(rng: &mut impl Rng) -> Vec<(u8, Vec<u8>)> {
    let amount = if rng.random_bool(0.1) { 9 } else { rng.random_range(1..=3) };
    (0..amount)
        .map(|_| match rng.random_range(0..6) {
            0 => (0, vec![0; 8]),
            1 | 2 => (60, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            3 => (43, vec![0, 0, rng.random_range(0..5), rng.random_range(0..2), 0, 0, 0, 0]),
            4 => (51, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            _ => (60, vec![0, rng.random_range(0..3), 0, 0, 0, 0, 0, 0]),
        })
        .collect()
}

fn payload(rng: &mut impl Rng, v4: bool) -> Payload {
    let ports = (pick_port(rng), pick_port(rng));
    match rng.random_range(0..12) {
        0..=4 => Payload::Tcp { ports, flags: 0x02, sequence: rng.random(), acknowledgement: rng.random(), data: 0 },
        5 => Payload::Tcp { ports, flags: rng.random(), sequence: rng.random(), acknowledgement: 0, data: 8 },
        6..=8 => Payload::Udp { ports, data: rng.random_range(0..32) },
        9 | 10 => {
            let kinds: &[u8] = if v4 { &[8, 8, 8, 0, 3, 5, 13] } else { &[128, 128, 128, 129, 1, 133, 135, 136, 143] };
            let kind = kinds.choose(rng).copied().unwrap_or(8);
            let rest = [0, rng.random_range(0..3), 0, 1];
            Payload::Icmp { kind, code: 0, rest, body: vec![0; rng.random_range(0..24)] }
        }
        _ => {
            let protocol = [47, 47, 47, 50, 132, 59, 1, 58, 2].choose(rng).copied().unwrap_or(47);
            let length = rng.random_range(0..24);
            Payload::Raw { protocol, bytes: vec![0x11; length] }
        }
    }
}

fn inside(rng: &mut impl Rng, v4: bool, port: &str) -> IpAddr {
    let town = rng.random_range(0..6u16);
    let text = match (v4, port) {
        (true, "lan0") if rng.random_bool(0.9) => INSIDE.choose(rng).copied().unwrap_or(INSIDE[0]).to_owned(),
        (true, _) if rng.random_bool(0.5) => format!("203.0.113.{}", 200 + town),
        (true, _) => format!("203.0.113.{}", town * 8 + rng.random_range(0..8)),
        (false, _) => format!(
            "2001:db8:{}:{}::{}",
            town + 1,
            ["0", "8000", "8001"][rng.random_range(0..3)],
            rng.random_range(1..3)
        ),
    };
    text.parse().expect("an address that this file wrote")
}

fn outside(rng: &mut impl Rng, v4: bool) -> IpAddr {
    // The last few of each list are no host's; most packets should get past them.
    let sound = rng.random_bool(0.9);
    let (v4_end, v6_end) = if sound { (11, 5) } else { (OUTSIDE.len(), OUTSIDE_V6.len()) };
    let text = if v4 { OUTSIDE[..v4_end].choose(rng) } else { OUTSIDE_V6[..v6_end].choose(rng) };
    text.copied().unwrap_or("8.8.8.8").parse().expect("an address that this file wrote")
}

fn port(rng: &mut impl Rng) -> &'static str {
    if rng.random_bool(0.7) { "lan0" } else { "wan0" }
}

fn pick_port(rng: &mut impl Rng) -> u16 {
    if rng.random_bool(0.8) { PORTS.choose(rng).copied().unwrap_or(80) } else { rng.random() }
}

fn vlans(rng: &mut impl Rng) -> Vec<u16> {
    let town = rng.random_range(100..106);
    match rng.random_range(0..20) {
        0 => Vec::new(),
        1 => vec![0],
        2 => vec![rng.random_range(0..4096)],
        3..=7 => vec![200, town],
        8 => vec![town, 200],
        9 => vec![200, rng.random_range(0..4096)],
        _ => vec![town],
    }
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => Address::from_v4_word(u32::from_ne_bytes(v4.octets())),
        IpAddr::V6(v6) => Address::from_octets(v6.octets()),
    }
}

fn build(port: &'static str, vlans: Vec<u16>, packet: Packet) -> Arrival {
    let frame = packet.frame(&vlans);
    Arrival { port, vlans, frame, packet: Some(packet) }
}

/// Cuts the frame short, lengthens it, or changes a byte.
fn damage(rng: &mut impl Rng, arrival: &mut Arrival) {
    arrival.packet = None;
    match rng.random_range(0..4) {
        0 => arrival.frame.truncate(rng.random_range(14..arrival.frame.len().max(15) + 1)),
        1 => arrival.frame.extend([0; 6]),
        _ => {
            let index = rng.random_range(12..arrival.frame.len());
            arrival.frame[index] = rng.random();
        }
    }
}
