//! `[proxy]` as it was written.

use ipnet::IpNet;

use super::List;
use crate::diagnostic::{Span, Spanned};

/// `[proxy]`, the prefecture's or a municipality's.
#[derive(Debug)]
pub(crate) struct RawProxy {
    pub span: Span,
    pub port: Option<Spanned<u16>>,
    /// Whether a port that is there could be read.
    pub complete: bool,
    pub bypass: List<Spanned<Direct>>,
}

/// What may stand in `bypass`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    /// Canonical.
    Name(String),
    Prefix(IpNet),
}
