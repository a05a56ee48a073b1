//! TLS towards the server: its certificate is verified as a browser would, and what is wrong with it is told.
//!
//! [`Upstream::connect`] ends in one of four ways, and only [`Verified`] has a stream. A handshake with a defective
//! server is broken off before any key for data exists, so that nothing can be sent to it, or read from it, by mistake;
//! signatures in the handshake are always verified.
//!
//! Nothing is read from disk here: roots and revocation lists come as bytes.

mod asked;
mod der;
mod outcome;
mod staple;
mod target;
mod trust;
mod verdict;
mod verifier;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use certify::{Moment, Shown};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use asked::{Asks, asked_during};
use verifier::{Found, Verifier};

pub use certify::Defect;
pub use outcome::{ClientCertificateAsked, Connected, Defective, Refused, Seen, Verified};
pub use target::Target;
pub(crate) use trust::usable_lists;
pub use trust::{Trust, TrustError};

/// How many servers' sessions are kept for resumption, with eight tickets each at most.
const SESSIONS: usize = 256;

/// What all connections of a process to servers share.
pub struct Upstream {
    connector: TlsConnector,
    sessions: Arc<ClientSessionMemoryCache>,
}

impl Upstream {
    /// Trusts these roots, and nobody whom the lists revoke. Sessions of one `Upstream` are not resumed by another: new
    /// roots or lists are heeded at once.
    pub fn new(provider: Arc<CryptoProvider>, trust: Trust) -> Result<Self, rustls::Error> {
        let verifier = Verifier::new(trust, provider.signature_verification_algorithms);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Asks));
        let sessions = Arc::new(ClientSessionMemoryCache::new(SESSIONS));
        config.resumption = Resumption::store(sessions.clone());
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), sessions })
    }

    /// Makes the handshake over a connection that is there. `alpn` is what the client offered, `limit` how long it may
    /// take.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        target: &Target,
        alpn: Vec<Vec<u8>>,
        limit: Duration,
    ) -> Connected<S> {
        let name = target.server_name();
        let handshake = self.connector.with_alpn(alpn).connect(name.clone(), stream);
        let (made, was_asked) = match tokio::time::timeout(limit, asked_during(handshake)).await {
            Ok(ended) => ended,
            Err(_) => return Connected::Refused(Refused::TimedOut(limit)),
        };
        if was_asked {
            // A session that is resumed is not asked again, and would be taken for one of a server that never asks.
            self.sessions.remove_tls12_session(&name);
        }
        match made {
            Ok(stream) => verified(stream, target, was_asked),
            Err(error) => failed(error, was_asked),
        }
    }
}

fn verified<S>(stream: TlsStream<S>, target: &Target, was_asked: bool) -> Connected<S> {
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let Some(shown) = chain.first().and_then(|leaf| Shown::read(leaf, target.host()).ok()) else {
        return Connected::Refused(Refused::NoCertificate);
    };
    // A resumed session shows the certificate of its beginning, which may have ended since.
    if is_resumed && shown.validity.until < Moment::from(SystemTime::now()) {
        let seen = Seen { shown, chain: chain.to_vec() };
        return Connected::Defective(Defective { seen, defect: Defect::Expired });
    }
    let seen = Seen { shown, chain: chain.to_vec() };
    let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
    let verified = Verified { stream, seen, alpn, is_resumed };
    if was_asked {
        Connected::ClientCertificateAsked(ClientCertificateAsked(verified))
    } else {
        Connected::Verified(verified)
    }
}

fn failed<S>(error: io::Error, was_asked: bool) -> Connected<S> {
    match Found::in_error(&error) {
        Some(Found(defective)) => Connected::Defective(Defective::clone(defective)),
        None => Connected::Refused(Refused::new(error, was_asked)),
    }
}
