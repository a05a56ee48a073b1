//! The inspectors at work: real clients of two municipalities, real servers, connections opened, spliced and refused.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use lab::events::Line;
use lab::internet::{CLOSED_NAME, ELSEWHERE_NAME, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::text;
use lab::wire::wait_until;
use lab::{Lab, daemon};
use policy::Source;

/// Two municipalities with the same private addresses.
pub(crate) const TWINS: [&str; 2] = ["shiomi", "shirakaba"];
pub(crate) const SERVERS: [IpAddr; 2] = [IpAddr::V4(WEB_V4), IpAddr::V6(WEB_V6)];

/// The example, in which both towns' web traffic is inspected.
pub(crate) fn policy() -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let town = source.files.get_mut("municipalities/shirakaba.toml").unwrap();
    let text = String::from_utf8(town.clone()).unwrap();
    let inspected = text.replacen(
        "ports = [\"tcp/80\", \"tcp/443\", \"udp/443\"]\naction = \"allow\"",
        "ports = [\"tcp/80\", \"tcp/443\"]\naction = \"inspect\"",
        1,
    );
    assert_ne!(inspected, text);
    *town = inspected.into_bytes();
    source
}

/// A lab whose inspectors serve.
fn lab() -> Lab {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&TWINS).unwrap();
    lab.start_daemon().unwrap();
    lab.daemon().unwrap().apply_files(policy()).unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    lab
}

pub(crate) fn root(lab: &Lab) -> PathBuf {
    daemon::Files::of(lab.id()).authorities.join("root.pem")
}

/// curl at a town's site, trusting its prefecture and nobody else; `name` is at `server`.
fn curl(lab: &Lab, town: &str, name: &str, server: IpAddr, arguments: &str) -> Output {
    let address = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
    let root = root(lab);
    let line = format!(
        "curl --silent --show-error --max-time 30 --cacert {} --resolve {name}:443:{address} --resolve {name}:80:{address} \
         {arguments}",
        root.display()
    );
    lab.site(town).unwrap().namespace().attempt(&line).unwrap()
}

/// The event of a connection, which comes when it has ended.
pub(crate) fn event(lab: &Lab, since: lab::events::Mark, wanted: impl Fn(&Line) -> bool) -> Line {
    let found = lab.daemon().unwrap().events().wait(since, |line| line.tls.is_some() && wanted(line)).unwrap();
    found.unwrap_or_else(|| panic!("no such event; the daemon: {}", lab.daemon().unwrap().last_words()))
}

#[test]
fn opened_over_both_protocols_and_families_and_whole() {
    let lab = lab();
    let large = fs::read(lab.internet().large_file()).unwrap();
    for town in TWINS {
        for server in SERVERS {
            for (option, protocol) in [("--http1.1", "1.1"), ("--http2", "2")] {
                let since = lab.daemon().unwrap().events().mark();
                let seen = lab.internet().requests().unwrap().len();
                let format = "|%{http_version}|%{ssl_verify_result}";
                let got = curl(&lab, town, WEB_NAME, server, &format!("{option} -w {format} https://{WEB_NAME}/large"));
                let what = format!("{town} {server} {option}: {}", text(&got.stderr));
                assert!(got.status.success(), "{what}");
                let body = &got.stdout[..large.len().min(got.stdout.len())];
                assert!(body == large, "{what}: {} bytes of {}", got.stdout.len(), large.len());
                let told = text(&got.stdout[large.len()..]);
                assert_eq!(told, format!("|{protocol}|0"), "{what}");
                let requests = lab.internet().requests().unwrap();
                let arrived: Vec<_> = requests[seen..].iter().filter(|line| line.contains("/large")).collect();
                assert_eq!(arrived.len(), 1, "{what}: {requests:?}");
                let client = arrived[0].split(' ').next().unwrap();
                assert!(is_municipal(&lab, town, client), "{what}: the server saw {client}");
                let line = event(&lab, since, |line| line.municipality.as_deref() == Some(town));
                let tls = line.tls.as_deref().unwrap();
                assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("inspect", "rule"), "{line:?}");
                assert_eq!(tls.sni.as_deref(), Some(WEB_NAME), "{line:?}");
                assert_eq!(tls.upstream.as_deref(), Some("good"), "{line:?}");
                assert_eq!(line.destination.as_deref(), Some(server.to_string().as_str()));
                assert_eq!(line.source, Some(site_address(&lab, town, server)), "the client inside");
                assert!(tls.ja4.as_deref().is_some_and(|ja4| ja4.starts_with("t13d")), "{line:?}");
                assert!(tls.requests == 1 && tls.bytes_received > large.len() as u64, "{line:?}");
            }
        }
    }
}

