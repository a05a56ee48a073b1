//! How a connection to a server can end.

use std::io;
use std::time::Duration;

use certify::{Defect, Shown};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::client::TlsStream;

/// What a server has shown.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What its certificate says. Of a certificate that cannot be read: the name that was asked for.
    pub shown: Shown,
    /// The chain as it was presented, the server's certificate first.
    pub chain: Vec<CertificateDer<'static>>,
}

/// How it ended.
pub enum Connected<S> {
    /// The server is who it says.
    Verified(Verified<S>),
    /// The server is who it says, and would like to know who the user is.
    ClientCertificateAsked(ClientCertificateAsked<S>),
    /// The server's certificate is not to be believed.
    Defective(Defective),
    /// There was no handshake.
    Refused(Refused),
}

/// A verified server: made by [`Upstream::connect`](super::Upstream::connect) alone.
pub struct Verified<S> {
    pub(super) stream: TlsStream<S>,
    pub(super) seen: Seen,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) is_resumed: bool,
}

impl Seen {
    /// Whether the certificate is for a host of this name, or this address, too.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let leaf = self.chain.first().map(webpki::EndEntityCert::try_from);
        let (Some(Ok(leaf)), Ok(name)) = (leaf, ServerName::try_from(host)) else { return false };
        leaf.verify_is_valid_for_subject_name(&name).is_ok()
    }
}

impl<S> Verified<S> {
    /// What it has shown.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The protocol that it chose.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Whether a session of before was resumed.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The stream to it, for data.
    pub fn into_stream(self) -> TlsStream<S> {
        self.stream
    }
}

/// A verified server that asked for a client certificate and was given none. Policy says whether to go on so, or to
/// splice, for which a new connection is needed.
pub struct ClientCertificateAsked<S>(pub(super) Verified<S>);

impl<S> ClientCertificateAsked<S> {
    /// What it has shown.
    pub fn seen(&self) -> &Seen {
        &self.0.seen
    }

    /// Goes on without a certificate. A server that insists on one will break off.
    pub fn without_certificate(self) -> Verified<S> {
        self.0
    }
}

/// A server whose certificate is not to be believed. There is no stream to it.
#[derive(Clone, Debug)]
pub struct Defective {
    /// What it has shown.
    pub seen: Seen,
    /// What is wrong with that.
    pub defect: Defect,
}

/// Why there was no handshake.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It took too long.
    #[error("the handshake with the server took longer than {0:?}")]
    TimedOut(Duration),
    /// The server went away.
    #[error("the server closed the connection during the handshake")]
    Closed,
    /// The server broke off.
    #[error("the server refused with the alert `{0:?}`")]
    Alert(AlertDescription),
    /// The server asked for a client certificate, was given none, and broke off.
    #[error("the server insists on a client certificate")]
    ClientCertificateRequired,
    /// No version, cipher suite or group that both sides would use.
    #[error("the server speaks nothing that is safe: {0:?}")]
    NothingInCommon(PeerIncompatible),
    /// The server's signature in the handshake is not by the certificate's key.
    #[error("the server does not prove that the certificate is its own")]
    NoProof,
    /// The server has no certificate.
    #[error("the server shows no certificate")]
    NoCertificate,
    /// The server answers in something that is not TLS, or breaks its rules.
    #[error("the server does not answer in proper TLS: {0}")]
    NotTls(Error),
    /// The socket failed.
    #[error("the connection to the server failed: {0}")]
    Io(io::Error),
}

impl Refused {
    /// The word in events and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "timed_out",
            Self::Closed => "closed",
            Self::Alert(_) => "alert",
            Self::ClientCertificateRequired => "client_certificate_required",
            Self::NothingInCommon(_) => "nothing_in_common",
            Self::NoProof => "no_proof",
            Self::NoCertificate => "no_certificate",
            Self::NotTls(_) => "not_tls",
            Self::Io(_) => "io",
        }
    }

    pub(super) fn new(error: io::Error, was_asked: bool) -> Self {
        if was_asked {
            return Self::ClientCertificateRequired;
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Closed;
        }
        match error.downcast::<Error>() {
            Ok(Error::AlertReceived(alert)) => Self::Alert(alert),
            Ok(Error::PeerIncompatible(why)) => Self::NothingInCommon(why),
            Ok(Error::NoCertificatesPresented) => Self::NoCertificate,
            Ok(Error::InvalidCertificate(CertificateError::BadSignature)) => Self::NoProof,
            Ok(error) => Self::NotTls(error),
            Err(error) => Self::Io(error),
        }
    }
}
