//! Every change of what is passed on unopened, as a deed of the audit file and an event: who, when, why.

use control::bypass::Decide;
use control::{Audit, Who};
use policy::overlay::Moment;

use super::candidate::Decision;
use super::learner::Happened;
use crate::audit;

/// What the machine, or time, did about a name.
pub fn of_machine(name: &str, happened: &Happened) -> Audit {
    let (did, because, decision): (_, _, Option<&Decision>) = match happened {
        Happened::Suggested => ("bypass suggest", "enough clients refused the certificate of a good server", None),
        Happened::Withdrawn => ("bypass withdraw", "the same program opens it on other machines", None),
        Happened::Approved(decision) => ("bypass approve", decision.because.as_str(), Some(decision)),
        Happened::Expired(decision) => ("bypass expire", "its time is over", Some(decision)),
    };
    Audit {
        who: audit::daemon(),
        did: did.into(),
        target: Some(name.to_owned()),
        because: Some(because.to_owned()),
        until: decision.map(|decision| Moment(decision.until)),
        result: "done".into(),
        ..Audit::default()
    }
}

/// What a person did, or tried.
pub fn of_person(did: &str, who: Who, decide: &Decide, until: u64) -> Audit {
    Audit {
        who,
        did: did.into(),
        target: Some(decide.name.clone()),
        because: Some(decide.because.clone()),
        until: Some(Moment(until)),
        ..Audit::default()
    }
}
