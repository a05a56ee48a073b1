//! The explicit proxy at work: real clients of two municipalities with equal addresses ask it for hosts.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Output;
use std::time::Duration;

use lab::Lab;
use lab::events::{Line, Mark};
use lab::internet::{CLOSED_NAME, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::{self, text};
use lab::wire::wait_until;
use policy::Source;

use crate::inspector::{SERVERS, TWINS, event, root};
use crate::peers::count;

/// Where the twins' proxies are.
pub(crate) const PORTS: [(&str, u16); 2] = [(TWINS[0], 8080), (TWINS[1], 3128)];

/// The inspected twins, each with a proxy of its own.
pub(crate) fn policy(second_port: u16) -> Source {
    let mut source = crate::inspector::policy();
    let town = source.files.get_mut("municipalities/shirakaba.toml").unwrap();
    town.extend_from_slice(format!("\n[proxy]\nport = {second_port}\n").as_bytes());
    source
}

pub(crate) fn lab() -> Lab {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&TWINS).unwrap();
    lab.start_daemon().unwrap();
    lab.daemon().unwrap().apply_files(policy(PORTS[1].1)).unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    lab
}

/// The proxy of a town, by either family.
pub(crate) fn proxy(lab: &Lab, town: &str, like: IpAddr) -> SocketAddr {
    let (_, port) = PORTS.into_iter().find(|(id, _)| *id == town).unwrap();
    SocketAddr::new(lab.site(town).unwrap().gateway(like).unwrap(), port)
}

/// curl at a town's site by a proxy, trusting its prefecture and nobody else.
fn curl(lab: &Lab, town: &str, proxy: SocketAddr, arguments: &str) -> Output {
    let line = format!(
        "curl --globoff --silent --show-error --max-time 30 --cacert {} --noproxy no.where -x http://{proxy} {arguments}",
        root(lab).display()
    );
    lab.site(town).unwrap().namespace().attempt(&line).unwrap()
}

/// The event of what the proxy was asked.
fn asked(lab: &Lab, since: Mark, host: &str) -> Line {
    let is_it = |line: &Line| line.tls.as_ref().is_some_and(|tls| tls.host.as_deref() == Some(host));
    let line = event(lab, since, is_it);
    assert_eq!(line.tls.as_deref().map(|tls| tls.arrival.as_str()), Some("explicit"), "{line:?}");
    line
}

#[test]
fn what_is_asked_for_by_connect_is_inspected_for_each_twin_and_family() {
    let lab = lab();
    let large = fs::read(lab.internet().large_file()).unwrap();
    for town in TWINS {
        for like in SERVERS {
            for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
                let (since, by) = (lab.daemon().unwrap().events().mark(), proxy(&lab, town, like));
                let before = count(&lab, town, "egress", "local", "proxy");
                let site = lab.site(town).unwrap();
                let client = if like.is_ipv4() { site.v4() } else { site.v6() }.unwrap();
                let option = format!("{option} --interface {client}");
                let got = curl(&lab, town, by, &format!("{option} -w \\n%{{http_version}} https://{WEB_NAME}/large"));
                let what = format!("{town} {by} {option}: {}", text(&got.stderr));
                assert!(got.status.success() && got.stdout.starts_with(&large), "{what}: {} bytes", got.stdout.len());
                assert_eq!(text(&got.stdout[large.len()..]).trim(), version, "{what}");
                assert!(count(&lab, town, "egress", "local", "proxy") > before, "{what}");
                let line = asked(&lab, since, &format!("{WEB_NAME}:443"));
                let tls = line.tls.as_deref().unwrap();
                assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("inspect", "rule"), "{line:?}");
                assert_eq!((tls.sni.as_deref(), tls.upstream.as_deref()), (Some(WEB_NAME), Some("good")), "{line:?}");
                let server: IpAddr = line.destination.as_deref().unwrap().parse().unwrap();
                assert!(SERVERS.contains(&server) && line.municipality.as_deref() == Some(town), "{line:?}");
                assert_eq!(line.source, Some(client.to_string()), "the client inside");
            }
        }
    }
}

