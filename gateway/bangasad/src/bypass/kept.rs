//! What was learned and decided, on disk: one file, whole or not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::learner::Learner;
use crate::state::sealed;

/// By municipality.
pub type Learners = BTreeMap<String, Learner>;

/// Where it is kept.
pub struct Kept {
    path: PathBuf,
}

impl Kept {
    /// In this directory.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("bypass.json") }
    }

    /// What is there, and what is wrong with it: a file that cannot be read is put aside, and everything is opened and
    /// learned anew. It is no reason not to start.
    pub fn read(&self) -> (Learners, Option<String>) {
        match sealed::read::<Learners>(&self.path, "opens again what was approved for bypass") {
            Ok(learners) => (learners.unwrap_or_default(), None),
            Err(error) => {
                let aside = self.path.with_extension("damaged");
                // Where it cannot be moved it is overwritten by what comes next.
                let _ = fs::rename(&self.path, &aside);
                let told =
                    format!("{error:#}; it lies at `{}`, and nothing is passed on unopened by it", aside.display());
                (Learners::new(), Some(told))
            }
        }
    }

    /// Keeps it, durably.
    pub fn write(&self, learners: &Value) -> anyhow::Result<()> {
        sealed::write(&self.path, learners)
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
        kept.write(&serde_json::to_value(&learners).unwrap()).unwrap();
        let (mut again, trouble) = kept.read();
        assert_eq!(trouble, None);
        let (before, after) = (&learners["sendai"], again.get_mut("sendai").unwrap());
        for name in ["a.example", "b.example"] {
            assert!(before.candidate(name).is_some() && before.candidate(name) == after.candidate(name), "{name}");
        }
        // Counting goes on where it was.
        let third = Refused { client: [10, 4, 0, 9].into(), ja4: "t13d_a_b", sign: Sign::Alert, is_meant: false };
        assert!(after.refused("a.example", third, terms, 20).is_some());

        let whole = fs::read(&kept.path).unwrap();
        fs::write(&kept.path, &whole[..whole.len() - 7]).unwrap();
        let (nothing, trouble) = kept.read();
        assert!(nothing.is_empty(), "nothing is passed on by half a file");
        assert!(trouble.unwrap().contains("bypass.damaged"));
        assert_eq!(fs::read(kept.path.with_extension("damaged")).unwrap().len(), whole.len() - 7);
        kept.write(&serde_json::to_value(&learners).unwrap()).unwrap();
        assert_eq!(kept.read().1, None);
    }
}
