//! The requests that others collected (`BANGASA_CORPORA`, by default `../shared/corpora` beside the repository): every
//! invalid one is refused, every valid one passes.
//!
//! Rows that their suite expects only with settings of its own do not count: they contradict others (underscores in names,
//! white space before the colon and the PROXY protocol are there both as valid and as invalid).

use std::fs;
use std::path::{Path, PathBuf};

use super::super::rehearsal::Rehearsal;
use super::cuts::requests;

struct Row {
    path: String,
    is_valid: bool,
    requests: Vec<String>,
    bytes: Vec<u8>,
}

#[test]
fn requests_that_others_collected() {
    let Some(rows) = rows() else { return };
    let mut wrong = Vec::new();
    for row in &rows {
        let told = requests([row.bytes.as_slice()]);
        if let Some(why) = judge(row, &told) {
            wrong.push(format!("{}: {why}", row.path));
        }
        assert_eq!(requests(row.bytes.chunks(1)), told, "{}: byte by byte it is another", row.path);
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn judge(row: &Row, told: &Rehearsal) -> Option<String> {
    if !row.is_valid {
        return (told.refused.is_none()).then(|| "passes".to_owned());
    }
    if let Some(refusal) = told.refused {
        return Some(format!("refused: {refusal}"));
    }
    if !told.is_between {
        return Some("not read to its end".to_owned());
    }
    // Of two requests the first may be the last one, by what it says itself; the relay stops there.
    for (expected, message) in row.requests.iter().zip(&told.messages) {
        let expected = format!("{expected} HTTP/1.");
        if !message.starts_with(expected.as_bytes()) {
            return Some(format!("`{expected}` is sent on as `{}`", message.escape_ascii()));
        }
    }
    (told.messages.len() < row.requests.len()).then(|| "too few requests".to_owned())
}

fn rows() -> Option<Vec<Row>> {
    let corpora = std::env::var_os("BANGASA_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"), PathBuf::from);
    let Ok(table) = fs::read_to_string(corpora.join("truth/http1.tsv")) else {
        assert!(std::env::var_os("CI").is_none(), "no requests in `{}`; set BANGASA_CORPORA", corpora.display());
        eprintln!("no requests in `{}`; set BANGASA_CORPORA to test on them", corpora.display());
        return None;
    };
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split('\t').collect::<Vec<_>>()).filter(|columns| columns[5] == "0");
    let rows: Vec<_> = rows
        .map(|columns| Row {
            path: columns[0].to_owned(),
            is_valid: columns[2] == "valid",
            requests: columns[3].split(" | ").map(str::to_owned).collect(),
            bytes: fs::read(corpora.join(columns[0])).expect("the request is there"),
        })
        .collect();
    assert!(rows.len() > 50, "only {} rows count", rows.len());
    Some(rows)
}
