//! The requests that others collected (`BANGASA_CORPORA`, by default `../shared/corpora` beside the repository): every
//! invalid one is refused, every valid one passes, but for those that their suite itself expects only with settings of
//! its own, which are named here one by one.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::rehearsal::Rehearsal;
use super::cuts::requests;

/// What the suite expects with a setting of its own, and the relay does otherwise, with the reason.
const OTHERWISE: [(&str, &str); 9] = [
    // Valid there with `strip_header_spaces`; without it the suite has the same as invalid/020. RFC 9112 §5.1: MUST reject.
    ("valid/028", "refused"),
    // With `permit_obsolete_folding`; without it invalid/obs_fold_01. RFC 9112 §5.2: refuse, or make it one line.
    ("valid/compat_obs_fold", "refused"),
    // With `proxy_protocol`: these are not HTTP before the line or block of the PROXY protocol is taken away, which only a
    // balancer in front may say, and there is none in front of an inspector.
    ("valid/pp_01", "refused"),
    ("valid/pp_02", "refused"),
    ("valid/pp_04", "refused"),
    ("valid/pp_05", "refused"),
    // With `limit_request_field_size = 10`, which `Accept: */*` is longer than.
    ("invalid/010", "passes"),
    // With `forwarded_allow_ips = *`: the fields that say by which scheme a client came contradict one another. They are the
    // server's, whom such a client would tell so; nothing in the way may believe them.
    ("invalid/019", "passes"),
    // With `header_map = refuse`; without it valid/040, the same bytes. The fields with an underscore are not sent on.
    ("invalid/040", "passes"),
];

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
        let otherwise = OTHERWISE.iter().find(|(name, _)| row.path.ends_with(&format!("/{name}.bin")));
        match (otherwise, judge(row, &told)) {
            (None, None) => {}
            (None, Some(why)) => wrong.push(format!("{}: {why}", row.path)),
            (Some((_, expected)), why) if why.as_ref().is_some_and(|why| why.starts_with(expected)) => {}
            (Some((_, expected)), why) => wrong.push(format!("{}: {why:?} where it is {expected}", row.path)),
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
    let rows: Vec<_> = lines
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|columns| Row {
            path: columns[0].to_owned(),
            is_valid: columns[2] == "valid",
            requests: columns[3].split(" | ").map(str::to_owned).collect(),
            bytes: fs::read(corpora.join(columns[0])).expect("the request is there"),
        })
        .collect();
    assert!(rows.len() >= 68, "only {} rows", rows.len());
    Some(rows)
}
