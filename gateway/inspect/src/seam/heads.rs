//! Heads as inspections see them: what the message means, without what only carries it.
//!
//! Framing and connection handling (`Content-Length`, `Transfer-Encoding`, `Connection`, `TE`, …) are the relay's and are
//! not among the fields; a body's length is [`RequestHead::length`].

use http::Method;

use super::fields::Fields;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The host in lower case, without its port; IPv6 addresses in brackets. Empty where neither the request nor the
    /// connection has a name. To change it changes what is judged, not where the request goes.
    pub host: String,
    /// The port, if it was named.
    pub port: Option<u16>,
    /// Path and query; `*` for `OPTIONS *`, the authority for `CONNECT`.
    pub path: String,
    /// The protocol that the client wants to go on with: `websocket`, mostly.
    pub upgrade: Option<String>,
    /// Length of the body, where it is known. `Some(0)` without one.
    pub length: Option<u64>,
    /// The fields.
    pub fields: Fields,
}

impl RequestHead {
    /// The path without its query.
    pub fn path_alone(&self) -> &str {
        self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path)
    }
}

/// The head of a final response. Interim ones (1xx) pass as they are.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status, 200 to 999.
    pub status: u16,
    /// Length of the body, where it is known. `Some(0)` without one.
    pub length: Option<u64>,
    /// The fields.
    pub fields: Fields,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A GET without fields.
    pub(crate) fn get(host: &str, path: &str) -> RequestHead {
        RequestHead {
            method: Method::GET,
            host: host.to_owned(),
            port: None,
            path: path.to_owned(),
            upgrade: None,
            length: Some(0),
            fields: Fields::default(),
        }
    }

    #[test]
    fn a_path_alone_has_no_query() {
        assert_eq!(get("a", "/b?c?d").path_alone(), "/b");
        assert_eq!(get("a", "/b").path_alone(), "/b");
    }
}
