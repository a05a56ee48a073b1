//! Towards servers: resumption, protocols, client certificates, and handshakes that fail.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certify::{Moment, Root};
use inspect::upstream::{Connected, Defect, Refused, Target, Trust, Upstream, Verified};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::pki::{Ca, Leaf};
use crate::server::{Presents, Server};

const LIMIT: Duration = Duration::from_secs(20);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A root, a server's certificate below it, and whoever trusts that.
fn trusted(folder: &Path) -> (Presents, Upstream) {
    Ca::root(folder, "root").issue(&Leaf::named("good", "DNS:www.example.jp"));
    (Presents::named(folder, "good"), upstream(folder))
}

fn upstream(folder: &Path) -> Upstream {
    let root = fs::read_to_string(folder.join("root.pem")).unwrap();
    Upstream::new(Arc::new(default_provider()), Trust::new(&[&root], &[]).unwrap().0).unwrap()
}

async fn connect(upstream: &Upstream, server: SocketAddr, alpn: &[&[u8]]) -> Connected<TcpStream> {
    let stream = TcpStream::connect(server).await.unwrap();
    let target = Target::new(Some("WWW.example.jp"), LOOPBACK);
    upstream.connect(stream, &target, alpn.iter().map(|protocol| protocol.to_vec()).collect(), LIMIT).await
}

fn verified(connected: Connected<TcpStream>) -> Verified<TcpStream> {
    match connected {
        Connected::Verified(verified) => verified,
        Connected::ClientCertificateAsked(_) => panic!("nobody should ask"),
        Connected::Defective(defective) => panic!("{}", defective.defect.text()),
        Connected::Refused(refused) => panic!("{refused}"),
    }
}

/// Fetches a page, by which tickets come too.
async fn fetch(verified: Verified<TcpStream>) -> String {
    let mut stream = verified.into_stream();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut page = Vec::new();
    // s_server does not say that it closes.
    let _ = stream.read_to_end(&mut page).await;
    String::from_utf8_lossy(&page).into_owned()
}

#[tokio::test]
async fn sessions_are_resumed_and_not_by_whoever_trusts_others() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, _) = trusted(folder.path());
    for version in ["-tls1_3", "-tls1_2"] {
        let upstream = self::upstream(folder.path());
        let server = Server::start(&presents, &[version]).await;
        let first = verified(connect(&upstream, server.address, &[]).await);
        assert!(!first.is_resumed(), "{version}");
        assert!(fetch(first).await.contains("200 ok"), "{version}");
        let second = verified(connect(&upstream, server.address, &[]).await);
        assert!(second.is_resumed(), "{version}");
        assert_eq!(second.seen().shown.names[0].to_string(), "www.example.jp");
        assert!(fetch(second).await.contains("200 ok"), "{version}");
        let other = self::upstream(folder.path());
        assert!(!verified(connect(&other, server.address, &[]).await).is_resumed(), "{version}");
    }
}

#[tokio::test]
async fn the_server_chooses_from_what_the_client_offered() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, upstream) = trusted(folder.path());
    let server = Server::start(&presents, &["-alpn", "h2,http/1.1"]).await;
    let chosen = |connected| verified(connected).alpn().map(<[u8]>::to_vec);
    assert_eq!(chosen(connect(&upstream, server.address, &[b"http/1.1", b"h2"]).await), Some(b"h2".to_vec()));
    assert_eq!(chosen(connect(&upstream, server.address, &[b"http/1.1"]).await), Some(b"http/1.1".to_vec()));
    assert_eq!(chosen(connect(&upstream, server.address, &[]).await), None);
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, upstream) = trusted(folder.path());
    for version in ["-tls1_3", "-tls1_2"] {
        let server = Server::start(&presents, &[version, "-verify", "1"]).await;
        let Connected::ClientCertificateAsked(asked) = connect(&upstream, server.address, &[]).await else {
            panic!("{version}: it asks, and goes on without");
        };
        assert_eq!(asked.seen().shown.names[0].to_string(), "www.example.jp");
        assert!(fetch(asked.without_certificate()).await.contains("200 ok"), "{version}");
    }
    // A session that was asked and given up is not resumed, or else nobody would know.
    let server = Server::start(&presents, &["-tls1_2", "-verify", "1"]).await;
    for _ in 0..2 {
        assert!(matches!(connect(&upstream, server.address, &[]).await, Connected::ClientCertificateAsked(_)));
    }
    let server = Server::start(&presents, &["-tls1_2", "-Verify", "1"]).await;
    match connect(&self::upstream(folder.path()), server.address, &[]).await {
        Connected::Refused(Refused::ClientCertificateRequired) => {}
        _ => panic!("it insists"),
    }
    // In TLS 1.3 the client is done before the server looks at what it got.
    let server = Server::start(&presents, &["-tls1_3", "-Verify", "1"]).await;
    let upstream = self::upstream(folder.path());
    let Connected::ClientCertificateAsked(asked) = connect(&upstream, server.address, &[]).await else {
        panic!("it asks");
    };
    assert_eq!(fetch(asked.without_certificate()).await, "");
}

