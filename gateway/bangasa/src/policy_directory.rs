//! A policy directory, read and checked, with its diagnostics shown to people.

use std::fmt::Write;
use std::path::Path;

use policy::{CompileError, Diagnostic, Numbering, Policy, Source};

use crate::style::Colour;

/// A policy without mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The files.
    pub source: Source,
    /// What they say.
    pub policy: Policy,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a directory, and writes what is wrong with it to stderr. None: it is invalid.
///
/// # Errors
/// It cannot be read.
pub fn load(directory: &Path) -> anyhow::Result<Option<Checked>> {
    let source = control::read_directory(directory)?;
    let checked = policy::check(&source);
    let text = policy::render(&source, &checked.diagnostics, Colour::of_stderr() == Colour::On);
    if !text.is_empty() {
        eprintln!("{}", text.trim_end());
    }
    if let Some(policy) = checked.policy {
        return Ok(Some(Checked { source, policy, diagnostics: checked.diagnostics }));
    }
    eprintln!("bangasa: `{}` is not valid: {}", directory.display(), counts(&checked.diagnostics));
    Ok(None)
}

/// Reads, checks and compiles a directory; shows nothing. No policy: it is invalid, or too large.
///
/// # Errors
/// It cannot be read.
pub fn diagnose(directory: &Path) -> anyhow::Result<(Option<Policy>, Vec<Diagnostic>)> {
    let source = control::read_directory(directory)?;
    let mut checked = policy::check(&source);
    if let Some(policy) = &checked.policy
        && let Err(error) = policy::compile(policy, &Numbering::default())
    {
        checked.diagnostics.push(error.diagnostic(&source));
        checked.policy = None;
    }
    Ok((checked.policy, checked.diagnostics))
}

/// What a policy amounts to, in a line for people.
///
/// # Errors
/// It is too large to be installed.
pub fn summary(policy: &Policy) -> Result<String, CompileError> {
    let rules = |rules: &policy::checked::Rules| rules.rules.len();
    let municipalities = policy.municipalities.iter();
    let rules = policy.baseline.len() + municipalities.map(|it| rules(&it.egress) + rules(&it.ingress)).sum::<usize>();
    let tls = policy.tls.rules.len() + policy.municipalities.iter().map(|it| it.tls.rules.len()).sum::<usize>();
    let http = policy.http.rules.len() + policy.municipalities.iter().map(|it| it.http.rules.len()).sum::<usize>();
    let prefixes: usize = policy.sets.values().map(|set| set.prefixes.len()).sum();
    let digest = policy::compile(policy, &Numbering::default())?.digest;
    Ok(format!(
        "{} ({}): {}, {}, {}, {}, {} in {}; digest {digest}",
        policy.name,
        policy.id,
        count(policy.municipalities.len(), "municipality", "municipalities"),
        count(rules, "rule", "rules"),
        count(tls, "TLS rule", "TLS rules"),
        count(http, "HTTP rule", "HTTP rules"),
        count(prefixes, "prefix", "prefixes"),
        count(policy.sets.len(), "set", "sets"),
    ))
}

/// `3 errors, 1 warning`.
fn counts(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let mut text = count(errors, "error", "errors");
    if errors < diagnostics.len() {
        let _ = write!(text, ", {}", count(diagnostics.len() - errors, "warning", "warnings"));
    }
    text
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