fn site_address(lab: &Lab, town: &str, server: IpAddr) -> String {
    let site = lab.site(town).unwrap();
    if server.is_ipv4() { site.v4().unwrap().to_string() } else { site.v6().unwrap().to_string() }
}

/// Whether a server saw this municipality: an address of its pool, or one of its own.
fn is_municipal(lab: &Lab, town: &str, client: &str) -> bool {
    let address: IpAddr = client.parse().unwrap();
    let town = lab.policy().municipalities.iter().find(|it| it.id == town).unwrap();
    match address {
        IpAddr::V4(address) => town.nat_pool.contains(&address),
        IpAddr::V6(_) => town.prefixes.iter().any(|prefix| prefix.contains(&address)),
    }
}

#[test]
fn uploads_are_whole_and_plain_http_is_looked_at_too() {
    let lab = lab();
    let since = lab.daemon().unwrap().events().mark();
    let got = curl(&lab, TWINS[0], WEB_NAME, SERVERS[0], &format!("http://{WEB_NAME}/"));
    assert!(text(&got.stdout).contains("this page came through the gateway"), "{}", text(&got.stderr));
    let line = event(&lab, since, |line| line.destination_port == Some(80));
    let tls = line.tls.as_deref().unwrap();
    assert_eq!((tls.opening.as_deref(), tls.requests, line.verdict.as_str()), (Some("http"), 1, "inspect"), "{line:?}");
    let file = lab.internet().large_file();
    for protocol in ["--http1.1", "--http2"] {
        // A place for it: what arrived is what was sent.
        let name = format!("uploaded{protocol}");
        let upload = format!(
            "{protocol} -w %{{size_upload}}:%{{http_code}} -T {} https://{WEB_NAME}/uploads/{name}",
            file.display()
        );
        let got = curl(&lab, TWINS[0], WEB_NAME, SERVERS[1], &upload);
        let told = text(&got.stdout);
        assert!(told.ends_with(&format!("{}:201", lab::internet::LARGE_BYTES)), "{told} {}", text(&got.stderr));
        let arrived = fs::read(file.with_file_name("uploads").join(name)).unwrap();
        assert!(arrived == fs::read(&file).unwrap(), "{protocol}: {} bytes arrived", arrived.len());
        // No place for it: the server says so before it has all of it, and the client hears that.
        let refused =
            format!("{protocol} -w %{{http_code}} -o /dev/null -T {} https://{WEB_NAME}/nowhere", file.display());
        let got = curl(&lab, TWINS[0], WEB_NAME, SERVERS[0], &refused);
        assert_eq!(text(&got.stdout), "405", "{protocol}: {}", text(&got.stderr));
    }
}

#[test]
fn what_rules_leave_closed_is_spliced_and_a_false_name_opens_nothing() {
    let lab = lab();
    let since = lab.daemon().unwrap().events().mark();
    let public = lab.internet().pki().root();
    // The client sees the server's own certificate.
    let line = format!("--cacert {} https://{CLOSED_NAME}/", public.display());
    let got = curl(&lab, TWINS[0], CLOSED_NAME, SERVERS[0], &line);
    assert!(text(&got.stdout).contains("this page came through the gateway"), "{}", text(&got.stderr));
    let line = event(&lab, since, |line| line.verdict == "splice");
    assert_eq!(line.rule.as_deref(), Some("banks-stay-closed"), "{line:?}");
    assert!(line.rule_location.as_deref().is_some_and(|place| place.starts_with("prefecture.toml:")), "{line:?}");
    // The name of another server does not lead here.
    let since = lab.daemon().unwrap().events().mark();
    let got = curl(&lab, TWINS[0], ELSEWHERE_NAME, SERVERS[0], &format!("-k https://{ELSEWHERE_NAME}/"));
    assert!(!got.status.success() && text(&got.stderr).contains("alert"), "{}", text(&got.stderr));
    let line = event(&lab, since, |line| line.reason == "false_sni");
    assert_eq!((line.verdict.as_str(), line.rule.as_deref()), ("block", Some("banks-stay-closed")), "{line:?}");
}

#[test]
fn the_user_sees_the_true_error() {
    let lab = lab();
    let since = lab.daemon().unwrap().events().mark();
    let name = "wrong.example.jp";
    let got = curl(&lab, TWINS[1], name, SERVERS[0], &format!("https://{name}/"));
    assert_eq!(got.status.code(), Some(60), "curl's word for a certificate that is not to be believed");
    assert!(text(&got.stderr).contains("no alternative certificate subject name matches"), "{}", text(&got.stderr));
    let line = event(&lab, since, |line| line.reason == "bad_certificate");
    assert_eq!(line.tls.as_deref().and_then(|tls| tls.upstream.as_deref()), Some("wrong_name"), "{line:?}");
    // Who goes on all the same reaches nobody.
    let seen = lab.internet().requests().unwrap().len();
    let got = curl(&lab, TWINS[1], name, SERVERS[0], &format!("-k https://{name}/"));
    assert!(text(&got.stdout).contains("この通信は許可されていません"), "{got:?}");
    assert_eq!(lab.internet().requests().unwrap().len(), seen);
}

