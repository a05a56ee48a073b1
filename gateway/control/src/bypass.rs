//! Names that applications refuse our certificates for, as `bangasa bypass` asks and is told.

use serde::{Deserialize, Serialize};

/// What a person decides about a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decide {
    /// Of which municipality.
    pub municipality: String,
    /// The name, in any script.
    pub name: String,
    /// Why, in the person's words.
    pub because: String,
    /// Who asks by their own account; the daemon keeps the kernel's beside it.
    pub who: String,
}

/// One name, and what `bangasa bypass --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BypassRow {
    /// Municipality id.
    pub municipality: String,
    /// The name, in the form that DNS uses.
    pub name: String,
    /// `candidate`, `suggested`, `approved`, `expired` or `forgotten`.
    pub state: String,
    /// The policy's mode there: `off`, `suggest` or `automatic`.
    pub mode: String,
    /// Whether connections to it that should be opened are passed on unopened.
    pub heeded: bool,
    /// Different clients whose refusals count.
    pub clients: u64,
    /// How many of them the policy asks for.
    pub clients_needed: u64,
    /// Whether a TLS rule inspects it by name, so that only a person approves it.
    pub inspected_by_name: bool,
    /// First refusal, or decision, RFC 3339.
    pub first_seen: String,
    /// Latest refusal.
    pub last_seen: String,
    /// Fingerprints of the programs that refused.
    pub ja4: Vec<String>,
    /// Until when the decision holds.
    pub until: Option<String>,
    /// Who decided.
    pub who: Option<String>,
    /// Why.
    pub because: Option<String>,
    /// When.
    pub decided_at: Option<String>,
}
