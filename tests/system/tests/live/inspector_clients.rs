//! Clients of people behind an inspector: a browser, and a scanner that tries all that it knows.

use std::net::IpAddr;
use std::path::Path;

use lab::browser::{Browser, Quic};
use lab::internet::{SELF_SIGNED_NAME, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::text;
use lab::{Lab, daemon};

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

/// `ERR_CERT_COMMON_NAME_INVALID`.
const WRONG_NAME: i64 = -200;
/// `ERR_CERT_AUTHORITY_INVALID`.
const WRONG_AUTHORITY: i64 = -202;

#[test]
fn a_browser_reads_pages_and_sees_true_errors() {
    let lab = lab();
    let root = daemon::Files::of(lab.id()).authorities.join("root.pem");
    let (home, public) = (tempfile::tempdir().unwrap(), lab.internet().pki().root());
    let browser =
        |namespace, name: &str, root: &Path| Browser::new(namespace, &home.path().join(name), &[root], Quic::Off);
    let behind = browser(lab.site(TOWN).unwrap().namespace(), "behind", &root).unwrap();
    let direct = browser(lab.internet().namespace(), "direct", &public).unwrap();
    for server in SERVERS {
        let since = lab.daemon().unwrap().events().mark();
        let visit = behind.open(&format!("https://{WEB_NAME}/"), server).unwrap();
        assert_eq!(visit.certificate_error(), None, "{server}");
        assert!(visit.page.contains("this page came through the gateway"), "{server}: {}", visit.page);
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
        let [seen, truth] = [&behind, &direct].map(|browser| browser.open(&url, SERVERS[0]).unwrap());
        assert_eq!(truth.certificate_error(), Some(error), "{name}, direct");
        assert_eq!(seen.certificate_error(), Some(error), "{name}, behind the gateway: {}", seen.page);
        assert!(!seen.page.contains("came through the gateway"), "{name}: {}", seen.page);
    }
}

#[test]
fn a_browser_that_tries_quic_has_its_page_by_tcp() {
    let lab = crate::quic::lab();
    let (home, root) = (tempfile::tempdir().unwrap(), daemon::Files::of(lab.id()).authorities.join("root.pem"));
    let site = lab.site(TOWN).unwrap();
    let browser = Browser::new(site.namespace(), &home.path().join("browser"), &[&root], Quic::Tried).unwrap();
    let url = format!("https://{WEB_NAME}/");
    for server in SERVERS {
        // The first time the server says that it speaks HTTP/3.
        let first = browser.open(&url, server).unwrap();
        assert!(first.page.contains("this page came through the gateway"), "{server}: {}", first.page);
        let here = if server.is_ipv4() { site.v4().unwrap() } else { site.v6().unwrap() };
        browser.believe_in_quic(here).unwrap();
        let since = lab.daemon().unwrap().events().mark();
        let visit = browser.open(&url, server).unwrap();
        assert!(visit.page.contains("this page came through the gateway"), "{server}: {}", visit.page);
        assert!(visit.quic_sessions().unwrap() > 0, "{server}: QUIC was not tried");
        let wanted = |line: &lab::events::Line| line.protocol == Some(17) && line.tls.is_some();
        let line = lab.daemon().unwrap().events().wait(since, wanted).unwrap().unwrap();
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("block", "by_tcp"), "{line:?}");
        let tls = line.tls.as_deref().unwrap();
        assert_eq!((tls.sni.as_deref(), tls.opening.as_deref()), (Some(WEB_NAME), Some("quic")), "{line:?}");
        assert_eq!(line.destination, Some(server.to_string()));
    }
    assert_eq!(lab.internet().http3_requests(), Vec::<String>::new());
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
