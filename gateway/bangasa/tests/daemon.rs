//! The commands that ask the daemon, against one that answers as told.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use control::{Applied, Change, Diagnostic, Line, Overlaid, OverlayChange, Request, Response, Status};
use policy::Overlays;
use policy::overlay::{Indicators, Isolation, Moment, Origin, Target};

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
    let planned = |changes| Response::Planned { generation: Some(3), changes, diagnostics: vec![], warnings: vec![] };
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
        trial: None,
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

fn overlaid(done: &str) -> Response {
    let (done, warnings) = (done.to_owned(), vec!["the later end counts".to_owned()]);
    Response::Overlaid(Overlaid { generation: 8, done, until: Some(Moment(1_800_000_000)), warnings, took_ms: 90 })
}

#[test]
fn urgent_orders_say_who_and_why_and_until_when() {
    let arguments = ["isolate", "sendai/taxation", "--because", "漏えいの疑い", "--for", "2h"];
    let (code, stdout, stderr, request) = ask(&arguments, &overlaid("isolate sendai/taxation"), &[]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout, "isolate sendai/taxation, until 2027-01-15T08:00:00Z: in force, generation 8, 90 ms\n");
    assert!(stderr.contains("warning: the later end counts"), "{stderr}");
    let change = OverlayChange::Isolate { target: "sendai/taxation".into(), for_seconds: Some(7_200) };
    assert_eq!(request, Request::Overlay { change, because: "漏えいの疑い".into(), who: "tester".into() });

    let (_, _, _, request) = ask(&["release", "all", "--because", "over"], &overlaid("release all"), &[]);
    let change = OverlayChange::Release { target: "all".into() };
    assert_eq!(request, Request::Overlay { change, because: "over".into(), who: "tester".into() });

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "# 指標\n198.51.100.66\n2001:db8::/64 # the other\n").unwrap();
    let file = file.path().to_str().unwrap();
    let arguments = ["block", "add", "192.0.2.1", "--file", file, "--because", "b", "--force"];
    let (_, _, _, request) = ask(&arguments, &overlaid("block"), &[]);
    let prefixes = ["192.0.2.1/32", "198.51.100.66/32", "2001:db8::/64"].map(|text| text.parse().unwrap()).into();
    let change = OverlayChange::Block { prefixes, for_seconds: None, force: true };
    assert_eq!(request, Request::Overlay { change, because: "b".into(), who: "tester".into() });

    let frozen = Response::Frozen { freeze: None };
    let (_, stdout, _, request) = ask(&["freeze", "--lift", "--because", "晴れ"], &frozen, &[]);
    assert_eq!(stdout, "policy may change\n");
    assert_eq!(request, Request::Thaw { because: "晴れ".into(), who: "tester".into() });
    let arguments = ["freeze", "--until", "2027-01-15T17:00:00+09:00", "--because", "x"];
    let (_, _, _, request) = ask(&arguments, &frozen, &[]);
    let until = Moment(1_800_000_000);
    assert_eq!(request, Request::Freeze { until, because: "x".into(), who: "tester".into() });
}

#[test]
fn what_lies_over_the_policy_is_listed_and_explained() {
    let origin = Origin { who: "佐藤".into(), since: Moment(0), because: "漏えい先".into(), until: None };
    let prefixes = vec!["198.51.100.66/32".parse().unwrap(), "2001:db8::/64".parse().unwrap()];
    let isolation = Isolation { target: Target::All, held: vec![], origin: origin.clone() };
    let overlays = Overlays { isolations: vec![isolation], indicators: vec![Indicators { prefixes, origin }] };
    let listed = Response::Overlays { overlays: overlays.clone() };
    let (_, stdout, _, _) = ask(&["block", "list", "--json"], &listed, &[]);
    let first = r#"{"prefix":"198.51.100.66/32","who":"佐藤","since":"1970-01-01T00:00:00Z","because":"漏えい先","until":null}"#;
    assert_eq!((stdout.lines().count(), stdout.lines().next()), (2, Some(first)));
    let (_, stdout, _, _) = ask(&["isolate", "--list"], &listed, &[]);
    assert!(stdout.starts_with("all ") && stdout.contains("by 佐藤: 漏えい先"), "{stdout}");

    let files = control::read_directory(halves()).unwrap();
    let port = policy::check(&files).policy.unwrap().municipalities[0].attachments[0].name();
    let source = policy::check(&files).policy.unwrap().municipalities[0].prefixes[0].addr();
    let overlays = Overlays { isolations: vec![], ..overlays };
    let installed = Response::Policy { generation: 3, files, overlays };
    let packet = format!("udp {source}:5000 > 198.51.100.66:53");
    let (code, stdout, stderr, request) = ask(&["explain", "--port", &port, &packet], &installed, &[]);
    assert_eq!((code, request), (0, Request::Policy { generation: None }), "{stderr}");
    assert!(
        stdout.contains("set `+indicators`") && stdout.contains("by command: indicator 198.51.100.66/32"),
        "{stdout}"
    );
}

#[test]
fn mistakes_in_urgent_orders_are_wrong_usage_before_anybody_is_asked() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bangasa"));
        let output = command.args(["--socket", "/nonexistent"]).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "192.0.2.1\nno prefix\n192.0.2.1/24\n").unwrap();
    let file = file.path().to_str().unwrap();
    for (arguments, part) in [
        (vec!["isolate", "sendai"], "--because"),
        (vec!["isolate", "sendai", "--because", ""], "--because"),
        (vec!["isolate", "sendai", "--because", "x", "--for", "2 weeks"], "`2h`"),
        (vec!["block", "add", "192.0.2.1/24", "--because", "x"], "bits set"),
        (vec!["block", "add", "--file", file, "--because", "x"], "2 mistakes in"),
        (vec!["freeze", "--until", "tomorrow", "--because", "x"], "`tomorrow`"),
        (vec!["freeze", "--until", "2h"], "--because"),
        (vec!["freeze"], "--until"),
    ] {
        let (code, stderr) = run(&arguments);
        assert!(code == 2 && stderr.contains(part), "{arguments:?}: {code} {stderr}");
    }
}
