//! `[http]` as it was written.

use super::{HostItem, Item, List};
use crate::diagnostic::{Span, Spanned};
use crate::http::{FileType, HttpAction};

/// `[http]`.
#[derive(Debug, Default)]
pub(crate) struct RawHttp {
    pub rules: Vec<RawHttpRule>,
    pub microsoft: Option<RawTenants>,
}

/// `[http.tenants] microsoft`.
#[derive(Debug)]
pub(crate) struct RawTenants {
    pub allowed: List<Spanned<String>>,
    pub context: Option<Spanned<String>>,
}

/// One HTTP rule.
#[derive(Debug)]
pub(crate) struct RawHttpRule {
    pub span: Span,
    pub name: Option<Spanned<String>>,
    pub from: Option<List<Spanned<Item>>>,
    pub host: Option<List<Spanned<HostItem>>>,
    pub path: Option<List<Spanned<String>>>,
    pub methods: Option<List<Spanned<String>>>,
    pub types: Option<List<Spanned<FileType>>>,
    pub upload_limit: Option<u64>,
    pub action: Option<Spanned<HttpAction>>,
}
