//! Verdict tables: policies, packets and what must come of them. Every engine runs the same tables, so they stand here
//! and not beside one engine's tests.
//!
//! Tables are files named after what they show; `policies` holds the texts, `frames` builds the packets.

mod attachments;
mod dns;
mod errors;
mod flows;
mod fragments;
mod frames;
mod generations;
mod hairpin;
mod inbound;
mod inspectors;
mod inspectors_down;
mod limits;
mod nat;
mod parse;
mod policies;
mod proxy;
mod reflection;
mod rules;
mod sanity;
mod stages;
mod syn_cookies;
mod tcp;
mod vouched;

use std::net::Ipv4Addr;

use abi::{Limit, Reason, Verdict};

use crate::judgement::Judgement;
use crate::model::{Effects, InspectorState, enter};
use crate::source::Source;

/// A story told in packets, from an empty gateway on.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique among all cases.
    pub name: &'static str,
    /// In order.
    pub steps: Vec<Step>,
}

/// What happens next.
#[derive(Clone, Debug)]
pub enum Step {
    /// A policy becomes the next generation; the first is 1.
    Install(Source),
    /// From now on a municipality's inspector serves, or does not; at first all do.
    Inspector(&'static str, InspectorState),
    /// A packet enters.
    Packet(Packet),
}

/// A packet and what must come of it.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The port's own name, or where an inspector sends.
    pub port: String,
    /// When it enters; never before the step before.
    pub time_ns: u64,
    /// As on the wire, tags included.
    pub frame: Vec<u8>,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What happens to it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Rule that decided.
    pub rule: Option<&'static str>,
    /// Block set.
    pub set: Option<&'static str>,
    /// The budget that is used up.
    pub limit: Option<Limit>,
    /// Municipality.
    pub municipality: Option<&'static str>,
    /// Public address and port of its flow, if it is translated.
    pub translation: Option<(Ipv4Addr, u16)>,
}

impl Expected {
    /// How what an engine said differs from what is expected, if it does.
    pub fn difference(&self, judgement: &Judgement, effects: Effects) -> Option<String> {
        let said = (
            (judgement.verdict, judgement.reason),
            judgement.rule.as_deref(),
            judgement.set.as_deref(),
            judgement.limit,
            judgement.municipality.as_deref(),
            effects.translation,
        );
        let expected =
            ((self.verdict, self.reason), self.rule, self.set, self.limit, self.municipality, self.translation);
        (said != expected).then(|| format!("expected {expected:?}, got {said:?}"))
    }

    fn of(mut self, municipality: &'static str) -> Self {
        self.municipality = Some(municipality);
        self
    }

    fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }

    fn set(mut self, set: &'static str) -> Self {
        self.set = Some(set);
        self
    }

    fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    fn translated(mut self, (address, port): (Ipv4Addr, u16)) -> Self {
        self.translation = Some((address, port));
        self
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    [
        parse::cases(),
        sanity::cases(),
        attachments::cases(),
        stages::cases(),
        rules::cases(),
        tcp::cases(),
        flows::cases(),
        errors::cases(),
        fragments::cases(),
        nat::cases(),
        inbound::cases(),
        hairpin::cases(),
        generations::cases(),
        vouched::cases(),
        inspectors::cases(),
        inspectors_down::cases(),
        proxy::cases(),
        limits::cases(),
        reflection::cases(),
        syn_cookies::cases(),
        dns::cases(),
    ]
    .concat()
}

impl Case {
    /// A story that begins with the tables' usual policy.
    fn new(name: &'static str) -> Self {
        Self::without_policy(name).install(policies::usual())
    }

    fn without_policy(name: &'static str) -> Self {
        Self { name, steps: Vec::new() }
    }

    fn install(mut self, policy: Source) -> Self {
        self.steps.push(Step::Install(policy));
        self
    }

    fn inspector(mut self, municipality: &'static str, state: InspectorState) -> Self {
        self.steps.push(Step::Inspector(municipality, state));
        self
    }

    /// A packet that enters `lan0`, `lan0.101`, …, in this second of the story.
    fn packet(mut self, port: &str, second: u64, frame: &[u8], expected: Expected) -> Self {
        let (port, frame) = enter(port, frame).expect("a port name of the tables");
        let time_ns = (EPOCH_S + second) * 1_000_000_000;
        self.steps.push(Step::Packet(Packet { port: port.to_owned(), time_ns, frame, expected }));
        self
    }
}

fn expect(verdict: Verdict, reason: Reason) -> Expected {
    Expected { verdict, reason, rule: None, set: None, limit: None, municipality: None, translation: None }
}

fn drop(reason: Reason) -> Expected {
    expect(Verdict::Drop, reason)
}

fn forward(reason: Reason) -> Expected {
    expect(Verdict::Forward, reason)
}

/// Stories begin late enough that no age can be mistaken for a time.
const EPOCH_S: u64 = 100_000;
