//! Clients that break HTTP/2, by Python's hyperframe and hpack, which share no code with what is tested: each violation ends
//! what RFC 9113 says, the stream or the connection; the server behind sees nothing of it; and the process goes on, for
//! others meanwhile as well.
//!
//! What is violated, and what is expected, stands in `violations/*.py`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use lab::Lab;
use lab::internet::{TLS_PORT, WEB_NAME, WEB_V4, WITNESS_NAME};
use lab::process::text;

use crate::inspector::{inspectors, root};
use crate::peers::Over;

const TOWN: &str = "shiomi";
/// The client that goes about its business meanwhile.
const BYSTANDER: &str = "10.10.1.99";
/// Violations that are known here; none may get lost.
const CASES: usize = 112;
/// By how much the process may ever have grown, in KiB: a connection has a window of a mebibyte on either side, and what
/// waits to be sent of a hundred streams.
const GROWTH_KIB: u64 = 48 << 10;

/// How a case went.
struct Told {
    name: String,
    expected: Vec<String>,
    /// What happens instead, and is known to.
    but: Option<String>,
    happened: String,
    /// How the request after it on the same connection went.
    probe: String,
    /// What the server may see of it.
    server: String,
}

#[test]
fn whoever_breaks_http2_hurts_nobody_else() {
    let lab = crate::inspector_clients::lab();
    let pids = inspectors(&lab);
    let pid = *pids.first().unwrap();
    lab.site(TOWN).unwrap().own(BYSTANDER.parse().unwrap()).unwrap();
    assert!(visit(&lab), "before anything");
    let (since, grown_from) = (lab.daemon().unwrap().events().mark(), peak_kib(pid));
    let stop = AtomicBool::new(false);
    let (cases, visits) = thread::scope(|scope| {
        let visiting = scope.spawn(|| {
            let mut visits = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(visit(&lab), "visit {visits}");
                visits += 1;
            }
            visits
        });
        let cases = {
            let _over = Over(&stop);
            violate(&lab)
        };
        (cases, visiting.join().unwrap())
    });
    assert_eq!(cases.len(), CASES);
    assert!(visits > 10, "{visits} visits meanwhile");
    assert_eq!(inspectors(&lab), pids, "the same process");
    let grown = peak_kib(pid) - grown_from;
    assert!(grown < GROWTH_KIB, "it has grown by {grown} KiB");

    let seen = lab.internet().witnessed().unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let Told { name, expected, but, happened, .. } = case;
        let connection_ends = happened.starts_with("connection:") || ["closed", "held"].contains(&happened.as_str());
        let is_known = but.as_ref() == Some(happened);
        if but.is_some() && !is_known {
            wrong.push(format!("{name}: {happened}, where {but:?} was known to happen"));
        } else if !is_known && !expected.contains(happened) {
            wrong.push(format!("{name}: {happened} instead of {}", expected.join(" or ")));
        } else if !connection_ends && case.probe != "status:200" {
            wrong.push(format!("{name}: {happened}, and the next request on the connection: {}", case.probe));
        }
        let is_seen = seen.iter().any(|line| {
            line.ends_with(&format!("/violation/{name}")) || line.ends_with(&format!("/uploads/violation-{name}"))
        });
        if is_seen && case.server == "never" {
            wrong.push(format!("{name}: the server has seen it"));
        }
        if lab.internet().file(&format!("uploads/violation-{name}")).exists() {
            wrong.push(format!("{name}: the server has taken it for whole"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let smuggled: Vec<_> = seen.iter().filter(|line| line.contains("evil") || line.contains("x HTTP/1.1")).collect();
    assert!(smuggled.is_empty(), "{smuggled:?}");

    // Whoever was sent away for it stands in the events, by that reason.
    let sent_away = cases.iter().filter(|case| case.happened.starts_with("connection:")).count();
    let told = lab.daemon().unwrap().events().since(since, |line| line.reason == "http");
    assert!(told.len() >= sent_away, "{} of {sent_away}", told.len());
}

/// A request of the bystander's.
fn visit(lab: &Lab) -> bool {
    let line = format!(
        "curl --silent --max-time 10 --http2 --interface {BYSTANDER} --cacert {} --resolve {WEB_NAME}:{TLS_PORT}:{WEB_V4} \
         https://{WEB_NAME}/",
        root(lab).display()
    );
    let got = lab.site(TOWN).unwrap().namespace().attempt(&line).unwrap();
    text(&got.stdout).contains("this page came through the gateway")
}

fn violate(lab: &Lab) -> Vec<Told> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/violations/run.py");
    // Debian's, whose packages the set-up installs; another one in front of it has others.
    let mut python = lab.site(TOWN).unwrap().namespace().command("/usr/bin/python3");
    python.arg("-B").arg(program).args([WEB_V4.to_string(), TLS_PORT.to_string()]).arg(WITNESS_NAME).arg(root(lab));
    let mut child = python.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let cases = lines.map(|line| told(&line.unwrap())).collect();
    assert!(child.wait().unwrap().success());
    cases
}

fn told(line: &str) -> Told {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let word = |key: &str| line[key].as_str().unwrap().to_owned();
    Told {
        name: word("case"),
        expected: line["expected"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect(),
        but: line["but"].as_str().map(str::to_owned),
        happened: word("happened"),
        probe: word("probe"),
        server: word("server"),
    }
}

/// The most that a process has ever had in memory.
fn peak_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
