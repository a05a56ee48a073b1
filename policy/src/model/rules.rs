//! Stage "rules": the baseline's, then the municipality's, in order; the first match decides, then the default.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use abi::{Direction, Reason, Verdict};
use serde::Serialize;

use super::crossing::{Crossing, Exit};
use super::flows::Key;
use super::packet::{Packet, Ports, Transport};
use super::prefecture::{Municipality, Rule, Side};
use super::trace::{Stage, counted};
use crate::checked::{Action, WhenDown};

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) direction: Direction,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) destination_port: u16,
}

/// What rules say.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    pub(crate) rule: Option<Arc<Rule>>,
}

/// The first thing about a call that a rule does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// The rule is for the other direction.
    Direction,
    /// The source is not in `from`.
    Source,
    /// The destination is not in `to`.
    Destination,
    /// Protocol and destination port are not in `ports` and `protocols`.
    Service,
    /// The client's first bytes are of another kind; of TLS rules, as all that follow.
    Opening,
    /// The server's name is not in `sni`.
    Name,
    /// The fingerprint is not in `ja4`.
    Ja4,
    /// No protocol that the client offers is in `alpn`.
    Alpn,
    /// ECH is, or is not, offered.
    Ech,
    /// The server's name is not in `host`; of HTTP rules, as all that follow.
    Host,
    /// The method is not in `methods`.
    Method,
    /// The path is not in `path`.
    Path,
    /// What is transferred is of none of `types`.
    Type,
}

impl Mismatch {
    /// In the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::Direction,
        Self::Opening,
        Self::Name,
        Self::Source,
        Self::Destination,
        Self::Service,
        Self::Ja4,
        Self::Alpn,
        Self::Ech,
        Self::Host,
        Self::Method,
        Self::Path,
        Self::Type,
    ];

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Direction => "it is for the other direction",
            Self::Source => "the source is not in `from`",
            Self::Destination => "the destination is not in `to`",
            Self::Service => "protocol and destination port are not among its services",
            Self::Opening => "it is about another opening",
            Self::Name => "the name is not in `sni`",
            Self::Ja4 => "the fingerprint is not in `ja4`",
            Self::Alpn => "no offered protocol is in `alpn`",
            Self::Ech => "`ech` says otherwise",
            Self::Host => "the host is not in `host`",
            Self::Method => "the method is not in `methods`",
            Self::Path => "the path is not in `path`",
            Self::Type => "nothing of these `types` is transferred",
        }
    }
}

impl Call {
    /// A packet that begins a flow, by what it carries where it enters.
    pub(crate) fn of_packet(packet: &Packet, direction: Direction) -> Self {
        let ports = match packet.transport {
            Transport::Tcp(ports, _) | Transport::Udp(ports) => ports,
            _ => Ports::default(),
        };
        Self {
            direction,
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            destination_port: ports.destination,
        }
    }

    /// A flow, as its first packet was: one from the Internet was for the public end.
    pub(crate) fn of_flow(key: &Key, translation: Option<(Ipv4Addr, u16)>, origin: Direction) -> Self {
        let (source, destination, destination_port) = match (origin, translation) {
            (Direction::Egress, _) => (key.inside, key.outside, key.outside_port),
            (Direction::Ingress, None) => (key.outside, key.inside, key.inside_port),
            (Direction::Ingress, Some((public, port))) => (key.outside, IpAddr::V4(public), port),
        };
        Self { direction: origin, source, destination, protocol: key.protocol, destination_port }
    }
}

/// What stands in place of the rules for an inspector's own connections.
pub(crate) fn of_inspector() -> Decision {
    Decision { verdict: Verdict::Forward, reason: Reason::Inspector, rule: None }
}

