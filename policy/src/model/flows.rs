//! What is remembered between packets: flows, the aliases that find translated flows from outside, and datagrams whose
//! fragments are followed. Without limit of number; whether an entry still exists is only a matter of its age.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use abi::flow::{FRAGMENT_TIMEOUT_S, state, timeout_s};
use abi::nat::{REFRESH_SHIFT, REFRESH_SLACK_S};
use abi::{Direction, Verdict};

use super::nat::Mappings;
use super::packet::{Fragment, Packet, Ports, Quote, Quoted, Transport};
use super::prefecture::Rule;
use super::tcp::{Connection, Side};

/// What tells one flow from another; the same for both of its directions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) municipality: Arc<str>,
    pub(crate) protocol: u8,
    pub(crate) inside: IpAddr,
    pub(crate) outside: IpAddr,
    /// Port, or echo identifier.
    pub(crate) inside_port: u16,
    pub(crate) outside_port: u16,
}

/// One flow.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Given by [`Flows::insert`]: a later flow of the same key is another flow.
    pub(crate) number: u64,
    pub(crate) last_seen_s: u32,
    /// State in which a packet was last passed.
    pub(crate) kept_state: u8,
    pub(crate) generation: u32,
    pub(crate) origin: Direction,
    /// The municipality's inspector began it.
    pub(crate) is_inspectors: bool,
    pub(crate) verdict: Verdict,
    pub(crate) rule: Option<Arc<Rule>>,
    pub(crate) progress: Progress,
    pub(crate) translation: Option<(Ipv4Addr, u16)>,
}

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Tcp(Connection),
    /// Other protocols: seen in one direction.
    OneWay,
    /// Other protocols: seen in both.
    TwoWay,
}

impl Progress {
    pub(crate) fn state(&self) -> u8 {
        match self {
            Self::Tcp(connection) => connection.state as u8,
            Self::OneWay => state::ONE_WAY,
            Self::TwoWay => state::TWO_WAY,
        }
    }
}

impl Flow {
    /// Which side of the flow sent what crosses in this direction.
    pub(crate) fn side(&self, direction: Direction) -> Side {
        if direction == self.origin { Side::Originator } else { Side::Responder }
    }

    fn is_live(&self, protocol: u8, now_s: u32) -> bool {
        now_s.saturating_sub(self.last_seen_s) <= timeout_s(protocol, self.progress.state())
    }
}

impl Key {
    /// The key of a packet as it looks where it crosses.
    pub(crate) fn of_packet(municipality: &Arc<str>, packet: &Packet, direction: Direction) -> Self {
        let (ports, identifier) = match packet.transport {
            Transport::Tcp(ports, _) | Transport::Udp(ports) => (ports, None),
            Transport::Echo { identifier, .. } => (Ports::default(), Some(identifier)),
            Transport::IcmpError(_) | Transport::Other | Transport::LaterFragment => (Ports::default(), None),
        };
        Self::new(municipality, packet.protocol, (packet.source, packet.destination), ports, identifier, direction)
    }

    /// The key of the flow that a quoted packet belongs to: it crossed the other way than the error that quotes it.
    pub(crate) fn of_quote(municipality: &Arc<str>, quote: &Quote, carrier: Direction) -> Self {
        let (ports, identifier) = match quote.carried {
            Quoted::Ports(ports) => (ports, None),
            Quoted::Echo(identifier) => (Ports::default(), Some(identifier)),
            Quoted::Other => (Ports::default(), None),
        };
        let crossed = match carrier {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        Self::new(municipality, quote.protocol, (quote.source, quote.destination), ports, identifier, crossed)
    }

    fn new(
        municipality: &Arc<str>,
        protocol: u8,
        (source, destination): (IpAddr, IpAddr),
        ports: Ports,
        echo_identifier: Option<u16>,
        direction: Direction,
    ) -> Self {
        let (inside, outside, inside_port, outside_port) = match direction {
            Direction::Egress => (source, destination, ports.source, ports.destination),
            Direction::Ingress => (destination, source, ports.destination, ports.source),
        };
        let municipality = municipality.clone();
        let inside_port = echo_identifier.unwrap_or(inside_port);
        Self { municipality, protocol, inside, outside, inside_port, outside_port }
    }

    /// The key that a translated flow has on the uplink.
    pub(crate) fn translated(&self, (address, port): (Ipv4Addr, u16)) -> Self {
        Self { inside: IpAddr::V4(address), inside_port: port, ..self.clone() }
    }
}

/// What tells one fragmented datagram from another, as it looks where it crosses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DatagramKey {
    municipality: Arc<str>,
    direction: Direction,
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    carried: u8,
}

impl DatagramKey {
    fn new(municipality: &Arc<str>, packet: &Packet, fragment: &Fragment, direction: Direction) -> Self {
        Self {
            municipality: municipality.clone(),
            direction,
            source: packet.source,
            destination: packet.destination,
            identification: fragment.identification,
            carried: fragment.carried,
        }
    }
}

