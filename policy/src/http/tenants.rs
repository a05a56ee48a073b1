//! Whose Microsoft accounts may be used: headers that its login servers heed. Tenant restrictions, version 1.

use serde::{Deserialize, Serialize};

/// The servers that heed the headers. To others they would only tell who asks.
pub const MICROSOFT_LOGINS: [&str; 3] = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"];

/// `[http.tenants] microsoft`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MicrosoftTenants {
    /// Domains, or directory ids, of tenants that may be signed in to.
    pub allowed: Vec<String>,
    /// The directory id of the tenant that restricts.
    pub context: String,
}

impl MicrosoftTenants {
    /// Names and values of the headers.
    pub(super) fn headers(&self) -> [(&'static str, String); 2] {
        [("Restrict-Access-To-Tenants", self.allowed.join(",")), ("Restrict-Access-Context", self.context.clone())]
    }
}
