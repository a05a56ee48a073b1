//! TLS towards the client, with a minted certificate.
//!
//! A client may resume a session; what was decided about its connection is decided again all the same, because the server
//! was spoken to before the client is answered, and a session is resumed only under the name that it was made for. A
//! mirrored defect is never resumed past: the client must see the certificate.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use certify::KeyType;
use hello::ClientHello;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mint::Presented;
use crate::rewind::Rewind;
use crate::wire::Sign;

/// Sessions that TLS 1.2 clients without tickets may resume.
const SESSIONS: usize = 1_024;

/// What all connections of a process share: provider, and the keys of tickets.
pub struct Serve {
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

/// Why a client was not served.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// It refused, most often the certificate: it does not trust the root, or it sees the defect that is mirrored.
    #[error("the client refused with the alert `{0:?}`")]
    Alert(AlertDescription),
    /// It went away.
    #[error("the client closed the connection during the handshake")]
    Closed,
    /// It took too long.
    #[error("the handshake with the client took longer than {0:?}")]
    TimedOut(Duration),
    /// It speaks TLS in a way that has nothing in common with ours, or none at all.
    #[error("there is no handshake with the client: {0}")]
    Tls(rustls::Error),
    /// The socket failed.
    #[error("the connection to the client failed: {0}")]
    Io(io::Error),
}

impl NotServed {
    /// The word in events and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::Closed => "closed",
            Self::TimedOut(_) => "timed_out",
            Self::Tls(_) => "tls",
            Self::Io(_) => "io",
        }
    }
}

/// What clients say of a certificate that they do not take. That it is not valid now is said of a clock that is wrong.
const REFUSALS: [AlertDescription; 4] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
];

impl NotServed {
    /// Whether it may be the certificate that the client did not take.
    pub fn sign(&self) -> Option<Sign> {
        let is_gone = |kind| matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        match self {
            Self::Alert(alert) => REFUSALS.contains(alert).then_some(Sign::Alert),
            Self::Closed => Some(Sign::Closed),
            Self::Io(error) if is_gone(error.kind()) => Some(Sign::Closed),
            Self::TimedOut(_) | Self::Tls(_) | Self::Io(_) => None,
        }
    }
}

impl Serve {
    /// With keys for tickets that no other process knows.
    pub fn new(provider: Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        Ok(Self { provider, tickets, sessions: ServerSessionMemoryCache::new(SESSIONS) })
    }

    /// Finishes the handshake that the client has begun. `alpn` is what the server chose, or, for a page of our own, what
    /// that is written in.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        client: Rewind<S>,
        presented: &Presented,
        alpn: &[Vec<u8>],
        limit: Duration,
    ) -> Result<TlsStream<Rewind<S>>, NotServed> {
        let config = self.config(presented, alpn).map_err(NotServed::Tls)?;
        match tokio::time::timeout(limit, TlsAcceptor::from(Arc::new(config)).accept(client)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(not_served(error)),
            Err(_) => Err(NotServed::TimedOut(limit)),
        }
    }

    fn config(&self, presented: &Presented, alpn: &[Vec<u8>]) -> Result<ServerConfig, rustls::Error> {
        let certificate = SingleCertAndKey::from(presented.key.clone());
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = alpn.to_vec();
        if presented.may_resume {
            config.ticketer = self.tickets.clone();
            config.session_storage = self.sessions.clone();
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(config)
    }
}

fn not_served(error: io::Error) -> NotServed {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return NotServed::Closed;
    }
    match error.downcast::<rustls::Error>() {
        Ok(rustls::Error::AlertReceived(alert)) => NotServed::Alert(alert),
        Ok(error) => NotServed::Tls(error),
        Err(error) => NotServed::Io(error),
    }
}

/// ECDSA with P-256 and SHA-256.
const ECDSA_P256: u16 = 0x0403;
/// TLS 1.3, whose cipher suites say nothing about certificates.
const TLS13: u16 = 0x0304;
/// TLS 1.2 with ECDSA, as we speak it.
const ECDSA_SUITES: [u16; 3] = [0xc02b, 0xc02c, 0xcca9];

/// With which kind of key a client can be answered: RSA where ECDSA lies in none of its offers.
pub fn key_type(client: &ClientHello) -> KeyType {
    let can_verify = client.signature_algorithms.contains(&ECDSA_P256);
    let can_negotiate =
        client.supported_versions.contains(&TLS13) || client.ciphers.iter().any(|cipher| ECDSA_SUITES.contains(cipher));
    if can_verify && can_negotiate { KeyType::Ecdsa } else { KeyType::Rsa }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_other_trouble() {
        let alert = |alert| NotServed::Alert(alert).sign();
        assert_eq!(alert(AlertDescription::UnknownCA), Some(Sign::Alert));
        assert_eq!(alert(AlertDescription::BadCertificate), Some(Sign::Alert));
        // A wrong clock, and no version in common.
        assert_eq!(alert(AlertDescription::CertificateExpired), None);
        assert_eq!(alert(AlertDescription::ProtocolVersion), None);
        let io = |kind: io::ErrorKind| not_served(kind.into()).sign();
        assert_eq!([io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset].map(io), [Some(Sign::Closed); 2]);
        assert_eq!(io(io::ErrorKind::OutOfMemory), None);
        assert_eq!(NotServed::TimedOut(Duration::ZERO).sign(), None);
    }
}
