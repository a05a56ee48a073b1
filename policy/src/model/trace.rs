//! What each stage looked at and said. Off while packets are judged; on for `explain`, which thereby tells the
//! model's own verdict.

use serde::Serialize;

use super::prefecture::Rule;
use super::rules::Mismatch;

/// A stage of judgement, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Is there a policy.
    Policy,
    /// Frame to packet.
    Parse,
    /// Addresses, fragments and flags that nobody sends honestly.
    Sanity,
    /// Whose packet it is.
    Municipality,
    /// May it come from there.
    Spoofing,
    /// Is its municipality, section or terminal cut off.
    Isolation,
    /// Prefecture-wide block sets.
    BlockSets,
    /// Is it for the municipality's proxy; only where there is one.
    Proxy,
    /// Does it belong to something already judged.
    Flow,
    /// Does it look like the answer of an amplifier; only where the policy asks.
    Reflection,
    /// Does the public port stand for an inside server's; only where the address has such ports.
    Inbound,
    /// Baseline, municipality rules, default.
    Rules,
    /// Is the service that it asks for under attack; only where SYN cookies are on.
    SynCookies,
    /// Is it a query that a published DNS server is spared; only where there is a guard.
    Dns,
    /// Budgets of the municipality and of single sources; only where there are any.
    Limits,
    /// Address translation and the new flow.
    Create,
    /// Does it reach another municipality, or its own, as if from the Internet; no packet's stage, so only an explanation
    /// has it.
    Hairpin,
    /// What becomes of an inspected connection; no packet's stage, so only an explanation has it.
    Tls,
    /// What becomes of a request in it, likewise.
    Http,
}

impl Stage {
    /// The name in text and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Parse => "parse",
            Self::Sanity => "sanity",
            Self::Municipality => "municipality",
            Self::Spoofing => "spoofing",
            Self::Isolation => "isolation",
            Self::BlockSets => "block sets",
            Self::Proxy => "proxy",
            Self::Flow => "flow",
            Self::Reflection => "reflection",
            Self::Inbound => "inbound",
            Self::Rules => "rules",
            Self::SynCookies => "syn cookies",
            Self::Dns => "dns",
            Self::Limits => "limits",
            Self::Create => "create",
            Self::Hairpin => "hairpin",
            Self::Tls => "tls",
            Self::Http => "http",
        }
    }
}

/// One stage's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// What it looked at.
    pub looked_at: String,
    /// What it said.
    pub said: String,
    /// Rules that came before the one that decided, and did not match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// A rule that did not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub rule: String,
    /// Whether it is one of the prefecture's baseline.
    pub baseline: bool,
    /// `file:line`.
    pub location: String,
    /// What did not match.
    pub why: Mismatch,
}

/// Takes down the steps, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    steps: Option<Vec<Step>>,
    skipped: Vec<Skipped>,
}

impl Trace {
    /// Takes down every step.
    pub(crate) fn on() -> Self {
        Self { steps: Some(Vec::new()), skipped: Vec::new() }
    }

    /// The text is made only where somebody reads it.
    pub(crate) fn step(&mut self, stage: Stage, tell: impl FnOnce() -> (String, String)) {
        if let Some(steps) = &mut self.steps {
            let (looked_at, said) = tell();
            steps.push(Step { stage, looked_at, said, skipped: std::mem::take(&mut self.skipped) });
        }
    }

    /// A rule that did not match, told with the next step.
    pub(crate) fn skip(&mut self, rule: &Rule, why: Mismatch) {
        if self.steps.is_some() {
            self.skipped.push(Skipped {
                rule: rule.name.to_string(),
                baseline: rule.baseline,
                location: rule.place(),
                why,
            });
        }
    }

    /// Everything taken down.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}

/// `1 rule`, `2 rules`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
