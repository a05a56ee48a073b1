//! Names that applications refuse our certificates for: learned from what inspectors tell, decided by people or by the
//! policy, kept across restarts, handed to inspectors, and told as events.
//!
//! ```text
//! sessions ─► hear ─► Learner (of the municipality) ─► suggested, approved ─► inspector, events, disk
//! bangasa bypass ─► commands ─────┘        time ─► pass_time ─► expired
//! ```
//! The probe of the server that a refusal needs is the connection itself: its inspector had verified the server, under the
//! name that the client sent, before it showed the client anything. A later probe would be of another moment.

mod candidate;
mod commands;
mod deeds;
mod kept;
mod learner;
mod opened;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control::status::BypassStatus;
use inspect::wire::{BypassName, Reason, Session};
use policy::Policy;
use policy::tls::{Bypass as Mode, BypassTerms, Layer, TlsAction, canonical};

use self::kept::{Kept, Learners};
use self::learner::{Happened, Learner, Refused};
use crate::daemon::Daemon;
use crate::log;

pub use commands::{approve, forget, list};

/// Between two writes of what was merely seen. What was decided is written at once.
const WRITE_INTERVAL: Duration = Duration::from_secs(10);
/// Longer than any fingerprint.
const LONGEST_JA4: usize = 64;

/// What is known, of all municipalities.
pub struct Bypass {
    kept: Mutex<Kept>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    learners: Learners,
    /// Since when something is not on disk, and whether it should be there soon.
    unwritten: Option<Unwritten>,
    /// What came of it and is not told yet: whoever hears does not wait for the audit file.
    untold: Vec<(String, String, Happened)>,
    /// Why it cannot be written, or could not be read.
    trouble: Option<String>,
}

#[derive(Clone, Copy)]
struct Unwritten {
    since: Instant,
    is_decision: bool,
}

impl Bypass {
    /// What is kept in the state directory.
    pub fn open(directory: &Path) -> Self {
        let kept = Kept::new(directory);
        let (learners, trouble) = kept.read();
        trouble.iter().for_each(|trouble| log(trouble));
        // Told until something new is kept.
        Self { kept: Mutex::new(kept), known: Mutex::new(Known { learners, trouble, ..Known::default() }) }
    }

