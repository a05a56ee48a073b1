//! `[names]` and `[tls]` as they were written.

use std::net::SocketAddr;

use super::{Item, List};
use crate::checked::Service;
use crate::diagnostic::{Span, Spanned};
use crate::tls::{BypassSaid, ClientCertificates, Ech, OnBadCertificate, Opening, TlsAction};

/// One line of `[names]`.
#[derive(Debug)]
pub(crate) struct RawNames {
    pub name: Spanned<String>,
    pub file: Option<Spanned<String>>,
    /// Canonical.
    pub names: Option<List<Spanned<String>>>,
    /// Whether everything in it could be read.
    pub complete: bool,
}

/// `[tls]`.
#[derive(Debug)]
pub(crate) struct RawTls {
    pub default: Option<Spanned<TlsAction>>,
    pub resolvers: List<Spanned<SocketAddr>>,
    pub roots: List<Spanned<String>>,
    pub crls: List<Spanned<String>>,
    pub on_bad_certificate: Option<OnBadCertificate>,
    pub bypass: Option<Spanned<BypassSaid>>,
    pub limits: crate::tls::Limits,
    pub rules: Vec<RawTlsRule>,
}

/// One TLS rule.
#[derive(Debug)]
pub(crate) struct RawTlsRule {
    pub span: Span,
    pub name: Option<Spanned<String>>,
    pub from: Option<List<Spanned<Item>>>,
    pub to: Option<List<Spanned<Item>>>,
    pub services: Option<List<Spanned<Service>>>,
    pub speaks: Option<List<Spanned<Opening>>>,
    pub sni: Option<List<Spanned<HostItem>>>,
    pub ja4: Option<List<Spanned<String>>>,
    pub alpn: Option<List<Spanned<String>>>,
    pub ech: Option<Spanned<Ech>>,
    pub action: Option<Spanned<TlsAction>>,
    pub trust_sni: bool,
    pub client_certificates: Option<ClientCertificates>,
}

/// What may stand in `sni`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostItem {
    /// Canonical.
    Name(String),
    List(String),
    /// No name at all.
    None,
}

impl RawTls {
    /// Stands for what is absent.
    pub fn absent(span: Span) -> Self {
        RawTls {
            default: None,
            resolvers: List::absent(span),
            roots: List::absent(span),
            crls: List::absent(span),
            on_bad_certificate: None,
            bypass: None,
            limits: crate::tls::Limits::default(),
            rules: Vec::new(),
        }
    }
}
