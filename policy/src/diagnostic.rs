//! What is wrong with a policy, or suspicious about it: one [`Diagnostic`] a mistake, for people ([`render`]) and for
//! programs (`serde`). Codes are stable words; messages are for reading and may change.

mod codes;
mod render;
mod report;
mod suggest;

use serde::Serialize;

use crate::source::Location;

pub use codes::CODES;
pub use render::render;
pub(crate) use report::{Problem, Report, Span, Spanned};
pub(crate) use suggest::{did_you_mean, near};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// There is no policy as long as this stands.
    Error,
    /// The policy works, but probably not as meant.
    Warning,
}

/// One mistake or suspicion, with the text it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Kebab-case word, stable: `unknown-set`.
    pub code: &'static str,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where the text begins.
    #[serde(flatten)]
    pub location: Location,
    /// The text, in bytes of the file.
    pub span: std::ops::Range<usize>,
    /// What to say at the underlined text; may be empty.
    pub label: String,
    /// What to do next.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

/// Another place that a diagnostic speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where the text begins.
    #[serde(flatten)]
    pub location: Location,
    /// The text, in bytes of the file.
    pub span: std::ops::Range<usize>,
    /// What this place has to do with it.
    pub label: String,
}

impl Diagnostic {
    /// Whether there is no policy because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
