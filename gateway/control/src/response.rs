//! What the daemon answers.

use policy::overlay::{Moment, Origin};
use policy::{Overlays, Source};
use serde::{Deserialize, Serialize};

use crate::bypass::BypassRow;
use crate::change::Change;
use crate::history::{HistoryRow, Trial};
use crate::status::Status;
use crate::who::Holder;

/// One answer; one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    /// To `check`: the policy is sound.
    Checked {
        /// Nothing but warnings.
        diagnostics: Vec<Diagnostic>,
    },
    /// To `check`, `plan` and `apply`: the policy has mistakes; nothing was changed.
    Invalid {
        /// All of them at once, warnings too.
        diagnostics: Vec<Diagnostic>,
    },
    /// To `plan`.
    Planned {
        /// The installed generation; none before the first.
        generation: Option<u64>,
        /// What would change; empty: nothing.
        changes: Vec<Change>,
        /// Nothing but warnings.
        diagnostics: Vec<Diagnostic>,
        /// Why it could not be applied now.
        #[serde(default)]
        warnings: Vec<String>,
    },
    /// To `apply` and `rollback`.
    Applied(Applied),
    /// To `confirm`.
    Confirmed {
        /// The generation that stays.
        generation: u64,
    },
    /// To `history`.
    History {
        /// What is kept, the oldest first.
        rows: Vec<HistoryRow>,
    },
    /// To `status`.
    Status(Box<Status>),
    /// To `events`: events follow, one a line.
    Events,
    /// To `who`.
    Who(Box<Holder>),
    /// To `policy`.
    Policy {
        /// The generation.
        generation: u64,
        /// Its files.
        #[serde(with = "crate::files")]
        files: Source,
        /// What lies over it now.
        #[serde(default)]
        overlays: Overlays,
    },
    /// To `overlay`.
    Overlaid(Overlaid),
    /// To `overlays`.
    Overlays {
        /// All of them.
        overlays: Overlays,
    },
    /// To `freeze`, `thaw` and `frozen`.
    Frozen {
        /// Until when, and who said so; none: policy may change.
        freeze: Option<Origin>,
    },
    /// To `bypass`.
    Bypass {
        /// By municipality and name.
        names: Vec<BypassRow>,
    },
    /// To `bypass_approve` and `bypass_forget`.
    BypassChanged(Box<BypassRow>),
    /// It could not be done; nothing was changed unless the message says so.
    Failed {
        /// What went wrong and what to do, in one sentence.
        message: String,
    },
}

/// What lies over the policy has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlaid {
    /// The generation that judges from now on.
    pub generation: u64,
    /// What was done, to whom, in the words in which it is kept.
    pub done: String,
    /// When it ends by itself.
    pub until: Option<Moment>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
    /// Milliseconds from request to flip.
    pub took_ms: u64,
}

/// A mistake in a policy, or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// A word for the kind of mistake, such as `unknown-set`.
    pub code: String,
    /// Relative path.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// One sentence.
    pub message: String,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// The whole diagnostic as people read it, with the text underlined; no colours.
    pub text: String,
}

/// A policy was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The generation that judges from now on.
    pub generation: u64,
    /// The one before; none: this is the first.
    pub previous: Option<u64>,
    /// Digest of the installed tables, read back from the kernel.
    pub digest: String,
    /// Until when it has to be confirmed; none: it stays.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// What changed.
    pub changes: Vec<Change>,
    /// Warnings of the policy.
    pub diagnostics: Vec<Diagnostic>,
    /// Warnings of the machine: a port in generic mode, for one.
    pub warnings: Vec<String>,
    /// Milliseconds from request to flip.
    pub took_ms: u64,
}
