//! Where the corpora are, and their captures.

use std::path::{Path, PathBuf};

/// The corpora's folder, which may not be there.
pub fn corpora() -> PathBuf {
    std::env::var_os("BANGASA_CORPORA").map_or_else(|| repository().join("../shared/corpora"), PathBuf::from)
}

/// Every file of the corpora's captures; none where they are not. In CI they have to be there.
pub fn captures() -> Option<Vec<PathBuf>> {
    let corpora = corpora();
    let mut found = Vec::new();
    let mut directories = vec![corpora.join("pcap")];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "no captures in `{}`; set BANGASA_CORPORA", corpora.display());
        eprintln!("no captures in `{}`; set BANGASA_CORPORA to test on them", corpora.display());
        return None;
    }
    found.sort();
    Some(found)
}

/// This repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
