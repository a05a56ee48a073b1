//! Files one can read in one sitting, and nothing left for later.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const LONGEST: usize = 600;

/// Folders that hold what we wrote.
const FOLDERS: [&str; 7] = [".ci", "bench", "ebpf-filters", "gateway", "policy", "systemd", "tests"];

#[test]
fn no_source_file_is_too_long() {
    for (path, text) in sources().iter().filter(|(path, _)| path.extension().is_some_and(|kind| kind == "rs")) {
        let lines = text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines; a file holds one idea", path.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    // In two halves, so that this file does not find itself.
    let signs = [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("#[ig", "nore"), ("to", "do!("), ("unimpl", "emented!(")];
    let signs = signs.map(|(first, second)| format!("{first}{second}"));
    for (path, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            for sign in &signs {
                assert!(!line.contains(sign), "{}:{number}: `{sign}` stands for work that is not done", path.display());
            }
        }
    }
}

#[test]
fn modules_are_files_named_after_them() {
    for (path, _) in sources() {
        assert!(path.file_name().is_none_or(|name| name != "mod.rs"), "{}: name the file after it", path.display());
    }
}

/// Every text file of ours, with its path inside the repository.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    let mut waiting: Vec<_> = FOLDERS.iter().map(PathBuf::from).collect();
    waiting.extend(["Makefile", "Cargo.toml", "README.md"].map(PathBuf::from));
    while let Some(path) = waiting.pop() {
        let whole = root.join(&path);
        if whole.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            let entries = fs::read_dir(&whole).expect("the folder can be read");
            waiting.extend(entries.map(|entry| path.join(entry.expect("the entry can be read").file_name())));
        } else if let Ok(text) = fs::read_to_string(&whole) {
            found.push((path, text));
        }
    }
    assert!(found.len() > 50, "only {} files of ours are found in {}", found.len(), root.display());
    found
}
