//! Request targets: RFC 9112 §3.2.

use crate::http::authority::Authority;
use crate::http::refusal::Refusal;

/// A target in its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/path?query`.
    Origin(String),
    /// `scheme://authority/path?query`: what goes before the path, whom it names, the port of its scheme, the path.
    Absolute { before: String, authority: Authority, default: u16, path: String },
    /// `*`.
    Asterisk,
    /// `host:port`.
    Authority(Authority),
}

impl Target {
    /// The form that the method may have; a fragment, which is for the client alone, is cut off.
    pub(crate) fn parse(method: &str, target: &[u8]) -> Result<Self, Refusal> {
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::Target);
        }
        let target = str::from_utf8(target).map_err(|_| Refusal::Target)?;
        let target = target.split_once('#').map_or(target, |(before, _)| before);
        match (method, target) {
            ("CONNECT", authority) => {
                let authority = Authority::parse(authority.as_bytes()).map_err(|_| Refusal::Target)?;
                if authority.port.is_none() {
                    return Err(Refusal::Target);
                }
                Ok(Self::Authority(authority))
            }
            ("OPTIONS", "*") => Ok(Self::Asterisk),
            (_, target) if target.starts_with('/') => Ok(Self::Origin(target.to_owned())),
            (_, target) => Self::absolute(target),
        }
    }

    fn absolute(target: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
        let default = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return Err(Refusal::Target),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = match authority.rsplit_once('@') {
            // A second `@` is one that the parsers of this world find in different places.
            Some((user, _)) if user.contains('@') => return Err(Refusal::Target),
            Some((_, host)) => host,
            None => authority,
        };
        let before = target.get(..target.len() - path.len()).unwrap_or_default().to_owned();
        let authority = Authority::parse(host.as_bytes()).map_err(|_| Refusal::Target)?;
        Ok(Self::Absolute { before, authority, default, path: path.to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_the_form_of_its_method() {
        let path = |target: &str| match Target::parse("GET", target.as_bytes()) {
            Ok(Target::Origin(path) | Target::Absolute { path, .. }) => path,
            other => panic!("{target}: {other:?}"),
        };
        assert_eq!(path("/a?b=\"c\"|{d}"), "/a?b=\"c\"|{d}");
        assert_eq!(path("//a"), "//a");
        assert_eq!(path("/a?b#c"), "/a?b");
        assert_eq!(path("HTTPS://u:p@a:1/b?c"), "/b?c");
        assert_eq!(path("http://a?b"), "?b");
        assert_eq!(path("http://a"), "");
        for (method, bad) in [
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "a:80"),
            ("GET", "s://a/"),
            ("GET", "http:/a"),
            ("GET", "http://"),
            ("GET", "http:///a"),
            ("GET", "http://a@b@c/"),
            ("GET", "http://]a/"),
            ("GET", "/\u{e9}"),
            ("GET", "/\0"),
            ("GET", "#a"),
            ("CONNECT", "a"),
            ("CONNECT", "/"),
            ("CONNECT", "https://a:443"),
            ("OPTIONS", "**"),
        ] {
            assert_eq!(Target::parse(method, bad.as_bytes()), Err(Refusal::Target), "{method} {bad}");
        }
        assert_eq!(Target::parse("OPTIONS", b"*"), Ok(Target::Asterisk));
        let Ok(Target::Authority(authority)) = Target::parse("CONNECT", b"a:443") else { panic!("not taken") };
        assert_eq!(authority.port, Some(443));
    }
}
