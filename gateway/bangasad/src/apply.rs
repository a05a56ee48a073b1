//! From files to a generation that judges: check, compile, keep, attach, connect, install. Whatever fails before the
//! last step leaves the policy before in force, and puts back what it needs.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use anyhow::Context;
use control::{Applied, Change, Diagnostic, Response};
use dataplane::install::Shape;
use dataplane::{Gateway, namespaces};
use policy::plan::{Change as Planned, Fate, RuleChange};
use policy::{Basis, CompiledPolicy, Digest, Numbering, Policy, Source};

use crate::daemon::{Current, Daemon};
use crate::log;
use crate::state::{Record, State};

/// Files that may be installed.
pub struct Prepared {
    pub basis: Basis,
    pub compiled: CompiledPolicy,
    pub diagnostics: Vec<Diagnostic>,
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

/// Checks and compiles; builds on what is installed, so that a changed feed costs little.
pub fn prepare(source: Source, numbering: &Numbering, before: Option<&Current>) -> Result<Prepared, Unfit> {
    let checked = before.map_or_else(|| policy::check(&source), |before| before.basis.check(&source));
    let diagnostics = checked.diagnostics.iter().map(|diagnostic| in_words(&source, diagnostic)).collect();
    let Some(basis) = Basis::new(source, checked) else {
        return Err(Unfit::Invalid(diagnostics));
    };
    let compiled = match before {
        Some(before) => before.ground.compile(basis.policy(), numbering),
        None => policy::compile(basis.policy(), numbering),
    };
    let compiled =
        compiled.map_err(|error| Unfit::TooLarge(format!("the policy does not fit: {error}; nothing was changed")))?;
    Ok(Prepared { basis, compiled, diagnostics })
}

/// Answers `check`.
pub fn check(daemon: &Daemon, files: Source) -> Response {
    match prepare(files, &numbering(daemon), daemon.current().as_deref()) {
        Ok(prepared) => Response::Checked { diagnostics: prepared.diagnostics },
        Err(unfit) => unfit.into(),
    }
}

/// Answers `plan`.
pub fn plan(daemon: &Daemon, files: Source) -> Response {
    let current = daemon.current();
    match prepare(files, &numbering(daemon), current.as_deref()) {
        Ok(prepared) => Response::Planned {
            generation: current.as_ref().map(|current| current.generation),
            changes: changes(current.as_ref().map(|current| current.policy()), prepared.basis.policy()),
            diagnostics: prepared.diagnostics,
        },
        Err(unfit) => unfit.into(),
    }
}

/// Answers `apply`.
pub fn apply(daemon: &Daemon, files: Source, because: Option<String>, who: String) -> Response {
    let started = Instant::now();
    // Held to the end: one apply at a time.
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let before = daemon.current();
    let prepared = match prepare(files, state.numbering(), before.as_deref()) {
        Ok(prepared) => prepared,
        Err(unfit) => return unfit.into(),
    };
    let record =
        Record { applied_at: telemetry::time::now(), who, because, digest: prepared.compiled.digest.to_string() };
    let changes = changes(before.as_ref().map(|before| before.policy()), prepared.basis.policy());
    let diagnostics = prepared.diagnostics.clone();
    match install(daemon, &mut state, prepared, record) {
        Ok((generation, mut warnings)) => {
            warnings.extend(daemon.gateway().warnings().unwrap_or_default());
            Response::Applied(Applied {
                generation,
                previous: before.map(|before| before.generation),
                digest: daemon.current().map(|current| current.record.digest.clone()).unwrap_or_default(),
                changes,
                diagnostics,
                warnings,
                took_ms: started.elapsed().as_millis() as u64,
            })
        }
        Err(error) => Response::Failed { message: format!("{error:#}; the policy before stays in force") },
    }
}

/// Installs as the next generation. Returns it, and what went wrong after the switch.
pub fn install(
    daemon: &Daemon,
    state: &mut State,
    prepared: Prepared,
    record: Record,
) -> anyhow::Result<(u64, Vec<String>)> {
    let Prepared { basis, compiled, .. } = prepared;
    let (policy, glossary, ground) = (basis.policy(), Arc::clone(&compiled.glossary), Arc::clone(&compiled.ground));
    let mut gateway = daemon.gateway();
    let kept = state.generations()?.last().copied().unwrap_or(0);
    let generation = next_generation(gateway.generation(), kept);
    let facts = Gateway::port_facts(policy)?;
    let desired = namespaces::desired(policy, &glossary.numbering, &facts, &daemon.netns_prefix);
    state.set_numbering(&glossary.numbering)?;
    state.write(generation, basis.source(), &record)?;
    daemon.learn(generation, &glossary);

    let install = |gateway: &mut Gateway| -> anyhow::Result<Digest> {
        gateway.attach(policy, &glossary.numbering)?;
        namespaces::add(&desired).context("the municipalities' network namespaces could not be set up")?;
        gateway.connect(&desired)?;
        Ok(gateway.install(&compiled, generation)?.digest)
    };
    let installed = match install(&mut gateway) {
        Ok(digest) => digest,
        Err(error) => {
            undo(daemon, &mut gateway);
            if let Err(error) = state.forget(generation) {
                log(&format!("{error:#}"));
            }
            return Err(error);
        }
    };

    // From here on it judges: what fails is told, but is no failure.
    let mut warnings = Vec::new();
    if let Err(error) = state.judges(generation) {
        warnings.push(format!("the policy is in force, but a reboot may bring back the one before: {error:#}"));
    }
    let retired = gateway.retire(policy, &desired).and_then(|()| namespaces::remove_others(&desired));
    if let Err(error) = retired {
        warnings.push(format!("the policy is in force, but what the one before needed could not be removed: {error}"));
    }
    let (shape, digest) = (Shape::of(&compiled), compiled.digest);
    daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner).note(digest, installed);
    daemon.set_current(Current { generation, basis, ground, glossary, digest, shape, record });
    daemon.set_trouble(None);
    Ok((generation, warnings))
}

