//! The program as people and scripts meet it: exit codes, what goes to stdout and what to stderr.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DONE: i32 = 0;
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const INVALID: i32 = 3;
const DIFFERENCES: i32 = 4;

fn policy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies").join(name)
}

fn bangasa() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bangasa"));
    command.env("BANGASA_SOCKET", "/nonexistent/control.sock").stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    told(&bangasa().args(arguments).output().unwrap())
}

/// `replay` by the model, the capture on standard input.
fn replay(port: &str, pcap: &[u8], more: &[&str]) -> (i32, String, String) {
    let mut command = bangasa();
    command.args(["replay", "--engine", "model", "--pcap", "-", "--port", port, "--policy"]).arg(policy("everyone"));
    let mut child =
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The program may end before it has read everything.
    let _ = stdin.write_all(pcap);
    drop(stdin);
    told(&child.wait_with_output().unwrap())
}

/// A UDP datagram, 10.1.2.3:5000 to 198.51.100.7:53.
const DATAGRAM: [u8; 42] = [
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 1, 2, 3, 198, 51, 100, 7,
    0x13, 0x88, 0, 53, 0, 8, 0, 0,
];

fn pcap(link: u8, packets: usize) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, link, 0, 0, 0];
    for _ in 0..packets {
        file.extend([1, 0, 0, 0, 0, 0, 0, 0, DATAGRAM.len() as u8, 0, 0, 0, DATAGRAM.len() as u8, 0, 0, 0]);
        file.extend(DATAGRAM);
    }
    file
}

#[test]
fn help_is_no_failure_and_nonsense_is_wrong_usage() {
    assert_eq!(run(&["--help"]).0, DONE);
    assert_eq!(run(&["replay", "--help"]).0, DONE);
    assert_eq!(run(&[]).0, USAGE);
    assert_eq!(run(&["frobnicate"]).0, USAGE);
    assert_eq!(run(&["replay", "--policy", "x"]).0, USAGE);
    assert_eq!(run(&["check"]).0, USAGE);
}

#[test]
fn check_counts_for_people_and_is_silent_for_programs() {
    let directory = policy("halves");
    let directory = directory.to_str().unwrap();
    let (code, stdout, stderr) = run(&["check", directory]);
    assert_eq!((code, stdout.as_str()), (DONE, ""), "{stderr}");
    assert!(
        stderr.contains(
            "半分県 (halves): 2 municipalities, 8 rules, 0 TLS rules, 0 HTTP rules, 4 prefixes in 2 sets; digest "
        ),
        "{stderr}"
    );
    assert_eq!(run(&["check", directory, "--json"]).0, DONE);
}

#[test]
fn an_invalid_policy_is_told_apart_from_a_missing_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let missing = directory.path().join("nowhere");
    let (code, stdout, stderr) = run(&["check", missing.to_str().unwrap(), "--json"]);
    assert_eq!((code, stdout.as_str()), (FAILED, ""));
    assert!(stderr.contains("nowhere"), "{stderr}");

    // A directory that is there but holds no policy is a mistake like any other.
    let (code, stdout, _) = run(&["check", path, "--json"]);
    let diagnostic: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &diagnostic["code"], &diagnostic["file"]),
        (INVALID, &"missing-file".into(), &"prefecture.toml".into())
    );

    std::fs::write(directory.path().join("prefecture.toml"), "schema = 1\ncolour = \"blue\"\n").unwrap();
    let (code, stdout, stderr) = run(&["check", path]);
    assert_eq!((code, stdout.as_str()), (INVALID, ""));
    assert!(stderr.contains("prefecture.toml:2") && stderr.contains("colour"), "{stderr}");
    let (code, stdout, _) = run(&["check", path, "--json"]);
    assert_eq!(code, INVALID);
    let diagnostics: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(diagnostics.iter().any(|it| it["code"] == "unknown-key" && it["line"] == 2), "{stdout}");

    let (code, _, _) = run(&["explain", "--policy", path, "--port", "lan0", "icmp 10.0.0.1 > 10.0.0.2"]);
    assert_eq!(code, INVALID);
    assert_eq!(run(&["plan", path]).0, INVALID);
    assert_eq!(run(&["apply", path]).0, INVALID);
}