    /// Keeps what is known now. Whoever learns does not wait for the disk, and later words are never overwritten by earlier.
    fn write(&self) -> anyhow::Result<()> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (learners, before) = {
            let mut known = self.lock();
            (serde_json::to_value(&known.learners)?, known.unwritten.take())
        };
        kept.write(&learners).inspect_err(|_| {
            let mut known = self.lock();
            known.unwritten = known.unwritten.or(before);
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn learner(&mut self, id: &str) -> &mut Learner {
        self.learners.entry(id.to_owned()).or_default()
    }

    fn refused(
        &mut self,
        id: &str,
        name: &str,
        refused: Refused<'_>,
        terms: BypassTerms,
        now: u64,
    ) -> Option<Happened> {
        let happened = self.learner(id).refused(name, refused, terms, now);
        self.touch(happened.is_some());
        happened
    }

    fn opened(
        &mut self,
        id: &str,
        name: &str,
        client: IpAddr,
        ja4: &str,
        terms: BypassTerms,
        now: u64,
    ) -> Option<Happened> {
        let happened = self.learner(id).opened(name, client, ja4, terms, now);
        if happened.is_some() {
            self.touch(true);
        }
        happened
    }

    fn touch(&mut self, is_decision: bool) {
        let before = self.unwritten;
        self.unwritten = Some(Unwritten {
            since: before.map_or_else(Instant::now, |before| before.since),
            is_decision: is_decision || before.is_some_and(|before| before.is_decision),
        });
    }

    fn is_due(&self) -> bool {
        self.unwritten.is_some_and(|it| it.is_decision || it.since.elapsed() >= WRITE_INTERVAL)
    }
}

/// Learns from a connection that has ended.
pub fn hear(daemon: &Daemon, id: &str, session: &Session) {
    let Some(current) = daemon.current() else { return };
    let terms = BypassTerms::for_municipality(current.policy(), id).filter(|terms| terms.mode != Mode::Off);
    let (Some(terms), Some(name), Some(ja4)) = (terms, name(session), &session.ja4) else { return };
    if ja4.len() > LONGEST_JA4 {
        return;
    }
    let (client, now) = (session.client.ip().to_canonical(), now());
    let happened = match session.refused {
        Some(refused) if refused.may_pass => {
            let is_meant = is_meant(current.policy(), id, session);
            let refused = Refused { client, ja4, sign: refused.sign, is_meant };
            daemon.bypass.lock().refused(id, &name, refused, terms, now)
        }
        None if was_opened(session) => daemon.bypass.lock().opened(id, &name, client, ja4, terms, now),
        _ => None,
    };
    if let Some(happened) = happened {
        daemon.bypass.lock().untold.push((id.to_owned(), name, happened));
        daemon.inspectors.wake();
    }
}

/// The name that the client sent, as it is compared.
fn name(session: &Session) -> Option<String> {
    let name = canonical(session.sni.as_deref()?).ok()?;
    (!name.starts_with('.')).then(|| name.into_owned())
}

/// Whether the client took our certificate and used the connection.
fn was_opened(session: &Session) -> bool {
    let is_used = session.requests > 0 || session.bytes.iter().all(|bytes| *bytes > 0);
    let is_open = session.action == TlsAction::Inspect && session.upstream.as_deref() == Some("good");
    is_open && is_used && !matches!(session.reason, Reason::CertificateRefused | Reason::ClientTls)
}

/// Whether the rule that has it inspected asks for names: then it was meant for this one.
fn is_meant(policy: &Policy, id: &str, session: &Session) -> bool {
    let Some(rule) = &session.rule else { return false };
    let own = policy.municipalities.iter().find(|it| it.id == id).map(|it| it.tls.rules.as_slice());
    let rules = match rule.layer {
        Layer::Prefecture => policy.tls.rules.as_slice(),
        Layer::Municipality => own.unwrap_or_default(),
    };
    rules.iter().any(|known| known.name == rule.name && known.sni.is_some())
}

/// What time brings to an end, and what has to be written. From time to time, and where a thread may wait.
pub fn tend(daemon: &Daemon) {
    let Some(current) = daemon.current() else { return };
    let now = now();
    let untold = {
        let mut known = daemon.bypass.lock();
        let mut over = Vec::new();
        for (id, learner) in &mut known.learners {
            // What is known of a municipality that has left the policy waits for its return.
            let Some(terms) = BypassTerms::for_municipality(current.policy(), id) else { continue };
            let ended = learner.pass_time(terms, now);
            over.extend(ended.into_iter().map(|(name, happened)| (id.clone(), name, happened)));
        }
        if !over.is_empty() {
            known.touch(true);
        }
        let mut untold = std::mem::take(&mut known.untold);
        untold.extend(over);
        untold
    };
    if daemon.bypass.lock().is_due() {
        write(daemon);
    }
    for (id, name, happened) in untold {
        // What could not be audited has been logged.
        let _ = daemon.audit.record(&daemon.journal, Some(&id), &deeds::of_machine(&name, &happened));
    }
}

/// Tells and writes what is not told or on disk yet: the daemon ends.
pub fn settle(daemon: &Daemon) {
    tend(daemon);
    if daemon.bypass.lock().unwritten.is_some() {
        write(daemon);
    }
}

/// Where it fails it is tried again with the next look.
fn write(daemon: &Daemon) {
    let trouble = daemon.bypass.write().err().map(|error| format!("what is known for bypass is not kept: {error:#}"));
    let mut known = daemon.bypass.lock();
    if known.trouble != trouble {
        log(trouble.as_deref().unwrap_or("what is known for bypass is kept again"));
        known.trouble = trouble;
    }
}

/// What an operator should know.
pub fn trouble(daemon: &Daemon) -> Option<String> {
    daemon.bypass.lock().trouble.clone()
}

/// What a municipality's inspector is to pass on.
pub fn names(daemon: &Daemon, id: &str) -> Vec<BypassName> {
    let current = daemon.current();
    let terms = current.and_then(|current| BypassTerms::for_municipality(current.policy(), id));
    let known = daemon.bypass.lock();
    let learner = known.learners.get(id);
    terms.zip(learner).map(|(terms, learner)| learner.heeded(terms, now())).unwrap_or_default()
}

/// Of one municipality, for `status` and metrics; none: the policy has it off, and nothing is known.
pub fn status(daemon: &Daemon, policy: &Policy, id: &str) -> Option<BypassStatus> {
    let terms = BypassTerms::for_municipality(policy, id)?;
    let known = daemon.bypass.lock();
    let learner = known.learners.get(id);
    if terms.mode == Mode::Off && learner.is_none() {
        return None;
    }
    let mut status = BypassStatus { mode: terms.mode.name().into(), ..BypassStatus::default() };
    status.displaced = learner.map_or(0, |learner| learner.displaced);
    for row in learner.into_iter().flat_map(|learner| learner.rows(terms, now())) {
        *status.names.entry(row.state.to_owned()).or_default() += 1;
    }
    Some(status)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Seconds since 1970 as people read them.
fn text(seconds: u64) -> String {
    telemetry::time::rfc3339(Duration::from_secs(seconds))
}
