//! Towards clients: what is resumed and what is not, key exchange, and clients that know no ECDSA.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use certify::{Authority, DAY, Defect, KeyType, Moment, Name, Root, Shown, ShownKey, Validity};
use inspect::mint::{Mint, Presented};
use inspect::rewind::Rewind;
use inspect::serve::Serve;
use inspect::upstream::Trust;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::gateway::Gateway;
use crate::pki::{Ca, Leaf};
use crate::server::{Presents, Server};

const LIMIT: Duration = Duration::from_secs(20);

/// Keeps sessions under one name, whatever they are for: a client that tries to resume everywhere.
#[derive(Debug)]
struct Everywhere(ClientSessionMemoryCache);

fn one_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

impl ClientSessionStore for Everywhere {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&one_name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one_name())
    }
}

struct Sides {
    mint: Mint,
    serve: Serve,
    client: TlsConnector,
}

fn sides(version: &'static rustls::SupportedProtocolVersion) -> Sides {
    let now = Moment::from(SystemTime::now());
    let provider = Arc::new(default_provider());
    let root = Root::create("見本県", now).unwrap();
    let municipal = root.issue("shiomi", "潮見市", &[], now).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.certificate_pem().as_bytes()).unwrap()).unwrap();
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = Resumption::store(Arc::new(Everywhere(ClientSessionMemoryCache::new(8))));
    Sides {
        mint: Mint::new(Authority::try_from(&municipal).unwrap(), now).unwrap(),
        serve: Serve::new(provider).unwrap(),
        client: TlsConnector::from(Arc::new(client)),
    }
}

impl Sides {
    fn presented(&self, host: &str, defect: Option<Defect>) -> Presented {
        let now = Moment::from(SystemTime::now());
        let shown = Shown {
            names: vec![Name::host(host).unwrap()],
            left_out: 0,
            common_name: None,
            validity: Validity { from: now.plus(-30 * DAY), until: now.plus(30 * DAY) },
            key: ShownKey::Curve(256),
            has_weak_signature: false,
            is_self_issued: false,
        };
        self.mint.certificate(&shown, defect, KeyType::Ecdsa, now).unwrap()
    }

    /// How the client sees the handshake, after it has got its tickets.
    async fn shake(&self, host: &'static str, defect: Option<Defect>) -> Result<HandshakeKind, String> {
        self.shake_with(host, self.presented(host, defect)).await
    }

    async fn shake_with(&self, host: &'static str, presented: Presented) -> Result<HandshakeKind, String> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let served = async {
            let mut stream = self.serve.accept(Rewind::new(Bytes::new(), far), &presented, &[], LIMIT).await.ok()?;
            stream.write_all(b"!").await.ok()?;
            stream.shutdown().await.ok()
        };
        let asked = async {
            let name = ServerName::try_from(host).unwrap();
            let mut stream = self.client.connect(name, near).await.map_err(|error| error.to_string())?;
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            let session = stream.get_ref().1;
            let group = session.negotiated_key_exchange_group().map(|group| group.name());
            let kind = session.handshake_kind().unwrap();
            if session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
                assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
            }
            Ok(kind)
        };
        tokio::join!(served, asked).1
    }
}

#[tokio::test]
async fn where_nobody_was_named_every_connection_begins_anew() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let sides = sides(version);
        for _ in 0..3 {
            let presented = sides.presented("www.example.jp", None).anew_each_time();
            assert_eq!(sides.shake_with("www.example.jp", presented).await, Ok(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn a_session_is_resumed_under_its_name_and_never_past_a_defect() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let sides = sides(version);
        assert_eq!(sides.shake("www.example.jp", None).await, Ok(HandshakeKind::Full));
        assert_eq!(sides.shake("www.example.jp", None).await, Ok(HandshakeKind::Resumed));
        // The ticket is good, but of another name.
        assert_eq!(sides.shake("www.example.com", None).await, Ok(HandshakeKind::Full));
        // The ticket is good, but the server is not any more.
        assert_eq!(sides.shake("www.example.com", None).await, Ok(HandshakeKind::Resumed));
        let error = sides.shake("www.example.com", Some(Defect::Expired)).await.unwrap_err();
        assert!(error.contains("expired"), "{error}");
        assert!(sides.shake("www.example.com", Some(Defect::Revoked)).await.unwrap_err().contains("UnknownIssuer"));
    }
}

#[tokio::test]
async fn a_client_without_ecdsa_gets_rsa_up_to_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let root = Ca::root(folder.path(), "root");
    root.issue(&Leaf::named("good", "DNS:www.example.jp"));
    root.issue(&Leaf { from: -60, until: -2, ..Leaf::named("expired", "DNS:www.example.jp") });
    let trust = Trust::new(&[&std::fs::read_to_string(folder.path().join("root.pem")).unwrap()], &[]).unwrap().0;
    let gateway = Arc::new(Gateway::new(trust));
    let gateway_root = folder.path().join("gateway.pem");
    std::fs::write(&gateway_root, &gateway.root).unwrap();
    for (name, expected) in [("good", "Verify return code: 0 (ok)"), ("expired", "certificate has expired")] {
        let server = Server::start(&Presents::named(folder.path(), name), &[]).await;
        let (address, _told) = gateway.clone().listen(server.address).await;
        let mut command = tokio::process::Command::new("openssl");
        command.args(["s_client", "-connect", &address.to_string(), "-servername", "www.example.jp", "-tls1_2"]);
        command
            .args(["-sigalgs", "RSA+SHA256", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-CAfile"])
            .arg(&gateway_root);
        command.args(["-verify_hostname", "www.example.jp", "-verify_return_error"]).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("TLS inspection") && text.contains("RSA shiomi"), "{text}");
    }
}
