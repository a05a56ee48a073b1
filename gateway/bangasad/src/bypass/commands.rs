//! `bangasa bypass`: what is known, and what people decide.

use std::sync::Arc;

use control::bypass::{BypassRow, Decide};
use control::{Audit, Response, Who};
use inspect::wire::Approver;
use policy::Policy;
use policy::http::{HttpDecider, MustSee};
use policy::span;
use policy::tls::bypass::limits::FOR;
use policy::tls::{Bypass as Mode, BypassTerms, View, canonical};

use super::candidate::{Decision, Standing};
use super::learner::{Full, MOST_DECIDED, Row};
use super::{deeds, now, text};
use crate::daemon::{Current, Daemon};
use crate::freeze;

/// Answers `bypass list`.
pub fn list(daemon: &Daemon, municipality: Option<&str>) -> Response {
    let Some(current) = daemon.current() else { return failed("there is no policy yet") };
    if let Some(id) = municipality
        && BypassTerms::for_municipality(current.policy(), id).is_none()
    {
        return failed(unknown(current.policy(), id));
    }
    let now = now();
    let known = daemon.bypass.lock();
    let mut names = Vec::new();
    for (id, learner) in known.learners.iter().filter(|(id, _)| municipality.is_none_or(|wanted| wanted == *id)) {
        let Some(terms) = BypassTerms::for_municipality(current.policy(), id) else { continue };
        names.extend(learner.rows(terms, now).iter().map(|row| told(id, row, terms)));
    }
    Response::Bypass { names }
}

/// Whom and what a person speaks of.
struct Meant {
    current: Arc<Current>,
    terms: BypassTerms,
    /// Canonical.
    name: String,
}

fn meant(daemon: &Daemon, decide: &Decide) -> Result<Meant, String> {
    let current = daemon.current().ok_or("there is no policy yet")?;
    let id = decide.municipality.as_str();
    let terms = BypassTerms::for_municipality(current.policy(), id).ok_or_else(|| unknown(current.policy(), id))?;
    let name = sound(&decide.name)?;
    Ok(Meant { current, terms, name })
}

/// Answers `bypass approve`.
pub fn approve(daemon: &Daemon, decide: &Decide, for_seconds: Option<u32>, who: Who) -> Response {
    let Meant { current, terms, name } = match meant(daemon, decide) {
        Ok(meant) => meant,
        Err(why) => return failed(why),
    };
    let (policy, id) = (current.policy(), decide.municipality.as_str());
    if terms.mode == Mode::Off {
        return failed(format!(
            "the policy has bypass off for `{id}`, so nothing that is approved would be heeded; say `bypass = \"suggest\"` \
             in its `[tls]` first"
        ));
    }
    if let Some(refusal) = freeze::refusal(daemon) {
        return failed(refusal);
    }
    if let Some(why) = forbidden(policy, id, &name) {
        return failed(format!("`{name}` cannot be passed on unopened in `{id}`: {why}"));
    }
    let seconds = for_seconds.unwrap_or(terms.for_seconds);
    if !(FOR.1..=FOR.2).contains(&seconds) {
        return failed(format!("an approval holds for {} to {}", span::text(FOR.1), span::text(FOR.2)));
    }
    let decision = decision(decide, seconds, &who);
    let deed = deeds::of_person("bypass approve", who, decide, decision.until);
    keep(daemon, id, &name, Standing::Approved(decision), terms, deed)
}

/// Answers `bypass forget`.
pub fn forget(daemon: &Daemon, decide: &Decide, who: Who) -> Response {
    let Meant { terms, name, .. } = match meant(daemon, decide) {
        Ok(meant) => meant,
        Err(why) => return failed(why),
    };
    let id = decide.municipality.as_str();
    if daemon.bypass.lock().learners.get(id).and_then(|learner| learner.candidate(&name)).is_none() {
        return failed(format!(
            "nothing is known of `{name}` in `{id}`; `bangasa bypass list --municipality {id}` tells what is"
        ));
    }
    let decision = decision(decide, terms.for_seconds, &who);
    let deed = deeds::of_person("bypass forget", who, decide, decision.until);
    keep(daemon, id, &name, Standing::Forgotten(decision), terms, deed)
}

