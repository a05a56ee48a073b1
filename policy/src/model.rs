//! The reference model: what must happen to a packet, written from the order of judgement alone. It evaluates the
//! checked policy directly and shares no code with the compiler or the program in the kernel, so that the two being
//! equal means something.
//!
//! Stages are files; the first that decides wins:
//!
//! ```text
//! packet (parse) → sanity → municipality → spoofing → isolation → block → proxy → flow
//! → reflection → inbound → rules → SYN cookies → dns → limits → create (nat)
//! ```
//! `flows` remembers, `tcp` follows connections, `trace` lets `explain` listen. Not here: forwarding, time (the caller's
//! clock counts) and any bound on what is remembered.

mod addresses;
mod block;
mod create;
mod crossing;
mod dns;
mod enter;
mod flow;
mod flows;
mod inbound;
mod inspector;
mod isolation;
mod limits;
mod municipality;
mod nat;
mod packet;
mod prefecture;
mod proxy;
mod reflection;
mod rules;
mod sanity;
mod spoofing;
mod syn_cookies;
mod tcp;
mod trace;

use std::borrow::Borrow;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::sync::Arc;

use abi::{Direction, Reason, Verdict};

use crate::checked::Policy;
use crate::judgement::Judgement;
use crossing::{Crossing, Exit};
use flows::Flows;
use inspector::Down;
use packet::{Contents, Parsed};
use prefecture::{Prefecture, Rule, Sender};
use syn_cookies::Services;

pub(crate) use addresses::AddressSet;
pub use enter::{BadPortName, HAIRPIN, INSPECTOR, enter, inspector};
pub use inspector::InspectorState;
pub(crate) use prefecture::Rule as PreparedRule;
pub use rules::Mismatch;
pub(crate) use rules::{Call, first_match};
pub(crate) use sanity::is_no_unicast;
pub use trace::{Skipped, Stage, Step};
pub(crate) use trace::{Trace, counted};

/// The gateway, as it should be.
#[derive(Debug, Default)]
pub struct Model {
    generation: u32,
    prefecture: Option<Prefecture>,
    flows: Flows,
    down: Down,
    used: limits::Used,
    services: Services,
    asked: dns::Asked,
    effects: Effects,
}

/// What passing a packet did besides; a dropped one does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The packet began a flow.
    pub new_flow: bool,
    /// Public address and port (or echo identifier) of the packet's flow, if it is translated.
    pub translation: Option<(Ipv4Addr, u16)>,
}

impl Model {
    /// A gateway with a policy.
    pub fn new(policy: impl Borrow<Policy>, generation: u32) -> Self {
        let mut model = Self::empty();
        model.install(policy, generation);
        model
    }

    /// A gateway before its first policy: it passes nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Replaces the policy. Flows stay, and are judged again when their next packet comes.
    pub fn install(&mut self, policy: impl Borrow<Policy>, generation: u32) {
        self.prefecture = Some(Prefecture::new(policy.borrow()));
        self.generation = generation;
    }

    /// Judges a frame that enters a port, given by its own name (see [`enter`] for `lan0.101`), or that an inspector sends
    /// (see [`inspector`]), at a time.
    pub fn judge(&mut self, port: &str, now_ns: u64, frame: &[u8]) -> Judgement {
        self.judge_traced(port, now_ns, frame, &mut Trace::default()).0
    }

    /// Whether a municipality's inspector serves from now on; all of them do until this says otherwise.
    pub fn set_inspector(&mut self, municipality: &str, state: InspectorState) {
        self.down.set(municipality, state);
    }

    /// What the last packet did besides getting its verdict.
    pub fn last_effects(&self) -> Effects {
        self.effects
    }