#[test]
fn inspectors_have_no_privilege_and_outlive_the_daemon() {
    let mut lab = lab();
    let pids = inspectors(&lab);
    assert_eq!(pids.len(), TWINS.len(), "one for each municipality that is inspected");
    for pid in &pids {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(u64::from_str_radix(&field(set), 16), Ok(0), "{set}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".into(), "2".into()));
        assert!(!field("Uid:").split_whitespace().any(|uid| uid == "0"), "{status}");
    }
    lab.daemon_mut().unwrap().kill().unwrap();
    let get = |lab: &Lab| curl(lab, TWINS[0], WEB_NAME, SERVERS[0], &format!("https://{WEB_NAME}/"));
    let got = get(&lab);
    assert!(got.status.success(), "without a daemon: {}", text(&got.stderr));
    lab.start_daemon().unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    assert_eq!(inspectors(&lab), pids, "the same processes as before");
    // What happened meanwhile is told.
    let events = lab.daemon().unwrap().events();
    assert!(!events.since(lab::events::Mark::default(), |line| line.tls.is_some()).is_empty());
    // One that dies takes down its own connections only, and is started again.
    let victim = *pids.first().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(
        wait_until(Duration::from_secs(20), || Ok(inspectors(&lab).len() == 2 && !inspectors(&lab).contains(&victim)))
            .unwrap()
    );
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    assert!(get(&lab).status.success());
}

/// Process numbers of the lab's inspectors.
pub(crate) fn inspectors(lab: &Lab) -> BTreeSet<i32> {
    let socket = daemon::Files::of(lab.id()).inspect_socket.display().to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words.first().is_some_and(|program| program.ends_with("bangasa-inspect"))
            && words.iter().any(|word| *word == socket)
    };
    processes.filter(is_ours).collect()
}

#[test]
fn an_inspector_ends_with_what_it_was_for() {
    let mut lab = lab();
    assert_eq!(inspectors(&lab).len(), TWINS.len());
    // Nothing of one town is inspected any more.
    let source = control::read_directory(crate::example()).unwrap();
    lab.daemon().unwrap().apply_files(source).unwrap();
    let gone = wait_until(Duration::from_secs(20), || Ok(inspectors(&lab).len() == 1)).unwrap();
    assert!(gone, "{:?}", inspectors(&lab));
    lab.wait_for_inspector(TWINS[0]).unwrap();
    // The gateway is taken away.
    lab.daemon_mut().unwrap().kill().unwrap();
    let mut detach = lab.gateway().command(daemon::find_binary("bangasad").unwrap());
    let files = daemon::Files::of(lab.id());
    detach.arg("detach").arg("--pins").arg(lab.id().pins()).arg("--state").arg(&files.state);
    detach.args(["--netns-prefix", &lab.id().municipality_prefix()]);
    lab::process::run(&mut detach).unwrap();
    assert!(wait_until(Duration::from_secs(5), || Ok(inspectors(&lab).is_empty())).unwrap());
}

#[test]
fn what_a_newer_policy_decides_otherwise_ends() {
    let lab = lab();
    let since = lab.daemon().unwrap().events().mark();
    let line = format!("--limit-rate 200k https://{WEB_NAME}/large");
    let got = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| curl(&lab, TWINS[0], WEB_NAME, SERVERS[0], &line));
        let arrived =
            || Ok(!lab.internet().namespace().run("ss -Htn state established sport = :443")?.stdout.is_empty());
        assert!(wait_until(Duration::from_secs(10), arrived).unwrap());
        let mut blocks = policy();
        let file = blocks.files.get_mut("prefecture.toml").unwrap();
        let rule =
            format!("[[tls.rule]]\nname = \"not-there\"\nsni = [\"{WEB_NAME}\"]\naction = \"block\"\n\n[[tls.rule]]");
        *file = text(file).replacen("[[tls.rule]]", &rule, 1).into_bytes();
        lab.daemon().unwrap().apply_files(blocks).unwrap();
        fetching.join().unwrap()
    });
    assert!(!got.status.success() && got.stdout.len() < lab::internet::LARGE_BYTES, "{} bytes", got.stdout.len());
    let line = event(&lab, since, |line| line.reason == "overruled");
    assert_eq!(line.municipality.as_deref(), Some(TWINS[0]), "{line:?}");
}
