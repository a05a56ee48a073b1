//! From files to a generation that judges: prepare, keep, attach, connect, install. Whatever fails before the last step
//! leaves the policy before in force, and puts back what it needs.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use anyhow::{Context, bail};
use control::change::in_words;
use control::{Applied, Audit, Change, Response, Who};
use dataplane::install::Shape;
use dataplane::{Gateway, namespaces};
use policy::{Basis, Numbering, Overlays, Policy, Source};

use crate::daemon::{Current, Daemon};
use crate::prepare::{Prepared, Unfit, compile, prepare};
use crate::state::{Record, State};
use crate::{freeze, log, overlays, trial};

/// Answers `check`.
pub fn check(daemon: &Daemon, files: Source) -> Response {
    let (numbering, overlays) = kept(daemon);
    match prepare(files, &overlays, &numbering, daemon.current().as_deref()) {
        Ok(prepared) => Response::Checked { diagnostics: prepared.diagnostics },
        Err(unfit) => unfit.into(),
    }
}

/// Answers `plan`.
pub fn plan(daemon: &Daemon, files: Source) -> Response {
    let current = daemon.current();
    let (numbering, overlays) = kept(daemon);
    match prepare(files, &overlays, &numbering, current.as_deref()) {
        Ok(prepared) => Response::Planned {
            generation: current.as_ref().map(|current| current.generation),
            changes: changes(current.as_deref(), &prepared),
            warnings: in_the_way(&prepared).into_iter().chain(refusal(daemon)).collect(),
            diagnostics: prepared.diagnostics,
        },
        Err(unfit) => unfit.into(),
    }
}

/// Answers `apply`.
pub fn apply(daemon: &Daemon, files: Source, because: Option<String>, within_s: Option<u64>, who: Who) -> Response {
    let response = apply_if_allowed(daemon, files, because.clone(), within_s, &who);
    let (result, generation) = match &response {
        Response::Applied(applied) => ("done".into(), Some(applied.generation)),
        Response::Failed { message } => (format!("refused: {message}"), None),
        _ => ("refused: the policy has mistakes".into(), None),
    };
    let until = match &response {
        Response::Applied(applied) => applied.trial.map(|trial| trial.until),
        _ => None,
    };
    let deed = Audit { who, did: "apply".into(), because, until, generation, result, ..Audit::default() };
    let unkept = daemon.audit.record(&daemon.journal, None, &deed);
    match response {
        Response::Applied(mut applied) => {
            applied.warnings.extend(unkept);
            Response::Applied(applied)
        }
        other => other,
    }
}

fn apply_if_allowed(
    daemon: &Daemon,
    files: Source,
    because: Option<String>,
    within_s: Option<u64>,
    who: &Who,
) -> Response {
    // Held to the end: one apply at a time.
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(message) = refusal(daemon) {
        return Response::Failed { message };
    }
    let trial = match within_s.map(|seconds| trial::begun(daemon, seconds)).transpose() {
        Ok(trial) => trial,
        Err(message) => return Response::Failed { message },
    };
    replace(daemon, &mut state, files, Record { because, trial, ..record_of(who) })
}

/// Why no other policy may be applied now.
pub fn refusal(daemon: &Daemon) -> Option<String> {
    freeze::refusal(daemon).or_else(|| trial::refusal(daemon))
}

/// The record of what somebody does now.
pub fn record_of(who: &Who) -> Record {
    let name = who.says.clone().unwrap_or_else(|| who.to_string());
    Record { applied_at: telemetry::time::now(), who: name, ..Record::default() }
}

/// Makes other files the policy in force.
pub fn replace(daemon: &Daemon, state: &mut State, files: Source, record: Record) -> Response {
    let started = Instant::now();
    let before = daemon.current();
    let prepared = match prepare(files, state.overlays(), state.numbering(), before.as_deref()) {
        Ok(prepared) => prepared,
        Err(unfit) => return unfit.into(),
    };
    let trial = record.trial;
    let record = Record { digest: prepared.compiled.digest.to_string(), ..record };
    let changes = changes(before.as_deref(), &prepared);
    let diagnostics = prepared.diagnostics.clone();
    let in_the_way = in_the_way(&prepared);
    match install(daemon, state, prepared, record) {
        Ok((generation, mut warnings)) => {
            warnings.extend(in_the_way);
            warnings.extend(daemon.gateway().warnings().unwrap_or_default());
            Response::Applied(Applied {
                generation,
                previous: before.map(|before| before.generation),
                digest: daemon.current().map(|current| current.record.digest.clone()).unwrap_or_default(),
                trial,
                changes,
                diagnostics,
                warnings,
                took_ms: started.elapsed().as_millis() as u64,
            })
        }
        Err(error) => Response::Failed { message: format!("{error:#}; the policy before stays in force") },
    }
}

fn in_the_way(prepared: &Prepared) -> Option<String> {
    overlays::in_the_way(&prepared.overlays, prepared.basis.policy())
}