#[tokio::test]
async fn without_a_name_the_chain_is_verified_and_the_name_is_the_clients_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, upstream) = trusted(folder.path());
    Ca::root(folder.path(), "stranger").issue(&Leaf::named("strange", "DNS:www.example.jp"));
    let server = Server::start(&presents, &[]).await;
    let target = Target::new(None, LOOPBACK);
    let stream = TcpStream::connect(server.address).await.unwrap();
    let verified = verified(upstream.connect(stream, &target, Vec::new(), LIMIT).await);
    assert_eq!(verified.seen().shown.names[0].to_string(), "www.example.jp");
    let server = Server::start(&Presents::named(folder.path(), "strange"), &[]).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    match upstream.connect(stream, &target, Vec::new(), LIMIT).await {
        Connected::Defective(defective) => assert_eq!(defective.defect, Defect::UntrustedRoot),
        _ => panic!("nobody trusts it"),
    }
}

/// How the handshake ends with one that answers so.
async fn refused_by(upstream: &Upstream, answer: Option<&[u8]>) -> Refused {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    match answer {
        Some(answer) => {
            far.write_all(answer).await.unwrap();
            far.shutdown().await.unwrap();
        }
        // Silent for as long as anybody waits.
        None => std::mem::forget(far),
    }
    match upstream.connect(near, &Target::new(Some("www.example.jp"), LOOPBACK), Vec::new(), LIMIT).await {
        Connected::Refused(refused) => refused,
        _ => panic!("there is no server"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_handshake_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (_, upstream) = trusted(folder.path());
    assert!(matches!(refused_by(&upstream, Some(b"220 mail.example.jp ESMTP\r\n")).await, Refused::NotTls(_)));
    assert!(matches!(refused_by(&upstream, Some(b"")).await, Refused::Closed));
    // A fatal alert: handshake failure.
    assert!(matches!(refused_by(&upstream, Some(&[21, 3, 3, 0, 2, 2, 40])).await, Refused::Alert(_)));
    assert!(matches!(refused_by(&upstream, None).await, Refused::TimedOut(LIMIT)));
}

/// How the handshake ends with a server that presents such a certificate and signs with a key of its own.
async fn presented(upstream: &Upstream, certificate: Vec<u8>) -> Connected<tokio::io::DuplexStream> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&some_key()).unwrap();
    let presented = CertifiedKey::new(vec![certificate.into()], key);
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(presented)));
    let (near, far) = tokio::io::duplex(1 << 16);
    let target = Target::new(Some("www.example.jp"), LOOPBACK);
    let serve = TlsAcceptor::from(Arc::new(config)).accept(far);
    tokio::join!(upstream.connect(near, &target, Vec::new(), LIMIT), serve).0
}

fn some_key() -> PrivateKeyDer<'static> {
    let now = Moment::from(SystemTime::now());
    let municipal = Root::create("x", now).unwrap().issue("x", "x", &[], now).unwrap();
    PrivateKeyDer::from_pem_slice(municipal.ecdsa.key.as_bytes()).unwrap()
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed_and_anothers_certificate_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, upstream) = trusted(folder.path());
    let good = CertificateDer::from_pem_slice(&fs::read(&presents.certificate).unwrap()).unwrap().to_vec();
    for bad in [vec![], vec![0x30], good[..good.len() - 1].to_vec(), vec![0xff; 10_000]] {
        match presented(&upstream, bad).await {
            Connected::Defective(defective) => {
                assert_eq!(defective.defect, Defect::Malformed);
                assert_eq!(defective.seen.shown.names[0].to_string(), "www.example.jp");
            }
            // rustls does not let an empty certificate through to be judged.
            Connected::Refused(Refused::NotTls(_)) => {}
            Connected::Refused(other) => panic!("{other}"),
            _ => panic!("it cannot be read"),
        }
    }
    assert!(matches!(presented(&upstream, good).await, Connected::Refused(Refused::NoProof)));
}

#[tokio::test]
async fn an_old_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (presents, upstream) = trusted(folder.path());
    let server = Server::start(&presents, &["-tls1_1"]).await;
    match connect(&upstream, server.address, &[]).await {
        Connected::Refused(Refused::Alert(_) | Refused::NothingInCommon(_)) => {}
        _ => panic!("TLS 1.1 is spoken"),
    }
}