/// Makes it so, if the disk has it: what a restart would undo is not done.
fn keep(daemon: &Daemon, id: &str, name: &str, standing: Standing, terms: BypassTerms, deed: Audit) -> Response {
    let now = now();
    let before = {
        let mut known = daemon.bypass.lock();
        let learner = known.learner(id);
        let before = learner.candidate(name).cloned();
        if learner.decide(name, standing, now) == Err(Full) {
            return failed(format!("{MOST_DECIDED} names of `{id}` are decided already; forget some first"));
        }
        before
    };
    let written = daemon.bypass.write();
    let result = written.as_ref().map_or_else(|error| format!("failed: {error:#}"), |()| "done".into());
    // What could not be audited has been logged.
    let _ = daemon.audit.record(&daemon.journal, Some(id), &Audit { result, ..deed });
    if let Err(error) = written {
        daemon.bypass.lock().learner(id).put_back(name, before);
        return failed(format!("it could not be kept, and nothing was changed: {error:#}"));
    }
    let row = {
        let mut known = daemon.bypass.lock();
        let rows = known.learner(id).rows(terms, now);
        rows.iter().find(|row| row.name == name).map(|row| told(id, row, terms))
    };
    daemon.inspectors.wake();
    row.map_or_else(|| failed("it is gone again"), |row| Response::BypassChanged(Box::new(row)))
}

fn decision(decide: &Decide, seconds: u32, who: &Who) -> Decision {
    let now = now();
    Decision {
        by: Approver::Person,
        who: who.to_string(),
        because: decide.because.clone(),
        at: now,
        until: now + u64::from(seconds),
    }
}

/// One name, as it is compared; or what is wrong with it.
fn sound(name: &str) -> Result<String, String> {
    match canonical(name) {
        Ok(name) if !name.starts_with('.') => Ok(name.into_owned()),
        Ok(name) => Err(format!(
            "bypass is of one name at a time; to leave `{name}` and everything below closed, write a TLS rule that splices"
        )),
        Err(error) => Err(format!("`{}` is not a host name: {error}", name.escape_debug())),
    }
}

/// Why a name is never passed on, whoever approves.
fn forbidden(policy: &Policy, id: &str, name: &str) -> Option<String> {
    let decider = HttpDecider::new(View::of(policy, id)?).ok()?;
    decider.must_see(None, name).map(|why| match why {
        MustSee::Tenants => "it has to be told whose accounts may be used (`[http.tenants]`)".to_owned(),
        MustSee::Rule(rule) => format!(
            "HTTP rule `{}` ({}:{}) wants to see what is asked of it; change that rule, or write a TLS rule that splices",
            rule.name, rule.file, rule.line
        ),
    })
}

fn told(id: &str, row: &Row<'_>, terms: BypassTerms) -> BypassRow {
    let candidate = row.candidate;
    let decision = match &candidate.standing {
        Standing::Approved(decision) | Standing::Expired(decision) | Standing::Forgotten(decision) => Some(decision),
        Standing::Candidate | Standing::Suggested => None,
    };
    BypassRow {
        municipality: id.to_owned(),
        name: row.name.to_owned(),
        state: row.state.to_owned(),
        mode: terms.mode.name().to_owned(),
        heeded: row.is_heeded,
        clients: row.clients as u64,
        clients_needed: terms.clients.into(),
        inspected_by_name: candidate.is_meant,
        first_seen: text(candidate.first_seen),
        last_seen: text(candidate.last_seen),
        ja4: candidate.fingerprints().into_iter().map(str::to_owned).collect(),
        until: decision.map(|decision| text(decision.until)),
        who: decision.map(|decision| decision.who.clone()),
        because: decision.map(|decision| decision.because.clone()),
        decided_at: decision.map(|decision| text(decision.at)),
    }
}

fn unknown(policy: &Policy, id: &str) -> String {
    let ids: Vec<_> = policy.municipalities.iter().map(|it| it.id.as_str()).take(12).collect();
    format!("the policy has no municipality `{}`; there are {}", id.escape_debug(), ids.join(", "))
}

fn failed(message: impl Into<String>) -> Response {
    Response::Failed { message: message.into() }
}
