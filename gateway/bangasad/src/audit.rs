//! Who did what to the gateway: one line of JSON a deed, chained to the line before, in a file that is only appended to, and
//! an event beside those about packets.
//!
//! Beside it stands how far the chain has come (`audit.head`). What was begun and not finished when the machine stopped, or
//! the disk was full, is cut off, and a deed says so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use control::audit::chain::{Head, verify};
use control::{Audit, Who};
use nix::unistd::{Uid, User};
use serde::Serialize;
use telemetry::Journal;
use telemetry::journal::Entry;
use tokio::net::unix::UCred;

use crate::log;
use crate::state::{sync_directory, write_durably};

/// The file.
#[derive(Debug)]
pub struct AuditFile(Mutex<Chained>);

/// The file, and where its chain ends.
#[derive(Debug)]
struct Chained {
    file: File,
    head: Head,
    head_path: PathBuf,
}

/// What is written: the keys that every event has, and the deed.
#[derive(Serialize)]
struct Deed<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    municipality: Option<&'a str>,
    audit: &'a Audit,
}

impl AuditFile {
    /// Opens the state directory's, or begins it. Whether it is as it was written is told, and hinders nothing.
    pub fn open(state: &Path, journal: &Journal) -> anyhow::Result<Self> {
        let (path, head_path) = (state.join("audit.jsonl"), state.join("audit.head"));
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let file = opened.with_context(|| format!("cannot open `{}`", path.display()))?;
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
        let noted = noted(&head_path);
        let head = match verify(&text, noted.as_ref()) {
            Ok(head) => head,
            Err(broken) => {
                log(&format!(
                    "`{}` is not as it was written: {broken}; `bangasa audit verify` says so too",
                    path.display()
                ));
                noted.unwrap_or_default()
            }
        };
        let torn = bytes.len() - whole;
        if torn > 0 {
            file.set_len(whole as u64).with_context(|| format!("cannot mend `{}`", path.display()))?;
        }
        let audit = Self(Mutex::new(Chained { file, head, head_path }));
        if torn > 0 {
            let because = Some(format!("a line was not finished: {torn} bytes were cut off"));
            let deed = Audit { who: daemon(), did: "audit".into(), because, result: "done".into(), ..Audit::default() };
            audit.record(journal, None, &deed);
        }
        Ok(audit)
    }

    /// Keeps a deed, and tells it. A disk that is full holds up nobody who cuts a leak: what could not be kept is
    /// logged, and answered.
    pub fn record(&self, journal: &Journal, municipality: Option<&str>, audit: &Audit) -> Option<String> {
        let deed = Deed { time: telemetry::time::now(), municipality, audit };
        let mut chained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let continued = serde_json::to_string(&deed).ok().and_then(|object| chained.head.with(&object));
        let Some((text, head)) = continued else {
            return Some(told("the audit file could not be written: the deed has no text"));
        };
        let written = chained.append(&text, head);
        drop(chained);
        journal.record(Entry { municipality: municipality.map(str::to_owned), text });
        written.err().map(|error| told(&format!("the audit file could not be written: {error:#}")))
    }
}

impl Chained {
    /// Appends a line and notes the new end.
    fn append(&mut self, text: &str, head: Head) -> anyhow::Result<()> {
        let before = self.file.metadata()?.len();
        let written = self.file.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would be in the way of the next.
            let _ = self.file.set_len(before);
            return Err(error.into());
        }
        self.head = head;
        let parts = self.head_path.with_extension("head.new");
        write_durably(&parts, &serde_json::to_vec(&self.head)?)?;
        fs::rename(&parts, &self.head_path)?;
        self.head_path.parent().map_or(Ok(()), sync_directory)
    }
}

/// The head that was kept; none: nothing was written yet.
fn noted(path: &Path) -> Option<Head> {
    let read: io::Result<Head> = fs::read(path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    match read {
        Ok(head) => Some(head),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            log(&format!(
                "`{}` cannot be read, so nobody knows whether the audit file's end is there: {error}",
                path.display()
            ));
            None
        }
    }
}

fn told(trouble: &str) -> String {
    log(trouble);
    trouble.to_owned()
}

/// Whoever is at the other end of the socket.
pub fn who(peer: &UCred, says: Option<String>) -> Who {
    let user = User::from_uid(Uid::from_raw(peer.uid())).ok().flatten().map(|user| user.name);
    // Without a terminal there is no account of their own, and the kernel's says more.
    let says = says.filter(|says| says != control::NOBODY);
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
            assert_eq!(AuditFile::open(state.path(), &journal).unwrap().record(&journal, Some("sendai"), &audit), None);
        }
        let kept = std::fs::read_to_string(state.path().join("audit.jsonl")).unwrap();
        let lines: Vec<control::Line> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let reasons = lines.iter().map(|line| line.audit.as_ref().unwrap().because.as_deref().unwrap());
        assert_eq!(reasons.collect::<Vec<_>>(), ["漏えいの疑い", "over"]);
        assert!(lines.iter().all(|line| line.time.is_some() && line.municipality.as_deref() == Some("sendai")));
        let (told, _) = journal.follow();
        assert_eq!(told.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), kept.lines().collect::<Vec<_>>());
        assert_eq!(verify(&kept, noted(&state.path().join("audit.head")).as_ref()).map(|head| head.deeds), Ok(2));
    }

    #[test]
    fn half_a_line_is_cut_off_and_the_chain_goes_on() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(&[]).unwrap();
        let deed = |because: &str| Audit { who: daemon(), because: Some(because.into()), ..Audit::default() };
        AuditFile::open(state.path(), &journal).unwrap().record(&journal, None, &deed("a"));
        let path = state.path().join("audit.jsonl");
        let whole = fs::read(&path).unwrap();
        // A second deed of which any part reached the disk, its head never.
        let (second, _) = noted(&state.path().join("audit.head")).unwrap().with("{\"audit\":\"漏えい\"}").unwrap();
        for length in 0..=second.len() {
            fs::write(&path, [&whole, &second.as_bytes()[..length]].concat()).unwrap();
            fs::write(state.path().join("audit.head"), serde_json::to_vec(&head_of(&whole)).unwrap()).unwrap();
            AuditFile::open(state.path(), &journal).unwrap().record(&journal, None, &deed("b"));
            let kept = fs::read_to_string(&path).unwrap();
            let head = verify(&kept, noted(&state.path().join("audit.head")).as_ref()).unwrap();
            assert_eq!(head.deeds, if length == 0 { 2 } else { 3 }, "{length}: {kept}");
        }
    }

    fn head_of(bytes: &[u8]) -> Head {
        verify(std::str::from_utf8(bytes).unwrap(), None).unwrap()
    }
}
