//! The head of a request to a proxy: what is asked of it.

use bytes::BytesMut;
use http::Method;

use super::lines::{MAX_REQUEST_LINE, Scan};
use super::request::Request;
use crate::http::authority::Authority;
use crate::http::refusal::Refusal;
use crate::seam::page;

/// What a client asks of a proxy.
#[derive(Debug)]
pub(crate) enum Proxied {
    /// A way to a host and port, for whatever comes then.
    Connect {
        /// As in [`Authority`].
        host: String,
        port: u16,
        json: bool,
    },
    /// One answer of a server.
    Relay {
        /// As in [`Authority`].
        host: String,
        port: u16,
        /// The head that the server is to get; the body follows as it comes.
        head: Vec<u8>,
        json: bool,
    },
    /// Something of the proxy's own.
    Own {
        /// Without its query.
        path: String,
        /// Whether the answer has a body.
        is_head: bool,
    },
}

/// Reads the one head.
#[derive(Debug)]
pub(crate) struct Head(Scan);

impl Head {
    pub(crate) fn new() -> Self {
        Self(Scan::head(MAX_REQUEST_LINE))
    }

    /// Takes the head from what is there; `None` if more is needed.
    pub(crate) fn take(&mut self, input: &mut BytesMut) -> Result<Option<Proxied>, Refusal> {
        match self.0.end(input)? {
            Some(end) => read(&input.split_to(end)).map(Some),
            None => Ok(None),
        }
    }
}

fn read(head: &[u8]) -> Result<Proxied, Refusal> {
    let request = Request::parse(head, None)?;
    let json = page::wants_json(request.head.fields.get("accept"));
    if request.head.method == Method::CONNECT {
        let Authority { host, port } = Authority::parse(request.head.path.as_bytes())?;
        return Ok(Proxied::Connect { host, port: port.filter(|port| *port != 0).ok_or(Refusal::Target)?, json });
    }
    match request.scheme() {
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => {
            let (host, port) = (request.head.host.clone(), request.head.port.unwrap_or(80));
            let head = request.for_server().write()?;
            Ok(Proxied::Relay { host, port, head, json })
        }
        // TLS is for `CONNECT`: a proxy that spoke it for its clients would be the only one to check the server.
        Some(_) => Err(Refusal::Target),
        None => {
            let path = request.head.path_alone().to_owned();
            match request.head.method {
                Method::GET => Ok(Proxied::Own { path, is_head: false }),
                Method::HEAD => Ok(Proxied::Own { path, is_head: true }),
                _ => Err(Refusal::Target),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Option<Proxied>, Refusal> {
        Head::new().take(&mut BytesMut::from(head))
    }

    #[test]
    fn a_server_is_asked_as_no_proxy_is() {
        let head = "GET HTTP://u:p@Example.JP/a?b HTTP/1.1\r\nHost: example.jp:80\r\nProxy-Authorization: Basic eDp5\r\n\
                    Proxy-Connection: keep-alive\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nCookie: c\r\n\r\n";
        let Ok(Some(Proxied::Relay { host, port, head, .. })) = read(head) else { panic!("not taken") };
        assert_eq!((host.as_str(), port), ("example.jp", 80));
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /a?b HTTP/1.1\r\n") && head.contains("Connection: close\r\n"), "{head}");
        assert!(
            !head.to_lowercase().contains("proxy") && !head.contains("X-Hop") && head.contains("Cookie: c"),
            "{head}"
        );
        let path = |target: &str, method: &str| match read(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")) {
            Ok(Some(Proxied::Relay { head, .. })) => {
                String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned()
            }
            other => panic!("{target}: {other:?}"),
        };
        assert_eq!(path("http://a", "GET"), "/");
        assert_eq!(path("http://a?b", "GET"), "/?b");
        assert_eq!(path("http://a", "OPTIONS"), "*");
    }

    #[test]
    fn ways_are_to_a_host_and_port() {
        let connect = |target: &str| match read(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")) {
            Ok(Some(Proxied::Connect { host, port, .. })) => Some((host, port)),
            _ => None,
        };
        assert_eq!(connect("www.Example.jp:443"), Some(("www.example.jp".into(), 443)));
        assert_eq!(connect("[2001:DB8::1]:8443"), Some(("[2001:db8::1]".into(), 8443)));
        assert_eq!(connect("www.example.jp:0"), None);
        // `Host` need not repeat the port.
        let short = "CONNECT a:8443 HTTP/1.1\r\nHost: a\r\n\r\n";
        assert!(matches!(read(short), Ok(Some(Proxied::Connect { port: 8443, .. }))));
    }

    #[test]
    fn what_is_asked_of_nobody_is_refused() {
        for head in [
            "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /proxy.pac HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 1\r\n\r\n",
            "POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET http://a/ HTTP/1.1\nHost: a\n\n",
            "\r\n\r\nGET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(read(head).is_err(), "{head}");
        }
        let long = format!("GET http://a/{} HTTP/1.1\r\n", "a".repeat(9_000));
        assert_eq!(read(&long).unwrap_err(), Refusal::LongFirstLine);
        assert!(matches!(read("GET http://a/ HTTP/1.1\r\nHost: a\r\n"), Ok(None)));
    }
}
