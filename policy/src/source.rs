//! The files of a policy directory, as bytes.

use std::collections::BTreeMap;

use crate::tables::{Digest, digest_of};

/// Relative path (with `/`) → contents. The only input of [`crate::check`]; whoever calls reads the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `prefecture.toml`, `municipalities/*.toml`, `sets/*` and country files.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// The digest of names and contents.
    pub fn digest(&self) -> Digest {
        digest_of(self.files.iter().map(|(path, contents)| (path.as_str(), contents.as_slice())))
    }
}

/// A place in a file: where a rule, a set or a mistake stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Location {
    /// Relative path.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
