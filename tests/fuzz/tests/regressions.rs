//! Every seed, and every input that once failed, through its target: without libFuzzer, with every test run.

use std::fs;
use std::path::Path;

#[test]
fn frames() {
    replay("packet", fuzz::frames::run);
}

#[test]
fn hellos() {
    replay("client_hello", fuzz::client_hello::run);
}

#[test]
fn initials() {
    replay("quic_initial", fuzz::quic_initial::run);
}

#[test]
fn certificates() {
    replay("upstream_certificate", fuzz::upstream_certificate::run);
    for (seed, found) in [
        ("good-with-staple", None),
        ("revoked-by-list", Some("revoked")),
        ("revoked-by-staple", Some("revoked")),
        ("expired", Some("expired")),
        ("other-name", Some("wrong_name")),
        ("self-signed", Some("self_signed")),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/upstream_certificate").join(seed);
        let bytes = fs::read(path).expect("the seed is there");
        assert_eq!(fuzz::upstream_certificate::verdict(&bytes).map(|defect| defect.label()), found, "{seed}");
    }
}

#[test]
fn streams_of_http1() {
    replay("http1", fuzz::http1::run);
}

#[test]
fn directories() {
    replay("policy", fuzz::directory::run);
    let example = fuzz::directory::join(&fuzz::example()).expect("the example can be read");
    fuzz::directory::run(&example);
}

#[test]
fn a_joined_directory_splits_into_its_files() {
    let example = fuzz::directory::join(&fuzz::example()).expect("the example can be read");
    let source = fuzz::directory::split(&example);
    assert!(source.files.contains_key("prefecture.toml"));
    for (path, contents) in &source.files {
        assert_eq!(contents, &fs::read(fuzz::example().join(path)).expect("the file can be read"), "{path}");
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    for folder in ["seeds", "regressions"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the entry can be read").path();
            // Named before it runs, so that a failure says which.
            println!("{}", path.display());
            run(&fs::read(&path).expect("the input can be read"));
        }
    }
}