/// Installs the policy in force with something else laid over it. Ports, namespaces and what is in them stay as they
/// are, whatever state they are in: cutting a leak waits for nothing that it does not need.
pub fn lay_over(
    daemon: &Daemon,
    state: &mut State,
    current: &Current,
    overlays: Arc<Overlays>,
    what: &str,
) -> anyhow::Result<(u64, Vec<String>)> {
    let laid = overlays.over(current.basis.policy());
    let compiled = match compile(&laid, state.numbering(), Some(&current.ground)) {
        Ok(compiled) => compiled,
        Err(Unfit::TooLarge(message)) => bail!(message),
        Err(Unfit::Invalid(_)) => bail!("the policy in force has mistakes"),
    };
    let digest = compiled.digest.to_string();
    let record = Record { digest, overlay: Some(what.to_owned()), ..current.record.repeated(current.generation) };
    let (basis, files) = (Arc::clone(&current.basis), current.files);
    let prepared = Prepared { basis, overlays, laid, files, compiled, diagnostics: Vec::new(), told: Vec::new() };
    let mut gateway = daemon.gateway();
    let (current, warnings) = switch(daemon, &mut gateway, state, prepared, record, |_| Ok(()), |_| Ok(()))?;
    let generation = current.generation;
    daemon.set_current(current);
    Ok((generation, warnings))
}

/// Installs as the next generation. Returns it, and what went wrong after the switch.
pub fn install(
    daemon: &Daemon,
    state: &mut State,
    prepared: Prepared,
    record: Record,
) -> anyhow::Result<(u64, Vec<String>)> {
    let (policy, numbering) = (prepared.laid.clone(), prepared.compiled.glossary.numbering.clone());
    let mut gateway = daemon.gateway();
    let facts = Gateway::port_facts(&policy)?;
    let desired = namespaces::desired(&policy, &numbering, &facts, &daemon.netns_prefix);
    let place = |gateway: &mut Gateway| {
        gateway.attach(&policy, &numbering)?;
        namespaces::add(&desired).context("the municipalities' network namespaces could not be set up")?;
        Ok(gateway.connect(&desired)?)
    };
    let retire = |gateway: &mut Gateway| {
        gateway
            .retire(&policy, &desired)
            .and_then(|()| namespaces::remove_others(&desired))
            .context("the policy is in force, but what the one before needed could not be removed")
    };
    let (current, warnings) = match switch(daemon, &mut gateway, state, prepared, record, place, retire) {
        Ok(switched) => switched,
        Err(error) => {
            undo(daemon, &mut gateway);
            return Err(error);
        }
    };
    let generation = current.generation;
    daemon.set_current(current);
    daemon.set_trouble(None);
    Ok((generation, warnings))
}

/// Keeps the next generation, has what it needs put in `place`, and switches over to it; what is then left of the one
/// before is for `retire`. Answers what judges from now on, and what went wrong after the switch.
fn switch(
    daemon: &Daemon,
    gateway: &mut Gateway,
    state: &mut State,
    prepared: Prepared,
    record: Record,
    place: impl FnOnce(&mut Gateway) -> anyhow::Result<()>,
    retire: impl FnOnce(&mut Gateway) -> anyhow::Result<()>,
) -> anyhow::Result<(Current, Vec<String>)> {
    let Prepared { basis, overlays, laid, files, compiled, .. } = prepared;
    let (glossary, ground) = (Arc::clone(&compiled.glossary), Arc::clone(&compiled.ground));
    let kept = state.generations()?.last().copied().unwrap_or(0);
    let generation = next_generation(gateway.generation(), kept);
    let overlays_before = Arc::clone(state.overlays());
    state.set_numbering(&glossary.numbering)?;
    let installed = keep(state, generation, &basis, &overlays, &record).and_then(|()| {
        daemon.learn(generation, &glossary);
        place(gateway)?;
        Ok(gateway.install(&compiled, generation)?.digest)
    });
    let installed = match installed {
        Ok(digest) => digest,
        Err(error) => {
            if let Err(error) = state.forget(generation).and_then(|()| state.set_overlays(&overlays_before)) {
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
    if let Err(error) = retire(gateway) {
        warnings.push(format!("{error:#}"));
    }
    // The history is of policies: what only repeated one is of no more use.
    let superseded = daemon.current().filter(|before| before.record.base.is_some());
    if let Some(Err(error)) = superseded.map(|before| state.forget(before.generation)) {
        log(&format!("{error:#}"));
    }
    let (shape, digest) = (Shape::of(&compiled), compiled.digest);
    daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner).note(digest, installed);
    Ok((Current { generation, basis, overlays, laid, files, ground, glossary, digest, shape, record }, warnings))
}

/// What lies over the policy is kept before it judges: whoever was told of an isolation finds it after a crash.
fn keep(
    state: &mut State,
    generation: u64,
    basis: &Basis,
    overlays: &Arc<Overlays>,
    record: &Record,
) -> anyhow::Result<()> {
    state.write(generation, basis.source(), record)?;
    state.set_overlays(overlays)
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

fn kept(daemon: &Daemon) -> (Numbering, Arc<Overlays>) {
    let state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    (state.numbering().clone(), Arc::clone(state.overlays()))
}

/// What is different: of the files, and of what lies over them.
fn changes(before: Option<&Current>, prepared: &Prepared) -> Vec<Change> {
    let plan = policy::plan(before.map(|before| before.basis.policy()), prepared.basis.policy());
    let told = prepared.told.iter().map(|(id, text)| Change { municipality: Some(id.clone()), text: text.clone() });
    in_words(&plan).into_iter().chain(told).collect()
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
