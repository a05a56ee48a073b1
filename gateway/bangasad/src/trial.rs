//! A policy on trial: it judges, and is taken back by itself unless somebody confirms it in time. The trial stands in the
//! generation's record, which is on the disk before the kernel switches: a daemon that was killed meanwhile takes it back as
//! well.

use std::sync::PoisonError;
use std::time::Duration;

use control::{Audit, Response, Trial, Who};

use crate::daemon::{Current, Daemon};
use crate::history::bring_back;
use crate::{audit, overlays};

/// The trial that an apply begins.
pub fn begun(daemon: &Daemon, seconds: u64) -> Result<Trial, String> {
    let before = daemon
        .current()
        .ok_or("this is the first policy, so there would be nothing to go back to; leave `--confirm-within` out")?;
    Ok(Trial { until: overlays::now().after(Duration::from_secs(seconds)), back_to: before.brought_by() })
}

/// Why no other policy may be applied, in a sentence.
pub fn refusal(daemon: &Daemon) -> Option<String> {
    let current = daemon.current()?;
    let trial = current.record.trial?;
    Some(format!(
        "generation {}, applied by {}, waits until {} to be confirmed; `bangasa confirm` keeps it, `bangasa rollback \
         --because …` goes back to generation {}",
        current.brought_by(),
        current.record.who,
        trial.until,
        trial.back_to
    ))
}

/// Answers `confirm`.
pub fn confirm(daemon: &Daemon, because: Option<String>, who: Who) -> Response {
    let state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(current) = daemon.current().filter(|current| current.record.trial.is_some()) else {
        return Response::Failed { message: "no policy waits to be confirmed".into() };
    };
    let generation = current.brought_by();
    // What judges is the last to lose its trial: until then a start would go on with it.
    let kept = [generation, current.generation].map(|kept| state.amend(kept, |record| record.trial = None));
    let kept: anyhow::Result<()> = kept.into_iter().collect();
    let result = kept.as_ref().map_or_else(|error| format!("failed: {error:#}"), |()| "done".into());
    let deed = Audit { who, did: "confirm".into(), because, generation: Some(generation), result, ..Audit::default() };
    daemon.audit.record(&daemon.journal, None, &deed);
    match kept {
        Ok(()) => {
            let mut confirmed = Current::clone(&current);
            confirmed.record.trial = None;
            daemon.set_current(confirmed);
            Response::Confirmed { generation }
        }
        Err(error) => Response::Failed { message: format!("{error:#}; it still waits to be confirmed") },
    }
}

/// Takes back what nobody confirmed in time.
pub fn end(daemon: &Daemon) -> Result<(), String> {
    let over = || {
        let trial = daemon.current().and_then(|current| current.record.trial);
        trial.filter(|trial| trial.until <= overlays::now())
    };
    if over().is_none() {
        return Ok(());
    }
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    // Somebody may have confirmed it while this waited.
    let Some(trial) = over() else { return Ok(()) };
    let (who, because) = (audit::daemon(), "nobody confirmed it in time");
    match bring_back(daemon, &mut state, trial.back_to, because, &who) {
        Response::Applied(applied) => {
            let deed = Audit {
                who,
                did: "rollback".into(),
                target: Some(format!("generation {}", trial.back_to)),
                because: Some(because.into()),
                generation: Some(applied.generation),
                result: "done".into(),
                ..Audit::default()
            };
            daemon.audit.record(&daemon.journal, None, &deed);
            Ok(())
        }
        Response::Failed { message } => Err(message),
        _ => Err(format!("generation {} is no sound policy to this version", trial.back_to)),
    }
}
