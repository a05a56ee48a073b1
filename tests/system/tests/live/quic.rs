//! QUIC through the inspector: what rules splice reaches the server over HTTP/3, the rest is refused and comes by TCP.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use lab::http3::{self, Fetched};
use lab::internet::{CLOSED_NAME, ELSEWHERE_NAME, WEB_NAME};
use lab::process::text;
use lab::{Lab, daemon};
use policy::Source;

use crate::inspector::{SERVERS, event};

const TOWN: &str = "shiomi";

/// A lab whose server speaks HTTP/3 too, and says so.
pub(crate) fn lab() -> Lab {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_http3().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&[TOWN]).unwrap();
    lab.start_daemon().unwrap();
    lab.wait_for_inspector(TOWN).unwrap();
    lab
}

/// The example, but what it leaves closed is blocked.
fn blocking() -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let file = source.files.get_mut("prefecture.toml").unwrap();
    let rules = "sni = [\"@banks\"]\naction = ";
    let blocked = text(file).replacen(&format!("{rules}\"splice\""), &format!("{rules}\"block\""), 1);
    assert_ne!(blocked, text(file));
    *file = blocked.into_bytes();
    source
}

fn fetch(lab: &Lab, server: IpAddr, name: &str, root: &Path, path: &str) -> anyhow::Result<Fetched> {
    http3::fetch(lab.site(TOWN).unwrap().namespace(), SocketAddr::new(server, 443), name, root, path)
}

#[test]
fn what_rules_splice_reaches_the_server_whole() {
    let lab = lab();
    let large = std::fs::read(lab.internet().large_file()).unwrap();
    let root = lab.internet().pki().root();
    for server in SERVERS {
        let since = lab.daemon().unwrap().events().mark();
        let seen = lab.internet().http3_requests().len();
        let got = fetch(&lab, server, CLOSED_NAME, &root, "/large").unwrap();
        assert!(got.body == large, "{server}: {} bytes of {}", got.body.len(), large.len());
        assert_eq!(lab.internet().http3_requests().len(), seen + 1);
        // Its end is not to be seen; what a newer policy decides otherwise ends at once.
        lab.daemon().unwrap().apply_files(blocking()).unwrap();
        let line = event(&lab, since, |line| line.protocol == Some(17));
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("splice", "overruled"), "{line:?}");
        assert_eq!(line.rule.as_deref(), Some("banks-stay-closed"), "{line:?}");
        let tls = line.tls.as_deref().unwrap();
        assert_eq!((tls.sni.as_deref(), tls.transport.as_str()), (Some(CLOSED_NAME), "udp"), "{line:?}");
        assert!(tls.bytes_received > large.len() as u64 && tls.bytes_sent > 2_400, "{line:?}");
        lab.daemon().unwrap().apply_files(control::read_directory(crate::example()).unwrap()).unwrap();
        lab.wait_for_inspector(TOWN).unwrap();
    }
}

#[test]
fn what_would_be_opened_or_blocked_is_refused_at_once() {
    let lab = lab();
    let root = daemon::Files::of(lab.id()).authorities.join("root.pem");
    for server in SERVERS {
        let since = lab.daemon().unwrap().events().mark();
        let error = fetch(&lab, server, WEB_NAME, &root, "/").unwrap_err();
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
        let line = event(&lab, since, |line| line.protocol == Some(17));
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("block", "by_tcp"), "{line:?}");
        let tls = line.tls.as_deref().unwrap();
        assert_eq!((tls.sni.as_deref(), tls.opening.as_deref()), (Some(WEB_NAME), Some("quic")), "{line:?}");
        assert!(tls.ja4.as_deref().is_some_and(|ja4| ja4.starts_with("q13d")), "{line:?}");
        // A false name opens no door.
        let since = lab.daemon().unwrap().events().mark();
        let error = fetch(&lab, server, ELSEWHERE_NAME, &root, "/").unwrap_err();
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
        let line = event(&lab, since, |line| line.protocol == Some(17));
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("block", "false_sni"), "{line:?}");
    }
    assert_eq!(lab.internet().http3_requests(), Vec::<String>::new());
}
