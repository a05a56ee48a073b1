//! What was learned and decided, on disk: one file, whole or not there.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::learner::Learner;
use crate::state::files::{sync_directory, write_durably};

/// Counts up whenever the file changes its meaning.
const VERSION: u32 = 1;

/// By municipality.
pub type Learners = BTreeMap<String, Learner>;

/// Where it is kept.
pub struct Kept {
    directory: PathBuf,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    municipalities: Learners,
}

#[derive(Serialize)]
struct Written<'l> {
    version: u32,
    municipalities: &'l Learners,
}

impl Kept {
    /// In this directory.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// What is there, and what is wrong with it: a file that cannot be read is put aside, and everything is opened and
    /// learned anew.
    pub fn read(&self) -> (Learners, Option<String>) {
        let path = self.path();
        let found = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Default::default(),
            found => found.map_err(anyhow::Error::from).and_then(|bytes| {
                let read: Read = serde_json::from_slice(&bytes)?;
                anyhow::ensure!(read.version == VERSION, "it is of version {}, not {VERSION}", read.version);
                Ok(read.municipalities)
            }),
        };
        match found {
            Ok(learners) => (learners, None),
            Err(error) => {
                let aside = self.directory.join("bypass.json.damaged");
                // Where it cannot be moved it is overwritten by what comes next.
                let _ = fs::rename(&path, &aside);
                let told = format!(
                    "`{}` cannot be used: {error:#}; what was approved for bypass is opened again, approve it anew from \
                     `{}`",
                    path.display(),
                    aside.display()
                );
                (Learners::new(), Some(told))
            }
        }
    }

    /// The file that says this.
    pub fn bytes(municipalities: &Learners) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Written { version: VERSION, municipalities })?)
    }

    /// Keeps it, durably.
    pub fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, parts) = (self.path(), self.directory.join("bypass.json.new"));
        write_durably(&parts, bytes)?;
        fs::rename(&parts, &path).with_context(|| format!("cannot write `{}`", path.display()))?;
        sync_directory(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("bypass.json")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use inspect::wire::{Approver, Sign};
    use policy::tls::{Bypass, BypassTerms};

    use super::super::candidate::{Decision, Standing};
    use super::super::learner::Refused;
    use super::*;

    #[test]
    fn what_was_learned_and_decided_comes_back_and_a_torn_file_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::new(directory.path());
        assert!(matches!(kept.read(), (learners, None) if learners.is_empty()), "the first start");
        let terms = BypassTerms { mode: Bypass::Suggest, ..BypassTerms::default() };
        let mut learners = Learners::new();
        let town = learners.entry("sendai".into()).or_default();
        for client in [[10, 4, 0, 7], [10, 4, 0, 8]] {
            let refused = Refused { client: client.into(), ja4: "t13d_a_b", sign: Sign::Alert, is_meant: false };
            town.refused("a.example", refused, terms, 10);
        }
        let (who, because) = ("課長".to_owned(), "4712".to_owned());
        let decision = Decision { by: Approver::Person, who, because, at: 10, until: 1_000 };
        town.decide("b.example", Standing::Approved(decision), 10).unwrap();
        kept.write(&Kept::bytes(&learners).unwrap()).unwrap();
        let (mut again, trouble) = kept.read();
        assert_eq!(trouble, None);
        let (before, after) = (&learners["sendai"], again.get_mut("sendai").unwrap());
        for name in ["a.example", "b.example"] {
            assert!(before.candidate(name).is_some() && before.candidate(name) == after.candidate(name), "{name}");
        }
        // Counting goes on where it was.
        let third = Refused { client: [10, 4, 0, 9].into(), ja4: "t13d_a_b", sign: Sign::Alert, is_meant: false };
        assert!(after.refused("a.example", third, terms, 20).is_some());

        let path = kept.path();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 7]).unwrap();
        let (nothing, trouble) = kept.read();
        assert!(nothing.is_empty(), "nothing is passed on by half a file");
        assert!(trouble.unwrap().contains("bypass.json.damaged"));
        assert_eq!(fs::read(directory.path().join("bypass.json.damaged")).unwrap().len(), whole.len() - 7);
        kept.write(&Kept::bytes(&learners).unwrap()).unwrap();
        assert_eq!(kept.read().1, None);
        let other = String::from_utf8(whole).unwrap().replacen("\"version\":1", "\"version\":2", 1);
        fs::write(&path, other).unwrap();
        assert!(kept.read().1.unwrap().contains("version 2"));
    }
}
