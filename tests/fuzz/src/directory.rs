//! A policy directory: check, render what is wrong, and go on with what is right.
//!
//! An input is the directory's files one after the other, each behind a line `=== PATH`, so that a seed can be read
//! and a crash can be understood.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use policy::http::{HttpAsked, HttpDecider};
use policy::tls::{Asked, Decider, Ech, Opening, Transport, View};
use policy::{Model, Numbering, Source};

const MARK: &[u8] = b"=== ";

/// Inputs whose length is a multiple of this are compiled too: the tables of any policy take 70 MB and 20 ms, which
/// would leave the parser few runs a second.
const COMPILED: usize = 16;

/// The target.
pub fn run(bytes: &[u8]) {
    let source = split(bytes);
    let checked = policy::check(&source);
    let rendered = policy::render(&source, &checked.diagnostics, false);
    assert_eq!(rendered.is_empty(), checked.diagnostics.is_empty(), "a diagnostic says nothing");
    let errors = checked.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    assert_eq!(errors == 0, checked.policy.is_some(), "there is a policy if, and only if, there is no error");
    let Some(policy) = checked.policy else { return };
    assert!(policy::plan(Some(&policy), &policy).is_empty(), "a policy differs from itself");
    let _ = Model::new(&policy, 1).judge("lan0", 0, &[]);
    for municipality in &policy.municipalities {
        let view = View::of(&policy, &municipality.id).expect("it is one of the policy's");
        let http = HttpDecider::new(view.clone()).expect("a view of a policy holds together");
        let decider = Decider::new(view).expect("a view of a policy holds together");
        for sni in [None, Some("www.example.jp"), Some("\u{130}..\u{202e}")] {
            let _ = decider.decide(&asked(sni));
            let (client, path) = ([10, 10, 64, 7].into(), "/a%2f..//..;/%25%34\\x*");
            let _ = http.decide(&HttpAsked { client, host: sni, path, method: "POST" });
        }
    }
    if bytes.len().is_multiple_of(COMPILED) {
        // Too large for the maps is an answer; anything else is tables.
        let _ = policy::compile(&policy, &Numbering::default());
    }
}

fn asked(sni: Option<&str>) -> Asked<'_> {
    let (client, server) = ([10, 10, 64, 7].into(), ([198, 51, 100, 4], 443).into());
    Asked {
        client,
        destination: server,
        transport: Transport::Tcp,
        opening: Opening::Tls,
        sni,
        ja4: None,
        alpn: &[b"h2"],
        ech: Ech::Absent,
    }
}

/// The files of an input. What stands before the first mark is `prefecture.toml`.
pub fn split(bytes: &[u8]) -> Source {
    let mut files = BTreeMap::<String, Vec<u8>>::new();
    let mut path = "prefecture.toml".to_owned();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(MARK) {
            Some(named) => path = String::from_utf8_lossy(named).trim().to_owned(),
            None => files.entry(path.clone()).or_default().extend(line),
        }
    }
    Source { files }
}

/// A directory as an input.
pub fn join(directory: &Path) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else {
            let name = path.strip_prefix(directory).unwrap_or(&path);
            input.extend(MARK);
            input.extend(name.to_string_lossy().bytes());
            input.push(b'\n');
            input.extend(fs::read(&path)?);
        }
    }
    Ok(input)
}
