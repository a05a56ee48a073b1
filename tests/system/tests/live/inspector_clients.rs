//! Clients of people behind an inspector: a browser, and a scanner that tries all that it knows.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use lab::internet::{SELF_SIGNED_NAME, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::{self, text};
use lab::{Lab, Namespace, daemon};

const TOWN: &str = "shiomi";
const SERVERS: [IpAddr; 2] = [IpAddr::V4(WEB_V4), IpAddr::V6(WEB_V6)];

pub(crate) fn lab() -> Lab {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&[TOWN]).unwrap();
    lab.start_daemon().unwrap();
    lab.wait_for_inspector(TOWN).unwrap();
    lab
}

/// A browser with a profile of its own that trusts one root besides those it comes with.
struct Browser<'l> {
    namespace: &'l Namespace,
    home: tempfile::TempDir,
}

impl<'l> Browser<'l> {
    fn new(namespace: &'l Namespace, root: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let database = home.path().join(".pki/nssdb");
        fs::create_dir_all(&database).unwrap();
        let database = format!("sql:{}", database.display());
        process::run(Command::new("certutil").args(["-N", "--empty-password", "-d", &database])).unwrap();
        let mut trust = Command::new("certutil");
        trust.args(["-A", "-n", "root", "-t", "C,,", "-d", &database, "-i"]).arg(root);
        process::run(&mut trust).unwrap();
        Self { namespace, home }
    }

    /// What stands in the page, and the browser's number for what is wrong with the server's certificate.
    fn open(&self, url: &str, server: IpAddr) -> (String, Option<i64>) {
        let log = self.home.path().join("net.json");
        let _ = fs::remove_file(&log);
        let server = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
        let mut chromium = self.namespace.command("timeout");
        chromium.args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
        chromium.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        chromium.args(["--disable-sync", "--disable-dev-shm-usage"]);
        chromium.arg(format!("--user-data-dir={}", self.home.path().join("profile").display()));
        chromium.arg(format!("--host-resolver-rules=MAP *.example.jp {server}"));
        chromium.arg(format!("--log-net-log={}", log.display()));
        chromium.args(["--dump-dom", url]).env("HOME", self.home.path());
        let page = text(&chromium.output().unwrap().stdout);
        (page, certificate_error(&fs::read_to_string(&log).unwrap()))
    }
}

/// The first of the numbers that Chromium keeps for certificates (net_error_list.h: -200 to -219) in its log of the network.
fn certificate_error(log: &str) -> Option<i64> {
    let numbers = log.split("\"net_error\":").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    });
    numbers.into_iter().find(|number| (-219..=-200).contains(number))
}

/// `ERR_CERT_COMMON_NAME_INVALID`.
const WRONG_NAME: i64 = -200;
/// `ERR_CERT_AUTHORITY_INVALID`.
const WRONG_AUTHORITY: i64 = -202;

#[test]
fn a_browser_reads_pages_and_sees_true_errors() {
    let lab = lab();
    let root = daemon::Files::of(lab.id()).authorities.join("root.pem");
    let behind = Browser::new(lab.site(TOWN).unwrap().namespace(), &root);
    let direct = Browser::new(lab.internet().namespace(), &lab.internet().pki().root());
    for server in SERVERS {
        let since = lab.daemon().unwrap().events().mark();
        let (page, error) = behind.open(&format!("https://{WEB_NAME}/"), server);
        assert_eq!(error, None, "{server}");
        assert!(page.contains("this page came through the gateway"), "{server}: {page}");
        let wanted = |line: &lab::events::Line| {
            let tls = line.tls.as_deref();
            line.destination == Some(server.to_string()) && tls.is_some_and(|tls| tls.requests > 0)
        };
        let line = lab.daemon().unwrap().events().wait(since, wanted).unwrap().unwrap();
        let tls = line.tls.as_deref().unwrap();
        assert_eq!((line.verdict.as_str(), tls.upstream.as_deref()), ("inspect", Some("good")), "{line:?}");
        assert!(tls.alpn.iter().any(|name| name == "h2"), "{line:?}");
    }
    for (name, error) in [("wrong.example.jp", WRONG_NAME), (SELF_SIGNED_NAME, WRONG_AUTHORITY)] {
        let url = format!("https://{name}/");
        let ((seen, told), (_, true_error)) = (behind.open(&url, SERVERS[0]), direct.open(&url, SERVERS[0]));
        assert_eq!(true_error, Some(error), "{name}, direct");
        assert_eq!(told, Some(error), "{name}, behind the gateway: {seen}");
        assert!(!seen.contains("came through the gateway"), "{name}: {seen}");
    }
}

#[test]
fn a_scanner_finds_nothing_old() {
    let lab = lab();
    let line = format!("sslscan --no-colour --sni-name={WEB_NAME} --no-heartbleed {WEB_V4}:443");
    let told = text(&lab.site(TOWN).unwrap().namespace().attempt(&line).unwrap().stdout);
    for old in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
        assert!(told.lines().any(|line| line.starts_with(old) && line.ends_with("disabled")), "{old}: {told}");
    }
    for new in ["TLSv1.2", "TLSv1.3"] {
        assert!(told.lines().any(|line| line.starts_with(new) && line.ends_with("enabled")), "{new}: {told}");
    }
    let accepted: Vec<_> =
        told.lines().filter(|line| line.starts_with("Preferred") || line.starts_with("Accepted")).collect();
    assert!(accepted.len() >= 5, "{told}");
    let is_sound = |line: &&str| line.contains("GCM") || line.contains("CHACHA20");
    assert!(accepted.iter().all(is_sound), "{accepted:#?}");
    assert!(told.contains("Session renegotiation not supported"), "{told}");
}