#[test]
fn replay_prints_one_object_a_packet() {
    let (code, stdout, stderr) = replay("lan0.101", &pcap(1, 2), &["--json"]);
    assert_eq!((code, stderr.as_str()), (DONE, ""));
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(
        lines[0],
        concat!(
            r#"{"packet":1,"vlan":[101],"source":"10.1.2.3","destination":"198.51.100.7","protocol":17,"source_port":5000,"#,
            r#""destination_port":53,"verdict":"forward","reason":"rule","set":null,"rule":"udp","municipality":"everyone","#,
            r#""generation":1,"direction":"egress","fragment":false}"#
        )
    );
    assert!(lines[1].contains(r#""packet":2"#) && lines[1].contains(r#""reason":"established""#), "{stdout}");
    let (_, stdout, _) = replay("lan0", &pcap(1, 2), &[]);
    assert!(stdout.contains("udp 10.1.2.3:5000 > 198.51.100.7:53 by rule `udp`"), "{stdout}");
    assert!(
        stdout
            .ends_with("2 packets, judged by the model\n          1  forward established\n          1  forward rule\n")
    );
}

#[test]
fn a_damaged_capture_is_judged_up_to_the_damage() {
    let file = pcap(1, 3);
    let (code, stdout, stderr) = replay("lan0", &file[..file.len() - 1], &["--json"]);
    assert_eq!((code, stdout.lines().count()), (FAILED, 2));
    assert!(
        stderr.contains("damaged after packet 2: the file ends inside a packet: 41 of 42 bytes are there"),
        "{stderr}"
    );
}

#[test]
fn what_cannot_enter_a_port_is_named() {
    let (code, stdout, stderr) = replay("lan0", &pcap(113, 1), &["--json"]);
    assert_eq!((code, stdout.as_str()), (FAILED, ""));
    assert!(stderr.contains("link type 113 (LINUX_SLL)"), "{stderr}");
    let (code, _, stderr) = replay("lan0", b"not a capture", &[]);
    assert_eq!(code, FAILED);
    assert!(stderr.contains("neither a pcap nor a pcapng file"), "{stderr}");
}

#[test]
fn an_unknown_port_is_answered_with_those_that_exist() {
    for port in ["lan7", "lan0.5000", "wan0.5", "inspector:nobody", "inspector:everyone.5", ""] {
        let (code, _, stderr) = replay(port, &pcap(1, 1), &[]);
        assert_eq!(code, USAGE, "{port}: {stderr}");
        assert!(stderr.contains(&format!("`{port}`")), "{stderr}");
    }
    let (_, _, stderr) = replay("lan7", &pcap(1, 1), &[]);
    assert!(stderr.contains("its ports are wan0, lan0; municipalities are attached at lan0, lan0.101"), "{stderr}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&pcap(1, 20_000)).unwrap();
    let mut command = bangasa();
    command.args(["replay", "--engine", "model", "--port", "lan0", "--json", "--policy"]).arg(policy("everyone"));
    let mut child =
        command.arg("--pcap").arg(file.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with(r#"{"packet":1,"#), "{first}");
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (DONE, ""));
}

#[test]
fn without_privileges_the_kernel_engine_points_to_the_model() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_bangasa"), "replay", "--port", "lan0"]);
    let output = command.args(["--pcap", "/dev/null", "--policy"]).arg(policy("everyone")).output();
    let (code, _, stderr) = told(&output.expect("this test needs `setpriv`, from package util-linux"));
    assert_eq!(code, FAILED);
    assert!(stderr.contains("needs root") && stderr.contains("--engine model"), "{stderr}");
}

#[test]
fn explain_names_the_rule_and_its_place() {
    let directory = policy("everyone");
    let explain = |more: &[&str]| {
        let arguments = ["explain", "--policy", directory.to_str().unwrap(), "--port", "lan0.101"];
        run(&[&arguments, more].concat())
    };
    let (code, stdout, stderr) = explain(&["tcp 10.1.2.3:51000 > 198.51.100.7:443"]);
    assert_eq!(code, DONE, "{stderr}");
    assert!(stdout.contains("`web` (municipalities/everyone.toml:"), "{stdout}");
    let (_, stdout, _) = explain(&["udp 10.1.2.3:51000 > 192.0.2.7:53", "--json"]);
    let explanation: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&explanation["verdict"], &explanation["set"]), (&"drop".into(), &"documentation".into()));
    let (_, stdout, _) = explain(&["tcp 10.1.2.3:51000 > 198.51.100.7:443", "--inspector-down", "--json"]);
    let explanation: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(explanation["steps"].to_string().contains("inspector_down"), "{stdout}");
    // Everything is somebody's in this policy, and so is not the Internet's.
    assert_eq!((&explanation["verdict"], &explanation["reason"]), (&"drop".into(), &"no_route".into()));
    let (code, _, stderr) = explain(&["tcp 10.1.2.3 to nowhere"]);
    assert_eq!(code, USAGE, "{stderr}");
}

#[test]
fn explain_asks_tls_rules_where_packet_rules_inspect() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/example");
    let packet = "tcp 10.10.64.7:51000 > 198.51.100.4:443";
    let explain = |more: &[&str]| {
        let arguments = ["explain", "--policy", directory.to_str().unwrap(), "--port", "lan0.101", packet];
        run(&[&arguments, more].concat())
    };
    let (code, stdout, stderr) = explain(&["--sni", "WWW.Bank.Example"]);
    assert_eq!((code, stderr.as_str()), (DONE, ""));
    assert!(
        stdout.contains("then splice, the prefecture's TLS rule `banks-stay-closed` (prefecture.toml:"),
        "{stdout}"
    );
    assert!(stdout.contains("not `known-implant` (prefecture.toml:"), "{stdout}");
    let (_, stdout, _) = explain(&["--sni", "ゲーム.example", "--alpn", "h2,http/1.1", "--json"]);
    let explanation: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&explanation["verdict"], &explanation["tls"]["action"]), (&"inspect".into(), &"block".into()));
    assert_eq!(explanation["tls"]["rule"]["name"], "no-games-at-school");
    assert_eq!(explanation["tls"]["rule"]["location"]["file"], "municipalities/shiomi.toml");
    let implant = ["--ja4", "t12d1209h1_d34a8e72043a_b39be8c56a14"];
    assert!(explain(&implant).1.contains("then block, the prefecture's TLS rule `known-implant`"));
    assert!(explain(&["--speaks", "http"]).1.contains("then inspect, the default of TLS rules"));
    assert!(explain(&[]).1.contains("ask with `--sni NAME`"));
    let upload = explain(&["--http", "PUT https://a.drive.example/upload/x"]).1;
    assert!(upload.contains("then allow, HTTP rule `small-uploads` (municipalities/shiomi.toml:"), "{upload}");
    let program = ["--http", "GET http://other.example/setup", "--type", "pe", "--json"];
    let explanation: serde_json::Value = serde_json::from_str(&explain(&program).1).unwrap();
    assert_eq!(
        (&explanation["http"]["action"], &explanation["http"]["rule"]["name"]),
        (&"block".into(), &"no-programs".into())
    );
    let login = explain(&["--http", "GET https://login.windows.net/"]).1;
    assert!(login.contains("Restrict-Access-To-Tenants: shiomi.example.jp"), "{login}");
    assert_eq!(explain(&["--http", "https://a.example/"]).0, USAGE);
    assert_eq!(explain(&["--sni", "*.example"]).0, USAGE);
    assert_eq!(explain(&["--speaks", "smtp"]).0, USAGE);
}

