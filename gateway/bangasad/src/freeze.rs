//! The freeze: one switch that refuses every planned change, until it ends or is lifted. Cutting off and blocking go on.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use control::{Audit, Response, Who};
use policy::overlay::{Moment, Origin};

use crate::daemon::Daemon;
use crate::state::sealed;
use crate::{audit, log, overlays};

/// Whether it is on, as the disk has it.
#[derive(Debug)]
pub struct Freeze {
    path: PathBuf,
    held: Option<Origin>,
}

impl Freeze {
    /// Of a state directory.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("freeze.json");
        let held = sealed::read::<Option<Origin>>(&path, "lifts the freeze")?.flatten();
        Ok(Self { path, held })
    }

    fn set(&mut self, held: Option<Origin>) -> anyhow::Result<()> {
        sealed::write(&self.path, &held)?;
        self.held = held;
        Ok(())
    }
}

/// Until when, by whom and why; none: policy may change.
pub fn now(daemon: &Daemon) -> Option<Origin> {
    let freeze = daemon.freeze.lock().unwrap_or_else(PoisonError::into_inner);
    freeze.held.clone().filter(|held| held.until.is_none_or(|until| until > overlays::now()))
}

/// Why nothing may be changed now, in a sentence.
pub fn refusal(daemon: &Daemon) -> Option<String> {
    let held = now(daemon)?;
    let until = held.until.map_or_else(|| "until it is lifted".to_owned(), |until| format!("until {until}"));
    Some(format!(
        "changes are frozen {until}: by {} since {}, because: {}; `bangasa freeze --lift --because …` ends that, and \
         isolating, releasing and blocking go on meanwhile",
        held.who, held.since, held.because
    ))
}

/// Answers `freeze`.
pub fn freeze(daemon: &Daemon, until: Moment, because: String, who: Who) -> Response {
    let since = overlays::now();
    if until <= since {
        return Response::Failed { message: format!("{until} is over; it is {since}") };
    }
    let held = Origin { who: who.to_string(), since, because: because.clone(), until: Some(until) };
    change(
        daemon,
        Some(held),
        Audit { who, did: "freeze".into(), because: Some(because), until: Some(until), ..Audit::default() },
    )
}

/// Answers `thaw`.
pub fn thaw(daemon: &Daemon, because: String, who: Who) -> Response {
    if now(daemon).is_none() {
        return Response::Failed { message: "nothing is frozen".into() };
    }
    change(daemon, None, Audit { who, did: "thaw".into(), because: Some(because), ..Audit::default() })
}

fn change(daemon: &Daemon, held: Option<Origin>, deed: Audit) -> Response {
    let done = daemon.freeze.lock().unwrap_or_else(PoisonError::into_inner).set(held);
    let result = done.as_ref().map_or_else(|error| format!("failed: {error:#}"), |()| "done".into());
    daemon.audit.record(&daemon.journal, None, &Audit { result, ..deed });
    match done {
        Ok(()) => Response::Frozen { freeze: now(daemon) },
        Err(error) => Response::Failed { message: format!("{error:#}; nothing was changed") },
    }
}

/// Notes that a freeze has ended by itself, once.
pub fn end(daemon: &Daemon) {
    let mut freeze = daemon.freeze.lock().unwrap_or_else(PoisonError::into_inner);
    let has_ended = |held: &Origin| held.until.is_some_and(|until| until <= overlays::now());
    if !freeze.held.as_ref().is_some_and(has_ended) {
        return;
    }
    // It has ended whatever the disk says: what is kept is asked for its time.
    if let Err(error) = freeze.set(None) {
        log(&format!("{error:#}"));
        freeze.held = None;
    }
    drop(freeze);
    let because = Some("its time is over".into());
    let deed = Audit { who: audit::daemon(), did: "thaw".into(), because, result: "done".into(), ..Audit::default() };
    daemon.audit.record(&daemon.journal, None, &deed);
}
