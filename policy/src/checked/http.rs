//! The HTTP part of a checked policy.

use super::{Addresses, Hosts};
use crate::http::{FileType, HttpAction, MicrosoftTenants};
use crate::source::Location;

/// `[http]`, the prefecture's or a municipality's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// In order; the first match wins.
    pub rules: Vec<HttpRule>,
    /// `[http.tenants] microsoft`; a municipality's own holds instead of the prefecture's.
    pub microsoft: Option<MicrosoftTenants>,
}

/// One HTTP rule. What is absent matches anything, an empty list nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    /// Unique within its list.
    pub name: String,
    /// Clients.
    pub from: Option<Addresses>,
    /// Names of the server.
    pub host: Option<Hosts>,
    /// Patterns, sorted.
    pub path: Option<Vec<String>>,
    /// In capitals, sorted.
    pub methods: Option<Vec<String>>,
    /// Of what is transferred, sorted.
    pub types: Option<Vec<FileType>>,
    /// Bytes that a client may send; of rules that allow only.
    pub upload_limit: Option<u64>,
    /// What it says.
    pub action: HttpAction,
    /// Where it stands.
    pub location: Location,
}