#[test]
fn requests_in_the_clear_are_relayed_one_by_one() {
    let lab = lab();
    let (by, seen) = (proxy(&lab, TWINS[0], WEB_V4.into()), lab.internet().requests().unwrap().len());
    let urls = format!("http://{WEB_NAME}/ http://{CLOSED_NAME}/ http://{WEB_V4}/ http://[{WEB_V6}]/");
    let got = curl(&lab, TWINS[0], by, &urls);
    assert_eq!(text(&got.stdout).matches("this page came through the gateway").count(), 4, "{}", text(&got.stderr));
    let requests = lab.internet().requests().unwrap().split_off(seen);
    assert!(requests.len() == 4 && requests.iter().all(|line| line.contains("GET / HTTP/1.1")), "{requests:?}");
    let since = lab.daemon().unwrap().events().mark();
    let got = curl(&lab, TWINS[0], by, &format!("http://{WEB_NAME}/large"));
    assert!(got.stdout == fs::read(lab.internet().large_file()).unwrap(), "{} bytes", got.stdout.len());
    let line = asked(&lab, since, &format!("{WEB_NAME}:80"));
    let tls = line.tls.as_deref().unwrap();
    assert_eq!((tls.opening.as_deref(), tls.requests, line.verdict.as_str()), (Some("http"), 1, "inspect"), "{line:?}");
}

