//! Hosts and ports, as targets and `Host` fields name them: RFC 3986 §3.2.

use std::fmt;

use super::refusal::Refusal;

/// A host and a port, as a target or a `Host` field names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    /// In lower case; an IPv6 address keeps its brackets.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Authority {
    /// From `host` or `host:port`. Names hold letters, digits, `-`, `.` and `_`: what else RFC 3986 allows in a name, no
    /// resolver knows and parsers quarrel about.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let text = str::from_utf8(text).map_err(|_| Refusal::Host)?;
        let (host, port) = match text.strip_prefix('[').map(|inner| inner.split_once(']')) {
            Some(Some((address, after))) => {
                address.parse::<std::net::Ipv6Addr>().map_err(|_| Refusal::Host)?;
                let host = text.get(..address.len() + 2).unwrap_or_default();
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(Refusal::Host)?) })
            }
            Some(None) => return Err(Refusal::Host),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_empty() || host.len() > 255 || !host.starts_with('[') && !host.bytes().all(is_name) {
            return Err(Refusal::Host);
        }
        let port = match port {
            None | Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| Refusal::Host)?)
            }
            Some(_) => return Err(Refusal::Host),
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// Whether both mean the same where this is the port of who names none.
    pub(crate) fn is(&self, other: &Self, default: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        let good = |text: &str| Authority::parse(text.as_bytes()).map(|is| (is.host, is.port)).unwrap();
        assert_eq!(good("Example.JP:8443"), ("example.jp".into(), Some(8443)));
        assert_eq!(good("[2001:DB8::1]:80"), ("[2001:db8::1]".into(), Some(80)));
        assert_eq!(good("[::1]"), ("[::1]".into(), None));
        assert_eq!(good("192.0.2.1:"), ("192.0.2.1".into(), None));
        for bad in [
            "", ":80", "a:b", "a:65536", "a b", "a,b", "user@a", "a/b", "a#b", "[::1", "[::1]80", "::1", "[a]",
            "a:80:80", "a\\b", "a:+80", "東京",
        ] {
            assert_eq!(Authority::parse(bad.as_bytes()), Err(Refusal::Host), "{bad}");
        }
    }
}
