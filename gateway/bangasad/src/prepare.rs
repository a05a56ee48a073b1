//! From files to tables that may be installed: checked, with what lies over them, and compiled. Nothing is changed.

use std::sync::Arc;

use control::{Diagnostic, Response};
use policy::{Basis, CompiledPolicy, Digest, Ground, Numbering, Overlays, Policy, Source};

use crate::daemon::Current;

/// What may be installed: a policy, what lies over it, and the tables that come of both.
pub struct Prepared {
    pub basis: Arc<Basis>,
    pub overlays: Arc<Overlays>,
    pub laid: Policy,
    pub files: Digest,
    pub compiled: CompiledPolicy,
    pub diagnostics: Vec<Diagnostic>,
    /// What the policy means for those who are cut off by a command, by municipality.
    pub told: Vec<(String, String)>,
}

/// Why files may not be installed.
pub enum Unfit {
    /// They have mistakes.
    Invalid(Vec<Diagnostic>),
    /// There is no room for them.
    TooLarge(String),
}

impl From<Unfit> for Response {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Invalid(diagnostics) => Self::Invalid { diagnostics },
            Unfit::TooLarge(message) => Self::Failed { message },
        }
    }
}

/// Checks and compiles; builds on what is installed, so that a changed feed costs little. What lies over the policy
/// before lies over this one.
pub fn prepare(
    source: Source,
    overlays: &Overlays,
    numbering: &Numbering,
    before: Option<&Current>,
) -> Result<Prepared, Unfit> {
    let checked = before.map_or_else(|| policy::check(&source), |before| before.basis.check(&source));
    let diagnostics = checked.diagnostics.iter().map(|diagnostic| in_words(&source, diagnostic)).collect();
    let files = source.digest();
    let Some(basis) = Basis::new(source, checked) else {
        return Err(Unfit::Invalid(diagnostics));
    };
    let (overlays, told) = overlays.following(before.map(|before| before.basis.policy()), basis.policy());
    let laid = overlays.over(basis.policy());
    let compiled = compile(&laid, numbering, before.map(|before| &before.ground))?;
    let (basis, overlays) = (Arc::new(basis), Arc::new(overlays));
    Ok(Prepared { basis, overlays, laid, files, compiled, diagnostics, told })
}

/// Lays the tables out, upon what is installed where that is the same.
pub fn compile(laid: &Policy, numbering: &Numbering, ground: Option<&Arc<Ground>>) -> Result<CompiledPolicy, Unfit> {
    let compiled = match ground {
        Some(ground) => ground.compile(laid, numbering),
        None => policy::compile(laid, numbering),
    };
    compiled.map_err(|error| Unfit::TooLarge(format!("the policy does not fit: {error}; nothing was changed")))
}

fn in_words(source: &Source, diagnostic: &policy::Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: if diagnostic.is_error() { "error" } else { "warning" }.into(),
        code: diagnostic.code.into(),
        file: diagnostic.location.file.clone(),
        line: diagnostic.location.line,
        column: diagnostic.location.column,
        message: diagnostic.message.clone(),
        help: diagnostic.help.clone(),
        text: policy::render(source, std::slice::from_ref(diagnostic), false),
    }
}
