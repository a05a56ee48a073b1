//! What people see when a policy is wrong: every code once at least, as text. After a change of words, look at
//! `UPDATE_SNAPSHOTS=1 cargo test -p policy --test diagnostics` and `git diff`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "diagnostics/cases.rs"]
mod cases;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cases::{Case, base, cases};
use policy::diagnostic::CODES;
use policy::{Severity, Source, check, render};

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// Compares with a file, or writes it.
fn compare(name: &str, text: &str, failures: &mut String) {
    let path = snapshots().join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != text {
        writeln!(failures, "--- {} says\n{expected}\n+++ but this came\n{text}", path.display()).unwrap();
    }
}

#[test]
fn every_message_reads_as_recorded() {
    let mut failures = String::new();
    for Case { name, code, source } in cases() {
        let checked = check(&source);
        let text = render(&source, &checked.diagnostics, false);
        if !checked.diagnostics.iter().any(|diagnostic| diagnostic.code == code) {
            writeln!(failures, "{name}: no `{code}` among\n{text}").unwrap();
        }
        let errors = checked.diagnostics.iter().any(|diagnostic| diagnostic.is_error());
        assert_eq!(checked.policy.is_none(), errors, "{name}: a policy exactly if there is no error");
        compare(name, &text, &mut failures);
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_code_is_recorded_and_no_snapshot_is_left_over() {
    let cases = cases();
    let shown: BTreeSet<&str> = cases.iter().map(|case| case.code).collect();
    let known: BTreeSet<&str> = CODES.iter().map(|&(code, ..)| code).collect();
    assert_eq!(shown, known);
    assert!(CODES.is_sorted_by_key(|&(code, ..)| code));
    let names: BTreeSet<String> = cases.iter().map(|case| format!("{}.txt", case.name)).collect();
    assert_eq!(names.len(), cases.len(), "names are unique");
    for file in std::fs::read_dir(snapshots()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".txt") || names.contains(&name), "no case writes {name}");
    }
}

#[test]
fn messages_keep_to_the_style() {
    for Case { name, source, .. } in cases() {
        for diagnostic in check(&source).diagnostics {
            let first = diagnostic.message.chars().next().unwrap();
            assert!(!first.is_ascii_uppercase(), "{name}: {}", diagnostic.message);
            assert!(!diagnostic.message.ends_with('.'), "{name}: {}", diagnostic.message);
            for rust in ["Option", "Some(", "IpNet", "u16", "String"] {
                assert!(!diagnostic.message.contains(rust), "{name}: {}", diagnostic.message);
            }
        }
    }
}

#[test]
fn spans_and_columns_agree() {
    for Case { name, source, .. } in cases() {
        for diagnostic in check(&source).diagnostics {
            let places = diagnostic.related.iter().map(|related| (&related.location, &related.span));
            for (location, span) in places.chain([(&diagnostic.location, &diagnostic.span)]) {
                let bytes = source.files.get(&location.file).map_or(&[][..], Vec::as_slice);
                let before = String::from_utf8_lossy(&bytes[..span.start]);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap().chars().filter(|&c| c != '\u{feff}').count() + 1;
                assert_eq!(
                    (location.line as usize, location.column as usize),
                    (line, column),
                    "{name}: {diagnostic:?}"
                );
            }
        }
    }
}

#[test]
fn base_and_example_have_nothing_to_complain_about() {
    let example = directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("example"));
    for source in [base(), example] {
        let checked = check(&source);
        assert_eq!(render(&source, &checked.diagnostics, false), "");
        let policy = checked.policy.unwrap();
        assert!(policy.municipalities.is_sorted_by_key(|municipality| &municipality.id));
    }
}

/// A directory as a caller would read it.
fn directory(root: &Path) -> Source {
    let mut source = Source::default();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                source.files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    source
}

/// Ten mistakes of ten kinds in four files, one of them of the sort that parsers stumble over.
#[test]
fn ten_mistakes_are_ten_messages() {
    let (case, expected) = cases::ten_mistakes();
    let checked = check(&case);
    let found: Vec<(&str, &str, u32)> = checked
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.location.file.as_str(), diagnostic.code, diagnostic.location.line))
        .collect();
    assert_eq!(found, expected);
    assert!(checked.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
    let text = render(&case, &checked.diagnostics, false);
    for diagnostic in &checked.diagnostics {
        assert!(text.contains(&format!("error[{}]: {}", diagnostic.code, diagnostic.message)), "{text}");
        assert!(text.contains(&diagnostic.location.to_string()), "{} in\n{text}", diagnostic.location);
    }
    assert_eq!(text.matches("did you mean").count(), 4, "{text}");
    assert!(render(&case, &checked.diagnostics, true).contains("\u{1b}["), "colour on request");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn one_object_a_line_for_programs() {
    let (case, _) = cases::ten_mistakes();
    let first = &check(&case).diagnostics[0];
    let line = serde_json::to_string(first).unwrap();
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["severity"], "error");
    assert_eq!(value["code"], first.code);
    assert_eq!(value["file"], first.location.file);
    assert_eq!(value["line"], first.location.line);
    assert_eq!(value["column"], first.location.column);
    assert_eq!(value["span"]["start"], first.span.start);
}

/// Whatever is cut off or overwritten, there is a diagnosis and no panic.
#[test]
fn damaged_files_are_diagnosed() {
    let source = base();
    for (path, bytes) in &source.files {
        for at in 0..bytes.len() {
            for damage in [&b""[..], b"[", b"\"", b"\n", b"\xff", b"= 7", b"{"] {
                let mut broken = source.clone();
                let file = broken.files.get_mut(path).unwrap();
                if damage.is_empty() {
                    file.truncate(at);
                } else {
                    file.splice(at..at, damage.iter().copied());
                }
                let checked = check(&broken);
                let errors = checked.diagnostics.iter().any(|diagnostic| diagnostic.is_error());
                assert_eq!(checked.policy.is_none(), errors, "{path} at {at}");
                if at % 16 == 0 {
                    render(&broken, &checked.diagnostics, true);
                }
            }
        }
    }
}
