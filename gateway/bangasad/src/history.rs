//! The policies that judged, and the way back to one of them.

use std::sync::PoisonError;

use anyhow::Context;
use control::{Audit, HistoryRow, Response, Who};

use crate::daemon::{Current, Daemon};
use crate::state::{Record, State};
use crate::{apply, freeze, log};

/// Answers `history`.
pub fn list(daemon: &Daemon) -> Response {
    let state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let in_force = daemon.current().map(|current| current.brought_by());
    let rows = records(&state).map(|records| {
        let row = |(generation, record): (u64, Record)| HistoryRow {
            generation,
            applied_at: record.applied_at,
            who: record.who,
            because: record.because,
            digest: record.digest,
            in_force: in_force == Some(generation),
            restores: record.restores,
            taken_back: record.taken_back,
            trial: record.trial,
        };
        records.into_iter().map(row).collect()
    });
    match rows {
        Ok(rows) => Response::History { rows },
        Err(error) => Response::Failed { message: format!("{error:#}") },
    }
}

/// What is kept of policies that were applied, the oldest first; what only repeats one is left out.
fn records(state: &State) -> anyhow::Result<Vec<(u64, Record)>> {
    let mut records = Vec::new();
    for generation in state.generations()? {
        match state.record(generation) {
            Ok(record) if record.base.is_none() => records.push((generation, record)),
            Ok(_) => {}
            // One that is damaged does not hide the others.
            Err(error) => log(&format!("generation {generation} is left out of the history: {error:#}")),
        }
    }
    Ok(records)
}

/// Answers `rollback`.
pub fn rollback(daemon: &Daemon, generation: Option<u64>, because: String, who: Who) -> Response {
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let (target, response) = match target(daemon, &state, generation) {
        Ok(target) => (Some(target), bring_back(daemon, &mut state, target, &because, &who)),
        Err(error) => (generation, Response::Failed { message: format!("{error:#}") }),
    };
    let (result, generation) = match &response {
        Response::Applied(applied) => ("done".into(), Some(applied.generation)),
        Response::Failed { message } => (format!("refused: {message}"), None),
        _ => ("refused: the policy has mistakes".into(), None),
    };
    let (did, target) = ("rollback".into(), target.map(|target| format!("generation {target}")));
    let deed = Audit { who, did, target, because: Some(because), generation, result, ..Audit::default() };
    daemon.audit.record(&daemon.journal, None, &deed);
    response
}

/// Which generation's policy is meant.
fn target(daemon: &Daemon, state: &State, wanted: Option<u64>) -> anyhow::Result<u64> {
    if let Some(message) = freeze::refusal(daemon) {
        anyhow::bail!(message);
    }
    let current = daemon.current().context("there is no policy yet")?;
    if let Some(wanted) = wanted {
        let is_kept = records(state)?.iter().any(|(generation, _)| *generation == wanted);
        anyhow::ensure!(is_kept, "generation {wanted} is not kept; `bangasa history` lists those that are");
        return Ok(wanted);
    }
    if let Some(trial) = current.record.trial {
        return Ok(trial.back_to);
    }
    before(state, &current)?
        .context("no other policy is kept from before the one in force; `bangasa history` lists all")
}

/// The policy before the one in force. Of one that was brought back it is the one before it judged first; those that
/// were taken back themselves are passed over.
fn before(state: &State, current: &Current) -> anyhow::Result<Option<u64>> {
    let first = current.record.restores.unwrap_or_else(|| current.brought_by());
    for (generation, record) in records(state)?.into_iter().rev() {
        let is_candidate = generation < first && record.taken_back.is_none();
        if is_candidate && state.read(generation)?.0.digest() != current.files {
            return Ok(Some(record.restores.unwrap_or(generation)));
        }
    }
    Ok(None)
}

/// Makes the policy of a generation that is kept the next one.
pub fn bring_back(daemon: &Daemon, state: &mut State, generation: u64, because: &str, who: &Who) -> Response {
    let taken_back = daemon.current().map(|current| current.brought_by());
    let (files, kept) = match state.read(generation) {
        Ok(kept) => kept,
        Err(error) => {
            return Response::Failed { message: format!("generation {generation} cannot come back: {error:#}") };
        }
    };
    let restores = Some(kept.restores.unwrap_or(generation));
    let record = Record { because: Some(because.to_owned()), restores, ..apply::record_of(who) };
    let mut response = apply::replace(daemon, state, files, record);
    if let (Response::Applied(applied), Some(taken_back)) = (&mut response, taken_back) {
        let noted = state.amend(taken_back, |record| {
            record.taken_back = Some(because.to_owned());
            record.trial = None;
        });
        applied.warnings.extend(noted.err().map(|error| format!("the history does not say so: {error:#}")));
    }
    response
}