/// Decides about a new flow.
pub(crate) fn rules(x: &mut Crossing, municipality: &Municipality, packet: &Packet) -> ControlFlow<Exit, Decision> {
    if x.sender.is_inspector() {
        let decision = of_inspector();
        let said = Exit::new(decision.verdict, decision.reason).tell();
        x.pass(Stage::Rules, || (format!("inspector of {}: no rule is asked", municipality.id), said));
        return ControlFlow::Continue(decision);
    }
    let call = Call::of_packet(packet, x.direction);
    let decision = decide(x, municipality, &call);
    let baseline = x.prefecture.baseline.len();
    let looked_at = || {
        let own = municipality.rules(call.direction).rules.len();
        let own = counted(own, &format!("{} rule", call.direction.name()));
        format!("{}, {own} of {}", counted(baseline, "baseline rule"), municipality.id)
    };
    let exit = Exit { rule: decision.rule.clone(), ..Exit::new(decision.verdict, decision.reason) };
    if decision.verdict == Verdict::Drop {
        return x.stop(Stage::Rules, exit, looked_at);
    }
    x.pass(Stage::Rules, || (looked_at(), exit.tell() + otherwise(&decision)));
    ControlFlow::Continue(decision)
}

/// The first rule that matches, or the default.
pub(crate) fn decide(x: &mut Crossing, municipality: &Municipality, call: &Call) -> Decision {
    let own = municipality.rules(call.direction);
    let rules = x.prefecture.baseline.iter().chain(&own.rules);
    if let Some(rule) = first_match(rules, call, |rule, why| x.trace.skip(rule, why)) {
        let reason = if rule.baseline { Reason::BaselineRule } else { Reason::Rule };
        let splices = rule.action == Action::Inspect && rule.when_down == WhenDown::Splice;
        let (verdict, reason) = match splices && x.down.contains(&municipality.id) {
            true => (Verdict::Forward, Reason::InspectorDown),
            false => (verdict(rule.action), reason),
        };
        return Decision { verdict, reason, rule: Some(rule.clone()) };
    }
    let verdict = verdict(own.default);
    let reason = if verdict == Verdict::Drop { Reason::DefaultDeny } else { Reason::DefaultAllow };
    Decision { verdict, reason, rule: None }
}

/// What a rule that inspects would say if its inspector were down, or were not.
fn otherwise(decision: &Decision) -> &'static str {
    match (decision, decision.rule.as_deref().map(|rule| rule.when_down)) {
        (Decision { reason: Reason::InspectorDown, .. }, _) => "; inspect, when the inspector serves again",
        (Decision { verdict: Verdict::Inspect, .. }, Some(WhenDown::Splice)) => {
            "; forward, while the inspector is down"
        }
        (Decision { verdict: Verdict::Inspect, .. }, _) => "; it does not come about while the inspector is down",
        _ => "",
    }
}

/// The first rule that matches; tells each before it, and what it does not match.
pub(crate) fn first_match<'r>(
    rules: impl IntoIterator<Item = &'r Arc<Rule>>,
    call: &Call,
    mut skip: impl FnMut(&Rule, Mismatch),
) -> Option<&'r Arc<Rule>> {
    rules.into_iter().find(|rule| {
        let why = mismatch(rule, call);
        why.into_iter().for_each(|why| skip(rule, why));
        why.is_none()
    })
}

fn mismatch(rule: &Rule, call: &Call) -> Option<Mismatch> {
    if !rule.directions.contains(&call.direction) {
        return Some(Mismatch::Direction);
    }
    let is_outside = |side: &Option<Side>, address: IpAddr| {
        side.as_ref().is_some_and(|sets| !sets.iter().any(|set| set.contains(address)))
    };
    if is_outside(&rule.from, call.source) {
        return Some(Mismatch::Source);
    }
    if is_outside(&rule.to, call.destination) {
        return Some(Mismatch::Destination);
    }
    let is_listed = rule.services.as_ref().is_none_or(|services| {
        services.iter().any(|service| {
            let in_range = |(first, last)| (first..=last).contains(&call.destination_port);
            service.protocol == call.protocol && service.ports.is_none_or(in_range)
        })
    });
    (!is_listed).then_some(Mismatch::Service)
}

fn verdict(action: Action) -> Verdict {
    match action {
        Action::Deny => Verdict::Drop,
        Action::Allow => Verdict::Forward,
        Action::Inspect => Verdict::Inspect,
    }
}
