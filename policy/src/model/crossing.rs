//! One packet on its way through the stages: what all of them need, and how one of them ends the way.

use std::ops::ControlFlow;
use std::sync::Arc;

use abi::{Direction, Limit, Reason, Verdict};

use super::Effects;
use super::dns::Asked;
use super::inspector::Down;
use super::limits::Used;
use super::prefecture::{Municipality, Prefecture, Rule, Sender};
use super::syn_cookies::Services;
use super::trace::{Stage, Trace};

/// A packet on its way.
pub(crate) struct Crossing<'a> {
    pub(crate) prefecture: &'a Prefecture,
    pub(crate) generation: u32,
    pub(crate) port: &'a str,
    pub(crate) sender: Sender<'a>,
    pub(crate) direction: Direction,
    pub(crate) now_s: u32,
    pub(crate) down: &'a Down,
    pub(crate) now_ns: u64,
    /// Bytes of the frame.
    pub(crate) length: u64,
    pub(crate) used: &'a mut Used,
    pub(crate) services: &'a mut Services,
    pub(crate) asked: &'a mut Asked,
    pub(crate) trace: &'a mut Trace,
    /// Whose packet it is, once known.
    pub(crate) municipality: Option<&'a Municipality>,
    pub(crate) effects: Effects,
}

/// The end of the way.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub(crate) verdict: Verdict,
    pub(crate) reason: Reason,
    pub(crate) set: Option<String>,
    pub(crate) rule: Option<Arc<Rule>>,
    pub(crate) limit: Option<Limit>,
}

impl Exit {
    /// A drop that neither a set nor a rule decided.
    pub(crate) fn drop(reason: Reason) -> Self {
        Self::new(Verdict::Drop, reason)
    }

    /// An exit that neither a set nor a rule decided.
    pub(crate) fn new(verdict: Verdict, reason: Reason) -> Self {
        Self { verdict, reason, set: None, rule: None, limit: None }
    }

    /// In words.
    pub(crate) fn tell(&self) -> String {
        let mut text = format!("{}, {}: {}", self.verdict.name(), self.reason.name(), self.reason.help());
        if let Some(set) = &self.set {
            text.push_str(&format!(", set `{set}`"));
        }
        if let Some(limit) = &self.limit {
            text.push_str(&format!(", `{}`: {}", limit.name(), limit.help()));
        }
        if let Some(rule) = &self.rule {
            text.push_str(&format!(", rule `{}` ({})", rule.name, rule.place()));
        }
        text
    }
}

impl Crossing<'_> {
    /// The stage lets the packet go on.
    pub(crate) fn pass(&mut self, stage: Stage, tell: impl FnOnce() -> (String, String)) {
        self.trace.step(stage, tell);
    }

    /// The stage decides.
    pub(crate) fn stop<T>(
        &mut self,
        stage: Stage,
        exit: Exit,
        looked_at: impl FnOnce() -> String,
    ) -> ControlFlow<Exit, T> {
        self.trace.step(stage, || (looked_at(), exit.tell()));
        ControlFlow::Break(exit)
    }
}