/// The flow that a datagram's first fragment belonged to.
#[derive(Clone, Debug)]
struct Datagram {
    flow: Key,
    number: u64,
    seen_s: u32,
}

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    flows: HashMap<Key, Flow>,
    /// Key on the uplink → key of the translated flow.
    aliases: HashMap<Key, Key>,
    datagrams: HashMap<DatagramKey, Datagram>,
    /// Flows that there have been.
    numbered: u64,
    pub(crate) mappings: Mappings,
}

impl Flows {
    /// The live flow of a packet that crosses in this direction, with its own key: on the uplink one found through
    /// its public address goes before one of the very addresses.
    pub(crate) fn find(&mut self, key: &Key, direction: Direction, now_s: u32) -> Option<(Key, &mut Flow)> {
        let own = match direction {
            Direction::Egress => key.clone(),
            Direction::Ingress => self.behind(key, now_s).unwrap_or_else(|| key.clone()),
        };
        let flow = self.flows.get_mut(&own).filter(|flow| flow.is_live(own.protocol, now_s))?;
        Some((own, flow))
    }

    /// A flow that was just found, whatever has become of it since.
    pub(crate) fn get(&mut self, key: &Key) -> Option<&mut Flow> {
        self.flows.get_mut(key)
    }

    /// Whether a live flow has this key on the uplink, translated or with the very addresses.
    pub(crate) fn is_taken(&self, public: &Key, now_s: u32) -> bool {
        let direct = self.flows.get(public).is_some_and(|flow| flow.is_live(public.protocol, now_s));
        direct || self.behind(public, now_s).is_some()
    }

    fn behind(&self, public: &Key, now_s: u32) -> Option<Key> {
        let own = self.aliases.get(public)?;
        let flow = self.flows.get(own)?;
        let is_it = flow.is_live(own.protocol, now_s) && own.translated(flow.translation?) == *public;
        is_it.then(|| own.clone())
    }

    /// Remembers a new flow, in the place of an expired one of the same key.
    pub(crate) fn insert(&mut self, key: Key, mut flow: Flow) {
        self.numbered += 1;
        flow.number = self.numbered;
        if let Some(translation) = flow.translation {
            self.aliases.insert(key.translated(translation), key.clone());
        }
        self.flows.insert(key, flow);
    }

    /// Live flows of a municipality.
    pub(crate) fn count(&self, municipality: &str, now_s: u32) -> u64 {
        let live =
            |(key, flow): &(&Key, &Flow)| &*key.municipality == municipality && flow.is_live(key.protocol, now_s);
        self.flows.iter().filter(live).count() as u64
    }

    /// Forgets a flow, and with it its alias; its mapping is let go.
    pub(crate) fn free(&mut self, key: &Key, now_s: u32) {
        if let Some(flow) = self.flows.remove(key)
            && flow.is_live(key.protocol, now_s)
            && let Some(public) = flow.translation
        {
            self.mappings.let_go(key, public, now_s);
        }
    }

    /// Notes that a packet of a flow was passed, and keeps its mapping.
    pub(crate) fn keep(&mut self, key: &Key, now_s: u32) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        let state = flow.progress.state();
        let asked = flow.last_seen_s >> REFRESH_SHIFT == now_s >> REFRESH_SHIFT;
        if let Some(public) = flow.translation.filter(|_| !asked || flow.kept_state != state) {
            self.mappings.keep(key, public, now_s.saturating_add(timeout_s(key.protocol, state) + REFRESH_SLACK_S));
        }
        flow.last_seen_s = now_s;
        flow.kept_state = state;
    }

    /// Remembers whose datagram it is that this fragment begins.
    pub(crate) fn record(&mut self, packet: &Packet, direction: Direction, flow: &Key, now_s: u32) {
        let Some(fragment) = packet.fragment.filter(Fragment::is_first) else {
            return;
        };
        let Some(number) = self.flows.get(flow).map(|flow| flow.number) else {
            return;
        };
        let datagram = Datagram { flow: flow.clone(), number, seen_s: now_s };
        self.datagrams.insert(DatagramKey::new(&flow.municipality, packet, &fragment, direction), datagram);
    }

    /// The live flow whose datagram a later fragment belongs to.
    pub(crate) fn find_datagram(
        &mut self,
        municipality: &Arc<str>,
        packet: &Packet,
        direction: Direction,
        now_s: u32,
    ) -> Option<(Key, &mut Flow)> {
        let fragment = packet.fragment?;
        let datagram = self.datagrams.get(&DatagramKey::new(municipality, packet, &fragment, direction))?;
        if now_s.saturating_sub(datagram.seen_s) > FRAGMENT_TIMEOUT_S {
            return None;
        }
        let flow = self.flows.get_mut(&datagram.flow)?;
        let is_it = flow.number == datagram.number && flow.is_live(datagram.flow.protocol, now_s);
        is_it.then(|| (datagram.flow.clone(), flow))
    }
}
