//! The chain of the audit file: every line ends with a hash over itself and the line before, so that one which was changed,
//! taken out or put in between breaks the chain where it stands. How long the file should be at least says its [`Head`].
//!
//! ```text
//! {"time":…,"audit":{…},"chain":"91c0…"}      chain = BLAKE3(chain of the line before ‖ {"time":…,"audit":{…}})
//! ```

use serde::{Deserialize, Serialize};

/// Before the first line.
const BEGINNING: &str = "bangasa";
/// Between a line's own text and its hash.
const SEAM: &str = ",\"chain\":\"";
const END: &str = "\"}";

/// The end of a chain: how many deeds are in it, and the hash that the next continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Deeds so far.
    pub deeds: u64,
    /// Hash of the last.
    pub chain: String,
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line does not continue the one before.
    #[error(
        "line {line} does not continue the line before it: it was changed, or lines were taken out or put in before it"
    )]
    Line {
        /// From 1.
        line: u64,
    },
    /// Lines are missing at the end.
    #[error("there are {found} deeds, and there have been {expected}: the last were taken out")]
    Short {
        /// In the file.
        found: u64,
        /// By the head.
        expected: u64,
    },
    /// The file as long as the head says ends with something else.
    #[error("deed {deeds} is not the one that was written: the file was replaced, or written anew from some line on")]
    Replaced {
        /// By the head.
        deeds: u64,
    },
}

impl Default for Head {
    fn default() -> Self {
        Self { deeds: 0, chain: BEGINNING.to_owned() }
    }
}

impl Head {
    /// Continues the chain with a deed, the text of a JSON object: its line, without the line's end, and the head after it.
    /// None: the text is no object.
    pub fn with(&self, object: &str) -> Option<(String, Self)> {
        let open = object.strip_suffix('}')?;
        let chain = self.hash(object);
        Some((format!("{open}{SEAM}{chain}{END}"), Self { deeds: self.deeds + 1, chain }))
    }

    /// The head after a line that continues this one.
    fn after(&self, line: &str) -> Option<Self> {
        let (open, chain) = line.strip_suffix(END)?.rsplit_once(SEAM)?;
        let expected = self.hash(&format!("{open}}}"));
        (expected == chain).then(|| Self { deeds: self.deeds + 1, chain: expected })
    }

    fn hash(&self, object: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.chain.as_bytes());
        hasher.update(object.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

/// Follows the chain through the whole text of a file; the head at its end. `noted` is the head that was kept beside the
/// file: what came after it was written while the head could not be.
///
/// # Errors
/// Where the chain breaks first.
pub fn verify(text: &str, noted: Option<&Head>) -> Result<Head, Broken> {
    let mut head = Head::default();
    let mut is_as_noted = noted.is_none_or(|noted| *noted == head);
    for (line, number) in text.lines().zip(1..) {
        head = head.after(line).ok_or(Broken::Line { line: number })?;
        is_as_noted |= noted == Some(&head);
    }
    match noted {
        Some(noted) if head.deeds < noted.deeds => Err(Broken::Short { found: head.deeds, expected: noted.deeds }),
        Some(noted) if !is_as_noted => Err(Broken::Replaced { deeds: noted.deeds }),
        _ => Ok(head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(deeds: &[&str]) -> (Vec<String>, Vec<Head>) {
        let (mut lines, mut heads) = (Vec::new(), vec![Head::default()]);
        for deed in deeds {
            let (line, head) = heads[heads.len() - 1].with(&format!("{{\"audit\":\"{deed}\"}}")).expect("an object");
            lines.push(line);
            heads.push(head);
        }
        (lines, heads)
    }

    fn text(lines: &[String]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_whole_chain_is_sound_also_beyond_its_head() {
        let (lines, heads) = file(&["隔離", ",\"chain\":\"", "c", "d"]);
        for noted in &heads {
            assert_eq!(verify(&text(&lines), Some(noted)).as_ref().ok(), heads.last());
        }
        assert_eq!(verify(&text(&lines), None).map(|head| head.deeds), Ok(4));
        assert!(Head::default().with("no object").is_none());
    }

    #[test]
    fn every_change_breaks_it() {
        let (lines, heads) = file(&["a", "b", "c", "d"]);
        let head = &heads[4];
        let broken = |lines: &[String]| verify(&text(lines), Some(head)).err();
        for at in 0..lines.len() {
            let mut changed = lines.clone();
            changed[at] = changed[at].replacen("audit", "Audit", 1);
            assert_eq!(broken(&changed), Some(Broken::Line { line: at as u64 + 1 }), "changed {at}");
            let mut without = lines.clone();
            without.remove(at);
            let expected =
                if at == 3 { Broken::Short { found: 3, expected: 4 } } else { Broken::Line { line: at as u64 + 1 } };
            assert_eq!(broken(&without), Some(expected), "without {at}");
            let mut twice = lines.clone();
            twice.insert(at, lines[at].clone());
            assert_eq!(broken(&twice), Some(Broken::Line { line: at as u64 + 2 }), "twice {at}");
        }
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        assert_eq!(broken(&swapped), Some(Broken::Line { line: 2 }));
        let (others, _) = file(&["a", "b", "c", "x", "y"]);
        assert_eq!(broken(&others), Some(Broken::Replaced { deeds: 4 }));
        assert_eq!(broken(&[]), Some(Broken::Short { found: 0, expected: 4 }));
    }
}
