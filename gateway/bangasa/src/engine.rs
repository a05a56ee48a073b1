//! Who judges a replay: the program in the kernel, or the model. Both are asked in the same words.

mod kernel;
mod model;

use policy::model::InspectorState;
use policy::{Judgement, Policy};

use crate::exit::WrongUsage;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The program in the kernel, through test runs; needs root
    Kernel,
    /// The reference model; needs nothing
    Model,
}

/// Judges one packet after the other, and remembers flows between them.
pub trait Engine {
    /// One frame, captured at this time in ns, that enters a port, named as on the command line (see [`known_port`]).
    fn judge(&mut self, port: &str, time_ns: u64, frame: &[u8]) -> anyhow::Result<Judgement>;
}

/// An engine with a policy as its first generation, and all inspectors in one state.
///
/// # Errors
/// For the kernel: missing privileges, or whatever it refuses.
pub fn open(kind: Kind, policy: &Policy, inspectors: InspectorState) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match kind {
        Kind::Kernel => Box::new(kernel::Kernel::open(policy, inspectors)?),
        Kind::Model => Box::new(model::Model::new(policy, inspectors)),
    })
}

/// What `--inspector-down` says.
pub fn inspectors(down: bool) -> InspectorState {
    if down { InspectorState::Down } else { InspectorState::Serving }
}

/// The generation that a replay judges under.
const GENERATION: u32 = 1;

/// Checks a port's name against the policy: `lan0`, `lan0.101`, `lan0.200.101`, `wan0`, `inspector:sendai`.
///
/// # Errors
/// It is not a port, or none of this policy; the message lists those that are.
pub fn known_port(policy: &Policy, name: &str) -> Result<(), WrongUsage> {
    let (base, _) = policy::model::enter(name, &[]).map_err(|error| WrongUsage(error.to_string()))?;
    let is_access = policy.accesses.iter().any(|port| port == base);
    let is_uplink = policy.uplinks.iter().any(|port| port == base);
    let of_inspector = policy::model::inspector(base);
    let is_inspector = of_inspector.is_some_and(|id| policy.municipalities.iter().any(|it| it.id == id));
    if is_access || (is_uplink || is_inspector) && base == name {
        return Ok(());
    }
    let what = match (is_uplink, is_inspector, of_inspector) {
        (true, ..) => "an uplink carries no VLANs",
        (_, true, _) => "an inspector sends without VLANs",
        (_, _, Some(_)) => "the policy has no such municipality",
        _ => "the policy has no such port",
    };
    let ports: Vec<&str> = policy.uplinks.iter().chain(&policy.accesses).map(String::as_str).collect();
    let mut message = format!("port `{name}`: {what}; its ports are {}", ports.join(", "));
    let attachments = policy.municipalities.iter().flat_map(|municipality| &municipality.attachments);
    let attachments: Vec<String> = attachments.map(policy::checked::Attachment::name).collect();
    if !attachments.is_empty() {
        message.push_str(&format!("; municipalities are attached at {}", attachments.join(", ")));
    }
    Err(WrongUsage(message))
}

/// The port's own name, and the frame as it would be on the wire there.
fn on_the_wire<'a>(port: &'a str, frame: &[u8]) -> anyhow::Result<(&'a str, Vec<u8>)> {
    // With tags pushed, a frame without a whole Ethernet header would look like one with.
    if frame.len() < ETHERNET_HEADER_BYTES {
        return Ok((port.split('.').next().unwrap_or(port), frame.to_vec()));
    }
    Ok(policy::model::enter(port, frame)?)
}

const ETHERNET_HEADER_BYTES: usize = 14;
