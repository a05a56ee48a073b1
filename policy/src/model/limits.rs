//! Stage "limits": budgets of the municipality, and of single sources. A bucket that is full holds a second; what passes
//! takes its share out of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use abi::budget::{
    BURST_NS, CHUNK_NS, FRACTION, SOURCE_BURST, TICK, byte_cost, cost, is_smtp, source_cost, source_owed,
};
use abi::{Direction, Limit, Reason};

use super::crossing::{Crossing, Exit};
use super::flows::Flows;
use super::packet::{Packet, Transport};
use super::prefecture::{Municipality, Rule};
use super::trace::Stage;
use crate::checked;

/// What has been used up. Policies come and go; this stays.
#[derive(Debug, Default)]
pub(crate) struct Used {
    buckets: HashMap<(Arc<str>, Limit, Direction), Bucket>,
    /// By whom: the tick at which the bucket will be full.
    sources: HashMap<(Arc<str>, Limit, Direction, IpAddr), u64>,
}

/// A municipality's: one CPU draws a little ahead of need.
#[derive(Debug, Default)]
struct Bucket {
    full_at_ns: u64,
    drawn: u64,
}

impl Bucket {
    fn pay(&mut self, cost: u64, now_ns: u64) -> bool {
        if let Some(lacking) = cost.checked_sub(self.drawn).filter(|lacking| *lacking > 0) {
            let lacking_ns = lacking.div_ceil(1 << FRACTION);
            let empty_at = self.full_at_ns.max(now_ns);
            let room = (now_ns + BURST_NS).saturating_sub(empty_at);
            if room < lacking_ns {
                return false;
            }
            let drawing = lacking_ns.max(CHUNK_NS).min(room);
            self.full_at_ns = empty_at + drawing;
            self.drawn += drawing << FRACTION;
        }
        self.drawn -= cost;
        true
    }
}

/// What the packet asks for: whose it is, and which rule let it in.
struct Asking<'a> {
    municipality: &'a Municipality,
    packet: &'a Packet,
    rule: Option<&'a Arc<Rule>>,
}

/// A packet that would begin a flow: its flow, then the packet itself.
pub(crate) fn admit(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    rule: Option<&Arc<Rule>>,
    flows: &Flows,
) -> ControlFlow<Exit> {
    let asking = Asking { municipality, packet, rule };
    let limits = &municipality.limits;
    if let Some(most) = limits.of(Limit::Flows, x.direction)
        && flows.count(&municipality.id, x.now_s) >= most
    {
        return refuse(x, &asking, Limit::Flows);
    }
    if x.sender.is_inspector() {
        return ControlFlow::Continue(());
    }
    source(x, &asking, Limit::SourceNewFlows)?;
    source(x, &asking, Limit::PrefixNewFlows)?;
    if let Transport::Tcp(ports, _) = packet.transport
        && x.direction == Direction::Egress
        && is_smtp(ports.destination)
    {
        budget(x, &asking, Limit::Smtp, cost, 1)?;
    }
    budget(x, &asking, Limit::NewFlows, cost, 1)?;
    meter(x, municipality, packet, rule)?;
    if !limits.0.is_empty() {
        let told = told(limits, x.direction);
        x.pass(Stage::Limits, || (format!("budgets of {}", municipality.id), format!("within all of them: {told}")));
    }
    ControlFlow::Continue(())
}

/// A packet that passes. What an inspector sends was counted when its client sent it.
pub(crate) fn meter(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    rule: Option<&Arc<Rule>>,
) -> ControlFlow<Exit> {
    if x.sender.is_inspector() {
        return ControlFlow::Continue(());
    }
    let asking = Asking { municipality, packet, rule };
    source(x, &asking, Limit::SourcePackets)?;
    source(x, &asking, Limit::PrefixPackets)?;
    budget(x, &asking, Limit::Packets, cost, 1)?;
    budget(x, &asking, Limit::Bits, byte_cost, x.length)
}

fn budget(x: &mut Crossing, asking: &Asking<'_>, limit: Limit, price: fn(u64) -> u64, units: u64) -> ControlFlow<Exit> {
    let Some(rate) = asking.municipality.limits.of(limit, x.direction) else {
        return ControlFlow::Continue(());
    };
    let now_ns = x.now_ns;
    let bucket = x.used.buckets.entry((asking.municipality.id.clone(), limit, x.direction)).or_default();
    match bucket.pay(price(rate) * units, now_ns) {
        true => ControlFlow::Continue(()),
        false => refuse(x, asking, limit),
    }
}

/// A client is an address; on the Internet a /64 is one, and networks are /24 and /48.
fn source(x: &mut Crossing, asking: &Asking<'_>, limit: Limit) -> ControlFlow<Exit> {
    let is_prefix = matches!(limit, Limit::PrefixNewFlows | Limit::PrefixPackets);
    let rate = asking.municipality.limits.of(limit, x.direction);
    let Some(rate) = rate.filter(|_| !is_prefix || x.direction == Direction::Ingress) else {
        return ControlFlow::Continue(());
    };
    let whose = match (asking.packet.source, x.direction, is_prefix) {
        (IpAddr::V4(address), _, true) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !0xff)),
        (IpAddr::V6(address), _, true) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
        (IpAddr::V6(address), Direction::Ingress, false) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        (address, ..) => address,
    };
    match pay_for(x, asking.municipality, whose, limit, rate) {
        true => ControlFlow::Continue(()),
        false => refuse(x, asking, limit),
    }
}

/// Takes a packet from the Internet out of its source's bucket for something that is not among `[limits]`.
pub(crate) fn pay_as_source(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    limit: Limit,
    rate: u64,
) -> bool {
    let whose = match packet.source {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    };
    pay_for(x, municipality, whose, limit, rate)
}

fn pay_for(x: &mut Crossing, municipality: &Municipality, whose: IpAddr, limit: Limit, rate: u64) -> bool {
    let now = x.now_ns >> TICK;
    let key = (municipality.id.clone(), limit, x.direction, whose);
    let before = x.used.sources.get(&key).map_or(0, |full_at| source_owed(*full_at, now));
    let owed = before + u64::from(source_cost(rate));
    let may = owed <= SOURCE_BURST;
    if may {
        x.used.sources.insert(key, now + owed);
    }
    may
}

/// `flows 200000, packets_per_second 90000`: those of a direction.
fn told(limits: &checked::Budgets, direction: Direction) -> String {
    let named = |limit: &Limit| Some(format!("{} {}", limit.name(), limits.of(*limit, direction)?));
    Limit::ALL.iter().filter_map(named).collect::<Vec<_>>().join(", ")
}

fn refuse<T>(x: &mut Crossing, asking: &Asking<'_>, limit: Limit) -> ControlFlow<Exit, T> {
    let exit = Exit { rule: asking.rule.cloned(), limit: Some(limit), ..Exit::drop(Reason::Limited) };
    x.stop(Stage::Limits, exit, || format!("budgets of {}", asking.municipality.id))
}
