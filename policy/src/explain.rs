//! What would happen to a packet, and why: every stage, what it looked at, what it said, and the rule with its place.
//!
//! There is no second implementation here: the packet's text becomes a real frame, the model judges it, and its trace
//! is the explanation. The packet stands alone: no flow exists before it.

mod frame;
mod hairpin;
mod hello;
mod http;
mod packet;
mod text;
mod tls;

use serde::Serialize;

use crate::checked::Policy;
use crate::model::{
    BadPortName, HAIRPIN, INSPECTOR, InspectorState, Mismatch, Model, Skipped, Stage, Step, Trace, counted, enter,
    inspector,
};
use crate::overlay::Overlays;
use crate::source::Location;
use crate::tls::{Layer, RuleRef, TlsAction, Transport};
use abi::{Direction, Reason, Verdict};

use crate::judgement::Judgement;
use hairpin::Way;

pub use hello::{Hello, HelloError, Request};
pub use http::HttpAnswer;
pub use packet::PacketTextError;
pub use tls::TlsAnswer;

/// One packet explained. `Display` is for people, `Serialize` for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The packet, as it was asked for.
    pub packet: String,
    /// Where it enters.
    pub port: String,
    /// The stages that it reached, in order.
    pub steps: Vec<Step>,
    /// [`abi::Verdict::name`].
    pub verdict: &'static str,
    /// [`abi::Reason::name`].
    pub reason: &'static str,
    /// [`abi::Reason::help`].
    pub meaning: &'static str,
    /// The block set, for `blocked`.
    pub set: Option<String>,
    /// The rule that decided, if one did.
    pub rule: Option<DecidingRule>,
    /// Whose packet it is, if that was reached.
    pub municipality: Option<String>,
    /// [`abi::Direction::name`].
    pub direction: &'static str,
    /// What TLS rules say, if they were asked and the verdict is `inspect`.
    pub tls: Option<TlsAnswer>,
    /// What HTTP rules say, if there is a request and the connection is opened.
    pub http: Option<HttpAnswer>,
    /// Indicators and isolations that concern it; only of what is installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<String>,
}

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidingRule {
    /// Its name.
    pub name: String,
    /// Whether it is one of the prefecture's baseline.
    pub baseline: bool,
    /// File, line and column.
    pub location: Location,
}