    /// Judges, and tells every step; also the rule that decided, with its place.
    pub(crate) fn judge_traced(
        &mut self,
        port: &str,
        now_ns: u64,
        frame: &[u8],
        trace: &mut Trace,
    ) -> (Judgement, Option<Arc<Rule>>) {
        self.effects = Effects::default();
        let generation = self.generation;
        let prefecture = self.prefecture.as_ref().filter(|_| generation != 0);
        let Some(prefecture) = prefecture else {
            trace.step(Stage::Policy, || ("generation 0".into(), Reason::NoPolicy.help().into()));
            return closed(Reason::NoPolicy, generation);
        };
        let Some(sender) = prefecture.sender(port) else {
            return closed(Reason::Internal, generation);
        };
        let direction = sender.direction();
        // Of what an inspector sends it is known before the first byte whose it is.
        let municipality = if let Sender::Inspector(municipality) = sender { Some(municipality) } else { None };
        let now_s = u32::try_from(now_ns / NS_PER_S).unwrap_or(u32::MAX);
        let effects = Effects::default();
        let length = frame.len() as u64;
        let (used, services, asked, down) = (&mut self.used, &mut self.services, &mut self.asked, &self.down);
        let mut x = Crossing {
            prefecture,
            generation,
            port,
            sender,
            direction,
            now_s,
            now_ns,
            length,
            used,
            services,
            asked,
            down,
            trace,
            municipality,
            effects,
        };
        let parsed = packet::parse(frame);
        let (ControlFlow::Break(exit) | ControlFlow::Continue(exit)) = stages(&mut x, &parsed, &mut self.flows);
        if exit.verdict != Verdict::Drop {
            self.effects = x.effects;
        }
        let municipality = x.municipality.map(|municipality| municipality.id.to_string());
        let fields = parsed.fields;
        let judgement = Judgement {
            vlans: fields.vlans,
            source: fields.source,
            destination: fields.destination,
            protocol: fields.protocol,
            source_port: fields.source_port,
            destination_port: fields.destination_port,
            fragment: fields.fragment,
            direction,
            verdict: exit.verdict,
            reason: exit.reason,
            set: exit.set,
            rule: exit.rule.as_ref().map(|rule| rule.name.to_string()),
            limit: exit.limit,
            municipality,
            generation,
        };
        (judgement, exit.rule)
    }
}

/// The order of judgement.
fn stages(x: &mut Crossing, parsed: &Parsed, flows: &mut Flows) -> ControlFlow<Exit, Exit> {
    let vlans = &parsed.fields.vlans;
    let packet = match &parsed.contents {
        Err(reason) => return x.stop(Stage::Parse, Exit::drop(*reason), || packet::describe(parsed)),
        Ok(contents) => {
            x.pass(Stage::Parse, || (packet::describe(parsed), "well formed".into()));
            match contents {
                Contents::Ip(packet) => packet,
                Contents::Arp => return municipality::local(x, vlans, Reason::Arp),
                Contents::NeighbourDiscovery => return municipality::local(x, vlans, Reason::NeighbourDiscovery),
            }
        }
    };
    sanity::sanity(x, packet)?;
    let municipality = municipality::municipality(x, vlans, packet)?;
    spoofing::spoofing(x, municipality, packet)?;
    isolation::isolation(x, municipality, packet)?;
    block::block(x, packet)?;
    proxy::proxy(x, municipality, packet)?;
    let beginning = flow::flow(x, municipality, packet, flows)?;
    reflection::reflection(x, packet)?;
    let server = inbound::inbound(x, municipality, packet, &beginning.key, flows)?;
    let decision = rules::rules(x, municipality, packet)?;
    syn_cookies::syn_cookies(x, municipality, packet, beginning.redeemed, &decision)?;
    dns::guard(x, municipality, packet, decision.rule.as_ref())?;
    limits::admit(x, municipality, packet, decision.rule.as_ref(), flows)?;
    create::create(x, municipality, packet, beginning, server, decision, flows)
}

/// A judgement without looking at the packet.
fn closed(reason: Reason, generation: u32) -> (Judgement, Option<Arc<Rule>>) {
    let judgement = Judgement {
        vlans: Vec::new(),
        source: None,
        destination: None,
        protocol: None,
        source_port: None,
        destination_port: None,
        fragment: false,
        direction: Direction::Egress,
        verdict: Verdict::Drop,
        reason,
        set: None,
        rule: None,
        limit: None,
        municipality: None,
        generation,
    };
    (judgement, None)
}

const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
