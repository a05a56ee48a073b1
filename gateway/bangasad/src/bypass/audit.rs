//! Every change of what is passed on unopened, as an event: who, when, why.

use control::line::{ChangeLine, Line};
use telemetry::journal::Entry;

use super::candidate::Decision;
use super::learner::Happened;
use super::text;
use crate::daemon::Daemon;
use crate::log;

/// What the machine, or time, did.
pub fn happened(daemon: &Daemon, id: &str, name: &str, happened: &Happened) {
    let nobody = |because: &str| (None, Some(because.to_owned()));
    let ((decision, because), reason) = match happened {
        Happened::Suggested => (nobody("enough clients refused the certificate of a good server"), "bypass_suggested"),
        Happened::Withdrawn => (nobody("the same program opens it on other machines"), "bypass_withdrawn"),
        Happened::Approved(decision) => ((Some(decision), None), "bypass_approved"),
        Happened::Expired(decision) => ((Some(decision), Some("its time is over".to_owned())), "bypass_expired"),
    };
    let because = because.or_else(|| decision.map(|decision| decision.because.clone()));
    record(
        daemon,
        id,
        reason,
        ChangeLine {
            who: "bangasad".into(),
            because,
            name: name.to_owned(),
            until: decision.map(|decision| text(decision.until)),
        },
    );
}

/// What a person did.
pub fn decided(daemon: &Daemon, id: &str, name: &str, reason: &str, decision: &Decision) {
    record(
        daemon,
        id,
        reason,
        ChangeLine {
            who: decision.who.clone(),
            because: Some(decision.because.clone()),
            name: name.to_owned(),
            until: Some(text(decision.until)),
        },
    );
}

fn record(daemon: &Daemon, id: &str, reason: &str, change: ChangeLine) {
    let line = Line {
        time: Some(telemetry::time::now()),
        verdict: "change".into(),
        reason: reason.into(),
        municipality: Some(id.to_owned()),
        generation: daemon.current().map_or(0, |current| current.generation) as u32,
        change: Some(Box::new(change)),
        ..Line::default()
    };
    match serde_json::to_string(&line) {
        Ok(text) => daemon.journal.record(Entry { municipality: Some(id.to_owned()), text }),
        Err(error) => log(&format!("an event cannot be written: {error}")),
    }
}
