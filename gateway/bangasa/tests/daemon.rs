//! The commands that ask the daemon, against one that answers as told.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use control::{Applied, Change, Diagnostic, Line, Request, Response, Status};

fn halves() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies/halves")
}

/// Runs a command against a daemon that sends this answer and these lines; exit code, stdout, stderr, and the request.
fn ask(arguments: &[&str], answer: &Response, lines: &[Line]) -> (i32, String, String, Request) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bangasa"));
    command.arg("--socket").arg(&socket).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.env("SUDO_USER", "tester").spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut asked = String::new();
    BufReader::new(stream.try_clone().unwrap()).read_line(&mut asked).unwrap();
    let lines = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>();
    write!(stream, "{}\n{lines}", serde_json::to_string(answer).unwrap()).unwrap();
    drop(stream);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let request = serde_json::from_str(&asked).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr), request)
}

fn change(municipality: Option<&str>, text: &str) -> Change {
    Change { municipality: municipality.map(str::to_owned), text: text.into() }
}

#[test]
fn plan_groups_changes_and_tells_them_by_its_exit_code() {
    let changes = vec![
        change(Some("sendai"), "egress rule `web`: changed\n  action: allow → inspect"),
        change(None, "block: threats added"),
        change(Some("sendai"), "name: a → b"),
    ];
    let planned = |changes| Response::Planned { generation: Some(3), changes, diagnostics: vec![] };
    let directory = halves();
    let directory = directory.to_str().unwrap();
    let (code, stdout, _, request) = ask(&["plan", directory], &planned(changes.clone()), &[]);
    assert_eq!(code, 4);
    assert_eq!(
        stdout,
        "prefecture:\n  - block: threats added\nsendai:\n  - egress rule `web`: changed\n      action: allow → inspect\n  - \
         name: a → b\n"
    );
    assert!(matches!(request, Request::Plan { files } if files.files.contains_key("prefecture.toml")));
    let (code, stdout, _, _) = ask(&["plan", directory, "--json"], &planned(changes), &[]);
    assert_eq!((code, stdout.lines().count()), (4, 3));
    let (code, stdout, _, _) = ask(&["plan", directory], &planned(vec![]), &[]);
    assert_eq!((code, stdout.as_str()), (0, "nothing would change\n"));
}

#[test]
fn apply_says_who_and_why_and_what_judges_now() {
    let applied = Response::Applied(Applied {
        generation: 4,
        previous: Some(3),
        digest: "abcd".into(),
        changes: vec![change(None, "block: threats added")],
        diagnostics: vec![],
        warnings: vec!["wan0 runs in generic mode".into()],
        took_ms: 12,
    });
    let (code, stdout, stderr, request) =
        ask(&["apply", halves().to_str().unwrap(), "--because", "ticket 4711"], &applied, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("generation 4, after 3, judges from now on; digest abcd; 12 ms"), "{stdout}");
    assert!(stderr.contains("warning: wan0 runs in generic mode"), "{stderr}");
    let Request::Apply { because, who, .. } = request else { panic!("{request:?}") };
    assert_eq!((because.as_deref(), who.as_str()), (Some("ticket 4711"), "tester"));
}

#[test]
fn a_refusal_is_an_invalid_policy_and_a_failure_a_failure() {
    let diagnostic = Diagnostic {
        severity: "error".into(),
        code: "capacity".into(),
        file: "prefecture.toml".into(),
        line: 1,
        column: 1,
        message: "too large".into(),
        help: None,
        text: "error[capacity]: too large".into(),
    };
    let directory = halves();
    let arguments = ["apply", directory.to_str().unwrap()];
    let (code, stdout, stderr, _) = ask(&arguments, &Response::Invalid { diagnostics: vec![diagnostic] }, &[]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("error[capacity]: too large") && stderr.contains("nothing was changed"), "{stderr}");
    let failed = Response::Failed { message: "the flow table is on fire".into() };
    let (code, _, stderr, _) = ask(&arguments, &failed, &[]);
    assert_eq!((code, stderr.as_str()), (1, "bangasa: the flow table is on fire\n"));
}

#[test]
fn status_and_events_pass_on_what_the_daemon_says() {
    let status = Status { generation: 7, digest_matches: true, ..Status::default() };
    let (code, stdout, _, _) = ask(&["status", "--json"], &Response::Status(Box::new(status.clone())), &[]);
    assert_eq!((code, serde_json::from_str::<Status>(&stdout).unwrap()), (0, status));

    let line = Line { reason: "blocked".into(), verdict: "drop".into(), time: Some("now".into()), ..Line::default() };
    let arguments = ["events", "--municipality", "sendai", "--json"];
    let (code, stdout, _, request) = ask(&arguments, &Response::Events, &[line.clone(), line.clone()]);
    assert_eq!((code, stdout.lines().count()), (0, 2));
    assert_eq!(serde_json::from_str::<Line>(stdout.lines().next().unwrap()).unwrap(), line);
    assert_eq!(request, Request::Events { follow: false, municipality: Some("sendai".into()) });
    let (_, stdout, _, _) = ask(&["events", "--follow"], &Response::Events, &[line]);
    assert!(stdout.starts_with("now drop    blocked"), "{stdout}");
}
