//! No lock file holds a version of a crate that `tests/system/advisories.txt` warns of.
//!
//! The list is checked in, so that the check works offline and gives the same answer everywhere. It knows what was
//! public when a line was last added, and nothing about crates that it does not name: it keeps a lock file from
//! falling back, and is no replacement for `cargo audit` with a fresh database before a release.

use std::fs;
use std::path::Path;

const LOCKS: [&str; 3] = ["Cargo.lock", "ebpf-filters/filters/Cargo.lock", "tests/fuzz/Cargo.lock"];

/// `ID crate affected-versions: description`, where the versions are `<1.2.3`, `>=1.0.0 <1.2.3` or `=1.2.3`, with
/// `|` between alternatives.
struct Advisory<'t> {
    id: &'t str,
    package: &'t str,
    affected: Vec<Vec<(&'t str, Version)>>,
    description: &'t str,
}

/// Major, minor, patch. Pre-releases count as their release, build metadata as nothing.
type Version = [u64; 3];

#[test]
fn no_lock_file_holds_an_affected_version() {
    let text = read("tests/system/advisories.txt");
    let advisories: Vec<_> = advisories(&text);
    assert!(advisories.len() > 10, "the list of advisories is empty, or cannot be read");
    let mut found = Vec::new();
    for lock in LOCKS {
        let lock_text = read(lock);
        let locked = locked(&lock_text);
        assert!(!locked.is_empty(), "{lock} names no crate");
        for (package, version) in locked {
            for advisory in advisories.iter().filter(|advisory| is_affected(advisory, package, version)) {
                found.push(format!("{lock}: {package} {version}: {}: {}", advisory.id, advisory.description));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn advisories(text: &str) -> Vec<Advisory<'_>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| advisory(line).unwrap_or_else(|| panic!("advisories.txt: cannot read `{line}`")))
        .collect()
}

fn advisory(line: &str) -> Option<Advisory<'_>> {
    let (head, description) = line.split_once(": ")?;
    let (id, head) = head.split_once(' ')?;
    let (package, ranges) = head.split_once(' ')?;
    let affected = ranges.split('|').map(range).collect::<Option<_>>()?;
    id.starts_with("RUSTSEC-").then_some(Advisory { id, package, affected, description })
}

/// Bounds that all hold for an affected version.
fn range(text: &str) -> Option<Vec<(&str, Version)>> {
    let bounds: Vec<_> = text.split_whitespace().map(bound).collect::<Option<_>>()?;
    (!bounds.is_empty()).then_some(bounds)
}

fn bound(text: &str) -> Option<(&str, Version)> {
    let (relation, number) = text.split_at(text.find(|c: char| c.is_ascii_digit())?);
    ["<", ">=", "="].contains(&relation).then_some((relation, version(number)?))
}

fn version(text: &str) -> Option<Version> {
    let release = text.split(['-', '+']).next()?;
    let numbers: Vec<_> = release.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn is_affected(advisory: &Advisory, package: &str, locked: &str) -> bool {
    let Some(locked) = version(locked) else { panic!("`{locked}` is no version") };
    advisory.package == package
        && advisory.affected.iter().any(|bounds| {
            bounds.iter().all(|(relation, bound)| match *relation {
                "<" => locked < *bound,
                ">=" => locked >= *bound,
                _ => locked == *bound,
            })
        })
}

/// Name and version of every package of a lock file; cargo writes the version on the line after the name.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    let lines: Vec<_> = lock.lines().collect();
    lines
        .windows(2)
        .filter_map(|pair| {
            let name = pair[0].strip_prefix("name = \"")?.strip_suffix('"')?;
            let version = pair[1].strip_prefix("version = \"")?.strip_suffix('"')?;
            Some((name, version))
        })
        .collect()
}

#[test]
fn ranges_mean_what_they_say() {
    let line = "RUSTSEC-2000-0001 thing >=0.7.0 <0.9.3|=0.10.0: it breaks";
    let advisory = advisory(line).expect("the line is sound");
    assert_eq!((advisory.id, advisory.description), ("RUSTSEC-2000-0001", "it breaks"));
    for (version, affected) in
        [("0.6.9", false), ("0.7.0", true), ("0.9.2", true), ("0.9.3", false), ("0.10.0", true), ("0.10.1+x", false)]
    {
        assert_eq!(is_affected(&advisory, "thing", version), affected, "{version}");
        assert!(!is_affected(&advisory, "another", version));
    }
}

#[test]
fn lock_files_are_read() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0-rc.1+z\"\n";
    assert_eq!(locked(lock), [("a", "1.0.0"), ("b", "2.0.0-rc.1+z")]);
}