/// Above both what the kernel has and what was ever kept, and of the other parity than the kernel's.
pub fn next_generation(installed: u64, kept: u64) -> u64 {
    let next = installed.max(kept) + 1;
    if installed != 0 && next & 1 == installed & 1 { next + 1 } else { next }
}

/// Puts back what the policy in force needs, as far as that is possible.
fn undo(daemon: &Daemon, gateway: &mut Gateway) {
    // Without one, ports that carry the programs keep them: everything is dropped there.
    let Some(current) = daemon.current() else { return };
    if let Err(error) = put_in_place(gateway, current.policy(), &current.glossary.numbering, &daemon.netns_prefix) {
        log(&format!("an apply failed, and what it had begun could not be removed: {error}"));
    }
}

/// Makes ports, namespaces and the maps between them those of the policy that judges.
pub fn put_in_place(
    gateway: &mut Gateway,
    policy: &Policy,
    numbering: &Numbering,
    netns_prefix: &str,
) -> Result<(), dataplane::error::Error> {
    let desired = namespaces::desired(policy, numbering, &Gateway::port_facts(policy)?, netns_prefix);
    gateway.attach(policy, numbering)?;
    namespaces::add(&desired)?;
    gateway.connect(&desired)?;
    gateway.retire(policy, &desired)?;
    namespaces::remove_others(&desired)
}

fn numbering(daemon: &Daemon) -> Numbering {
    daemon.state.lock().unwrap_or_else(PoisonError::into_inner).numbering().clone()
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

/// A plan, one line a difference.
fn changes(old: Option<&Policy>, new: &Policy) -> Vec<Change> {
    let plan = policy::plan(old, new);
    let mut changes = Vec::new();
    let mut tell = |municipality: Option<&str>, text: String| {
        changes.push(Change { municipality: municipality.map(str::to_owned), text });
    };
    plan.prefecture.iter().for_each(|change| tell(None, words(change)));
    for municipality in &plan.municipalities {
        let id = Some(municipality.id.as_str());
        match municipality.fate {
            Fate::Added => tell(id, format!("new municipality {}", municipality.name)),
            Fate::Removed => tell(id, format!("municipality {} removed", municipality.name)),
            Fate::Changed => {}
        }
        municipality.changes.iter().for_each(|change| tell(id, words(change)));
    }
    changes
}

/// A change, and below it what changes inside a rule.
fn words(change: &Planned) -> String {
    let mut text = change.to_string();
    if let Planned::Rule { change: RuleChange::Changed { changes }, .. } = change {
        text.extend(changes.iter().map(|change| format!("\n  {change}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::next_generation;

    #[test]
    fn generations_rise_and_change_halves() {
        assert_eq!(next_generation(0, 0), 1);
        assert_eq!(next_generation(0, 7), 8);
        assert_eq!(next_generation(3, 3), 4);
        assert_eq!(next_generation(3, 4), 6);
    }
}