#[test]
fn plan_offline_tells_differences_by_its_exit_code() {
    let (everyone, halves) = (policy("everyone"), policy("halves"));
    let (everyone, halves) = (everyone.to_str().unwrap(), halves.to_str().unwrap());
    let (code, stdout, _) = run(&["plan", everyone, "--against", everyone]);
    assert_eq!((code, stdout.as_str()), (DONE, "nothing would change\n"));
    let (code, stdout, _) = run(&["plan", everyone, "--against", halves]);
    assert_eq!(code, DIFFERENCES);
    assert!(stdout.contains("everyone:\n") && stdout.contains("private:\n"), "{stdout}");
}

#[test]
fn without_a_daemon_its_commands_say_where_it_was_looked_for() {
    for arguments in [&["status"][..], &["events"], &["plan", policy("halves").to_str().unwrap()]] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, FAILED);
        assert!(stderr.contains("/nonexistent/control.sock"), "{stderr}");
    }
}

#[test]
fn hello_names_link_types_that_it_cannot_take_apart_and_needs_no_policy() {
    let directory = tempfile::tempdir().unwrap();
    let hello = |link: u8| {
        let path = directory.path().join(format!("{link}.pcap"));
        std::fs::write(&path, pcap(link, 2)).unwrap();
        run(&["hello", "--json", "--pcap", path.to_str().unwrap()])
    };
    assert_eq!(hello(1), (DONE, String::new(), String::new()), "a capture without hellos");
    let (code, stdout, stderr) = hello(189);
    assert_eq!((code, stdout.as_str()), (FAILED, ""));
    assert!(stderr.contains("2 packets skipped: link type 189 (USB_LINUX)"), "{stderr}");
    let (code, _, stderr) = run(&["hello", "--pcap", "/nonexistent.pcap"]);
    assert_eq!(code, FAILED);
    assert!(stderr.contains("`/nonexistent.pcap`"), "{stderr}");
}
