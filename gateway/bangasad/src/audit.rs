//! Who did what to the gateway: one line of JSON a deed, in a file that is only appended to, and an event beside those
//! about packets.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use control::{Audit, Who};
use nix::unistd::{Uid, User};
use serde::Serialize;
use telemetry::Journal;
use telemetry::journal::Entry;
use tokio::net::unix::UCred;

use crate::log;

/// The file.
#[derive(Debug)]
pub struct AuditFile(Mutex<File>);

/// What is written: the keys that every event has, and the deed.
#[derive(Serialize)]
struct Deed<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    municipality: Option<&'a str>,
    audit: &'a Audit,
}

impl AuditFile {
    /// Opens the state directory's, or begins it.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("audit.jsonl");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        Ok(Self(Mutex::new(file.with_context(|| format!("cannot open `{}`", path.display()))?)))
    }

    /// Keeps a deed, and tells it. A disk that is full holds up nobody who cuts a leak: what could not be kept is
    /// logged, and answered.
    pub fn record(&self, journal: &Journal, municipality: Option<&str>, audit: &Audit) -> Option<String> {
        let deed = Deed { time: telemetry::time::now(), municipality, audit };
        let text = match serde_json::to_string(&deed) {
            Ok(text) => text,
            Err(error) => return Some(told(&format!("the audit file could not be written: {error}"))),
        };
        let written = {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_data())
        };
        journal.record(Entry { municipality: municipality.map(str::to_owned), text });
        written.err().map(|error| told(&format!("the audit file could not be written: {error}")))
    }
}

fn told(trouble: &str) -> String {
    log(trouble);
    trouble.to_owned()
}

/// Whoever is at the other end of the socket.
pub fn who(peer: &UCred, says: Option<String>) -> Who {
    let user = User::from_uid(Uid::from_raw(peer.uid())).ok().flatten().map(|user| user.name);
    Who { uid: peer.uid(), gid: peer.gid(), pid: peer.pid(), user, says }
}

/// The daemon itself.
pub fn daemon() -> Who {
    Who {
        uid: Uid::current().as_raw(),
        gid: nix::unistd::Gid::current().as_raw(),
        pid: None,
        user: Some("bangasad".into()),
        says: None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn deeds_are_appended_and_told() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(&[]).unwrap();
        for because in ["漏えいの疑い", "over"] {
            let audit = Audit {
                who: daemon(),
                did: "isolate".into(),
                because: Some(because.into()),
                result: "done".into(),
                ..Audit::default()
            };
            assert_eq!(AuditFile::open(state.path()).unwrap().record(&journal, Some("sendai"), &audit), None);
        }
        let kept = std::fs::read_to_string(state.path().join("audit.jsonl")).unwrap();
        let lines: Vec<control::Line> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let reasons = lines.iter().map(|line| line.audit.as_ref().unwrap().because.as_deref().unwrap());
        assert_eq!(reasons.collect::<Vec<_>>(), ["漏えいの疑い", "over"]);
        assert!(lines.iter().all(|line| line.time.is_some() && line.municipality.as_deref() == Some("sendai")));
        let (told, _) = journal.follow();
        assert_eq!(told.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), kept.lines().collect::<Vec<_>>());
    }
}