#[test]
fn what_two_readers_could_read_in_two_ways_reaches_nobody() {
    let lab = lab();
    let (site, by) = (lab.site(TWINS[0]).unwrap().namespace(), proxy(&lab, TWINS[0], WEB_V4.into()));
    // The whole answer to these bytes.
    let told = |bytes: &str| {
        let converse = || {
            let mut stream = TcpStream::connect(by)?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(bytes.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(text(&answer))
        };
        site.enter(converse).unwrap()
    };
    let seen = lab.internet().requests().unwrap().len();
    let get = |host: &str, more: &str| format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    // The second request is for another server than the one that is spoken to.
    let answer = told(&(get(WEB_NAME, "") + &get(CLOSED_NAME, "")));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    assert_eq!(lab.internet().requests().unwrap().len(), seen + 1);
    let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    for (bytes, status) in [
        (get(WEB_NAME, both), 400),
        (get(WEB_NAME, "").replace("Host: www", "Host: ww2"), 400),
        (get(WEB_NAME, "").replace("\r\n", "\n"), 400),
        (get(WEB_NAME, "").replace("http:", "https:"), 400),
        (get(&format!("{WEB_NAME}/{}", "a".repeat(9_000)), ""), 414),
        (get(WEB_NAME, &format!("X: {}\r\n", "a".repeat(70_000))), 431),
        (format!("CONNECT {WEB_NAME} HTTP/1.1\r\nHost: {WEB_NAME}\r\n\r\n"), 400),
        ("GET / HTTP/1.1\r\nHost: proxy\r\n\r\n".to_owned(), 404),
    ] {
        let answer = told(&bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    assert_eq!(lab.internet().requests().unwrap().len(), seen + 1);
}

#[test]
fn packet_rules_hold_and_nobodys_inside_is_reached() {
    let lab = lab();
    let by = proxy(&lab, TWINS[0], WEB_V4.into());
    let seen = lab.internet().requests().unwrap().len();
    let refused = |arguments: &str, host: &str, reason: &str| {
        let since = lab.daemon().unwrap().events().mark();
        let got = curl(&lab, TWINS[0], by, &format!("-w \\n%{{http_code}}:%{{http_connect}} {arguments}"));
        let told = text(&got.stdout);
        let last = told.trim().lines().last().unwrap_or_default();
        assert!(["403:000", "000:403"].contains(&last), "{arguments}: {told} {}", text(&got.stderr));
        let line = asked(&lab, since, host);
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("block", reason), "{line:?}");
        (told, line)
    };
    // nginx is there, and no rule lets clients go there.
    let (page, line) = refused(&format!("http://{WEB_NAME}:8080/"), &format!("{WEB_NAME}:8080"), "packet_rule");
    assert!(page.contains("潮見市") && page.contains("default") && line.rule.is_none(), "{page} {line:?}");
    let (page, line) = refused(&format!("http://{WEB_V4}:25/"), &format!("{WEB_V4}:25"), "packet_rule");
    assert!(page.contains("no-direct-smtp") && line.rule.as_deref() == Some("no-direct-smtp"), "{page} {line:?}");
    assert!(line.rule_location.as_deref().is_some_and(|place| place.starts_with("prefecture.toml:")), "{line:?}");
    let (_, line) = refused(&format!("https://{WEB_NAME}:25/"), &format!("{WEB_NAME}:25"), "packet_rule");
    assert_eq!(line.rule.as_deref(), Some("no-direct-smtp"));
    let inside = lab.site(TWINS[0]).unwrap().v4().unwrap();
    let outside_pool = lab.policy().municipalities.iter().find(|it| it.id == TWINS[1]).unwrap().nat_pool[0];
    for host in [
        "127.0.0.1:443".to_owned(),
        "127.0.0.1:9043".into(),
        "[::1]:443".into(),
        "[::ffff:127.0.0.1]:443".into(),
        "169.254.90.43:443".into(),
        "0.0.0.0:443".into(),
        by.to_string(),
        format!("{inside}:443"),
        format!("{outside_pool}:443"),
        format!("{}:80", lab.site(TWINS[1]).unwrap().gateway(WEB_V6.into()).map(|it| format!("[{it}]")).unwrap()),
    ] {
        // curl writes addresses its own way.
        let since = lab.daemon().unwrap().events().mark();
        let got = curl(&lab, TWINS[0], by, &format!("-k -p -w %{{http_connect}} http://{host}/"));
        assert!(text(&got.stdout).ends_with("403"), "{host}: {} {}", text(&got.stdout), text(&got.stderr));
        let line = event(&lab, since, |line| line.reason == "bad_destination");
        assert_eq!(line.verdict, "block", "{host}");
    }
    assert_eq!(lab.internet().requests().unwrap().len(), seen, "nobody was asked for anything");
    // A host that has no address.
    let since = lab.daemon().unwrap().events().mark();
    let got = curl(&lab, TWINS[0], by, "-w %{http_code} -o /dev/null http://nowhere.example.jp/");
    assert_eq!(text(&got.stdout), "502", "{}", text(&got.stderr));
    assert_eq!(asked(&lab, since, "nowhere.example.jp:80").reason, "unresolved");
}

#[test]
fn a_server_is_called_by_the_name_that_the_proxy_was_asked_for() {
    let lab = lab();
    let by = proxy(&lab, TWINS[0], WEB_V4.into());
    let since = lab.daemon().unwrap().events().mark();
    // The rules leave one name closed; what is meant is another one.
    let elsewhere = format!("--connect-to {WEB_NAME}:443:{CLOSED_NAME}:443 https://{WEB_NAME}/");
    let got = curl(&lab, TWINS[0], by, &elsewhere);
    assert!(!got.status.success() && text(&got.stderr).contains("alert"), "{}", text(&got.stderr));
    let line = asked(&lab, since, &format!("{CLOSED_NAME}:443"));
    assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("block", "false_sni"), "{line:?}");
    // By its own name it is spliced, and shows its own certificate.
    let since = lab.daemon().unwrap().events().mark();
    let public = lab.internet().pki().root();
    let got = curl(&lab, TWINS[0], by, &format!("--cacert {} https://{CLOSED_NAME}/", public.display()));
    assert!(text(&got.stdout).contains("this page came through the gateway"), "{}", text(&got.stderr));
    let line = asked(&lab, since, &format!("{CLOSED_NAME}:443"));
    assert_eq!((line.verdict.as_str(), line.rule.as_deref()), ("splice", Some("banks-stay-closed")), "{line:?}");
}

#[test]
fn browsers_find_the_proxy_by_a_file_that_runs() {
    let lab = lab();
    for (town, like) in [(TWINS[0], SERVERS[0]), (TWINS[1], SERVERS[1])] {
        let by = proxy(&lab, town, like);
        for path in ["proxy.pac", "wpad.dat"] {
            let line =
                format!("curl --globoff --silent --show-error --max-time 10 -w %{{content_type}} http://{by}/{path}");
            let got = text(&lab.site(town).unwrap().namespace().run(&line).unwrap().stdout);
            let script = got.strip_suffix("application/x-ns-proxy-autoconfig").unwrap_or_else(|| panic!("{got}"));
            let hosts =
                ["www.example.jp", "intra", "10.10.7.7", "10.11.0.1", "[2001:db8:101::7]", "city.lg.jp", "lg.jp.evil"];
            let calls: Vec<_> =
                hosts.iter().map(|host| format!("FindProxyForURL(\"http://{host}/\", \"{host}\")")).collect();
            let program = format!("{script}\nconsole.log([{}].join(\"\\n\"));", calls.join(", "));
            let ran = process::run_with_input(&mut process::command("node", ["-"]), &program).unwrap();
            let proxy = format!("PROXY {by}");
            // The bypass and one of the networks are the first twin's.
            let own = if town == TWINS[0] { "DIRECT" } else { &proxy };
            let wanted = [&proxy, "DIRECT", "DIRECT", &proxy, own, own, &proxy];
            assert_eq!(text(&ran.stdout).trim().lines().collect::<Vec<_>>(), wanted, "{town} {path}");
        }
    }
}

#[test]
fn what_a_new_policy_forbids_ends() {
    let lab = lab();
    let (town, by) = (TWINS[1], proxy(&lab, TWINS[1], WEB_V4.into()));
    let since = lab.daemon().unwrap().events().mark();
    let url = format!("--limit-rate 200k https://{WEB_NAME}/large");
    let got = std::thread::scope(|scope| {
        let fetching = scope.spawn(|| curl(&lab, town, by, &url));
        let is_open = || {
            let status = lab.daemon()?.status()?;
            let row = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(town));
            Ok(row.and_then(|row| row.inspector.as_ref()).is_some_and(|it| it.open == 1))
        };
        assert!(wait_until(Duration::from_secs(10), is_open).unwrap());
        let mut forbids = policy(by.port());
        let file = forbids.files.get_mut("municipalities/shirakaba.toml").unwrap();
        let line = "[\"tcp/80\", \"tcp/443\"]\naction = \"inspect\"";
        *file = text(file).replacen(line, "[\"tcp/80\"]\naction = \"inspect\"", 1).into_bytes();
        lab.daemon().unwrap().apply_files(forbids).unwrap();
        fetching.join().unwrap()
    });
    assert!(!got.status.success() && got.stdout.len() < lab::internet::LARGE_BYTES, "{} bytes", got.stdout.len());
    let line = asked(&lab, since, &format!("{WEB_NAME}:443"));
    assert_eq!(line.reason, "packet_rule", "{line:?}");
    let got = curl(&lab, town, by, &format!("-w %{{http_connect}} https://{WEB_NAME}/"));
    assert_eq!(text(&got.stdout), "403", "{}", text(&got.stderr));
}

#[test]
fn the_proxy_moves_with_the_policy() {
    let lab = lab();
    let town = TWINS[1];
    let old = proxy(&lab, town, WEB_V4.into());
    let new = SocketAddr::new(old.ip(), 3129);
    let answers = |by| curl(&lab, town, by, &format!("--max-time 3 https://{WEB_NAME}/")).status.success();
    assert!(answers(old) && !answers(new));
    lab.daemon().unwrap().apply_files(policy(new.port())).unwrap();
    assert!(
        wait_until(Duration::from_secs(20), || Ok(answers(new))).unwrap(),
        "{}",
        lab.daemon().unwrap().last_words()
    );
    assert!(!answers(old));
    let first = proxy(&lab, TWINS[0], WEB_V4.into());
    assert!(curl(&lab, TWINS[0], first, &format!("https://{WEB_NAME}/")).status.success(), "the twin's stays");
}
