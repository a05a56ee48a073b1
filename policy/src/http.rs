//! What becomes of requests inside connections that the inspector opens: HTTP rules, made ready for whoever asks them.
//!
//! First match decides, as everywhere. A rule may name types of files; what is transferred shows its type only after the
//! request, so a [`HttpRuling`] keeps such rules until then. What no rule matches is allowed.
//!
//! A path can be written in many ways, and servers differ in which of them they take for the same. [`path`] says what is
//! done about it: a rule that blocks matches if one of the usual readings does, a rule that allows only if all do.
//!
//! Pure. Reading requests and carrying rulings out are the inspector's; the rules come in [`crate::tls::View`].

mod decider;
mod file_type;
pub mod limits;
pub mod path;
mod tenants;
#[cfg(test)]
mod tests;

pub use decider::{HttpAsked, HttpDecider, HttpRuling, HttpVerdict, MustSee};
pub use file_type::FileType;
pub use tenants::{MICROSOFT_LOGINS, MicrosoftTenants};

use serde::{Deserialize, Serialize};

use crate::tls::{HostLists, RuleRef};
use crate::words::words;

words! {
    /// What a rule says.
    HttpAction {
        /// The request goes on.
        Allow = "allow",
        /// It is refused, or what is transferred is cut off.
        Block = "block",
    }
}

/// A rule as the inspector gets it, with its lists by number. What is absent matches anything, an empty list nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewHttpRule {
    /// Which it is.
    pub rule: RuleRef,
    /// Clients: numbers of [`crate::tls::View::addresses`].
    pub from: Option<Vec<u32>>,
    /// Names of the server.
    pub host: Option<HostLists>,
    /// Patterns as [`path::canonical`] makes them.
    pub path: Option<Vec<String>>,
    /// In capitals.
    pub methods: Option<Vec<String>>,
    /// Of what is transferred, either way.
    pub types: Option<Vec<FileType>>,
    /// Bytes that a client may send with a request that is allowed.
    pub upload_limit: Option<u64>,
    /// What it says.
    pub action: HttpAction,
}