/// Why there is nothing to explain. The asker is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// The port's name is not one.
    #[error(transparent)]
    BadPortName(#[from] BadPortName),
    /// The policy has no such port.
    #[error("the policy has no port `{port}`; its ports are {known}")]
    UnknownPort {
        /// As asked for.
        port: String,
        /// Those that exist, with the VLANs where municipalities are attached.
        known: String,
    },
    /// The packet's text cannot be understood.
    #[error(transparent)]
    Packet(#[from] PacketTextError),
    /// TLS or HTTP rules cannot be asked that.
    #[error(transparent)]
    Hello(#[from] HelloError),
}

/// Explains a packet like `tcp 10.4.20.7:51000 > 198.51.100.4:443` that enters a port like `lan0.101`, or that an
/// inspector sends, at `inspector:sendai`.
///
/// What goes to a public address of ours is explained on both sides of the hairpin; verdict and municipality are then those
/// of the far side.
///
/// With a hello, TLS rules are asked as well, and with a request in it HTTP rules.
///
/// # Errors
/// The port, the text or the hello is not understood; the message says what is.
pub fn explain(policy: &Policy, port: &str, packet: &str, hello: Option<&Hello>) -> Result<Explanation, ExplainError> {
    explain_while(InspectorState::Serving, policy, port, packet, hello)
}

/// The same, with all inspectors as they are said to be.
///
/// # Errors
/// As [`explain`].
pub fn explain_while(
    inspectors: InspectorState,
    policy: &Policy,
    port: &str,
    packet: &str,
    hello: Option<&Hello>,
) -> Result<Explanation, ExplainError> {
    hello.map_or(Ok(()), Hello::check)?;
    let asked = packet::parse(packet)?;
    let (base, frame) = enter(port, &frame::build(&asked))?;
    let is_known = match inspector(base) {
        Some(id) => policy.municipalities.iter().any(|municipality| municipality.id == id),
        None => policy.uplinks.iter().chain(&policy.accesses).any(|known| known == base),
    };
    if !is_known {
        return Err(ExplainError::UnknownPort { port: port.to_owned(), known: ports(policy) });
    }
    let mut trace = Trace::on();
    let mut model = Model::new(policy, FIRST_GENERATION);
    policy.municipalities.iter().for_each(|municipality| model.set_inspector(&municipality.id, inspectors));
    let (mut judgement, mut rule) = model.judge_traced(base, 0, &frame, &mut trace);
    let mut steps = trace.into_steps();
    if judgement.verdict == Verdict::Forward && judgement.direction == Direction::Egress {
        match hairpin::way(policy, &asked, model.last_effects().translation) {
            Way::Onward => {}
            Way::NoRoute(step) => {
                steps.push(step);
                judgement = Judgement { verdict: Verdict::Drop, reason: Reason::NoRoute, rule: None, ..judgement };
                rule = None;
            }
            Way::Hairpin(step, arrived) => {
                steps.push(step);
                let mut trace = Trace::on();
                (judgement, rule) = model.judge_traced(HAIRPIN, 0, &frame::build(&arrived), &mut trace);
                steps.extend(trace.into_steps());
            }
        }
    }
    let (mut answer, mut http) = (None, None);
    let is_inspected = judgement.verdict == Verdict::Inspect;
    match (is_inspected, hello, &judgement.municipality) {
        (true, Some(hello), Some(municipality)) => {
            if let Some((step, said)) = tls::judge(policy, municipality, &asked, hello)? {
                steps.push(step);
                http = request(policy, municipality, &asked, hello, &said, &mut steps)?;
                answer = Some(said);
            }
        }
        (true, None, Some(municipality)) => steps.push(tls::unasked(policy, municipality)),
        (false, Some(_), _) => steps.push(tls::unreached(judgement.verdict.name())),
        _ => {}
    }
    Ok(Explanation {
        packet: packet.split_whitespace().collect::<Vec<_>>().join(" "),
        port: port.to_owned(),
        steps,
        verdict: judgement.verdict.name(),
        reason: judgement.reason.name(),
        meaning: judgement.reason.help(),
        set: judgement.set,
        rule: rule.map(|rule| DecidingRule {
            name: rule.name.to_string(),
            baseline: rule.baseline,
            location: rule.location.clone(),
        }),
        municipality: judgement.municipality,
        direction: judgement.direction.name(),
        tls: answer,
        http,
        overlays: Vec::new(),
    })
}

/// The same as [`explain_while`], with what operators have laid over the policy.
///
/// # Errors
/// As [`explain`].
pub fn explain_installed(
    inspectors: InspectorState,
    policy: &Policy,
    overlays: &Overlays,
    port: &str,
    packet: &str,
    hello: Option<&Hello>,
) -> Result<Explanation, ExplainError> {
    let explanation = explain_while(inspectors, &overlays.over(policy), port, packet, hello)?;
    let asked = packet::parse(packet)?;
    let about = overlays.about(policy, explanation.municipality.as_deref(), [asked.source, asked.destination]);
    Ok(Explanation { overlays: about, ..explanation })
}

/// What becomes of the request, if there is one and anybody sees it.
fn request(
    policy: &Policy,
    municipality: &str,
    packet: &packet::Asked,
    hello: &Hello,
    tls: &TlsAnswer,
    steps: &mut Vec<Step>,
) -> Result<Option<HttpAnswer>, HelloError> {
    let Some(request) = &hello.request else { return Ok(None) };
    if tls.action != TlsAction::Inspect || tls.transport == Transport::Udp {
        steps.push(http::unreached(tls));
        return Ok(None);
    }
    let judged = http::judge(policy, municipality, packet, request)?;
    Ok(judged.map(|(step, answer)| {
        steps.push(step);
        answer
    }))
}

impl From<&RuleRef> for DecidingRule {
    fn from(rule: &RuleRef) -> Self {
        Self {
            name: rule.name.clone(),
            baseline: rule.layer == Layer::Prefecture,
            location: Location { file: rule.file.clone(), line: rule.line, column: 1 },
        }
    }
}

fn skipped(rule: &RuleRef, why: Mismatch) -> Skipped {
    let location = format!("{}:{}", rule.file, rule.line);
    Skipped { rule: rule.name.clone(), baseline: rule.layer == Layer::Prefecture, location, why }
}

/// `2 TLS rules of the prefecture, 1 of sendai`.
fn rules(above: usize, kind: &str, own: usize, municipality: &str) -> String {
    format!("{} of the prefecture, {own} of {municipality}", counted(above, &format!("{kind} rule")))
}

/// What a TLS or HTTP rule, or none, says.
fn says(action: &str, kind: &str, rule: Option<&RuleRef>) -> String {
    let Some(rule) = rule else { return format!("{action}: no {kind} rule matches") };
    let (article, owner) = (if kind == "HTTP" { "an" } else { "a" }, rule.layer.name());
    format!("{action}: {article} {kind} rule of the {owner}, rule `{}` ({}:{})", rule.name, rule.file, rule.line)
}

/// The policy's ports, as they are asked for.
fn ports(policy: &Policy) -> String {
    let attachments = policy.municipalities.iter().flat_map(|municipality| &municipality.attachments);
    let mut names: Vec<String> = attachments.map(|attachment| format!("`{}`", attachment.name())).collect();
    names.sort_unstable();
    let hidden = names.len().saturating_sub(MOST_PORTS);
    names.truncate(MOST_PORTS);
    names.extend(policy.uplinks.iter().map(|port| format!("`{port}`")));
    if hidden > 0 {
        names.push(format!("and {hidden} more"));
    }
    format!("{}; an inspector sends at `{INSPECTOR}` and its municipality's id", names.join(", "))
}

const FIRST_GENERATION: u32 = 1;
/// Attachments that a message names.
const MOST_PORTS: usize = 12;

#[cfg(test)]
mod tests;
