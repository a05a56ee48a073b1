//! A request's head: read strictly, and written from what was read and nothing else.

use http::Method;

use super::connection::Options;
use super::framing::{self, Framing};
use super::lines;
use super::target::Target;
use crate::http::authority::Authority;
use crate::http::refusal::Refusal;
use crate::seam::Side;
use crate::seam::fields::Fields;
use crate::seam::heads::RequestHead;

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

impl Version {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        match text {
            b"HTTP/1.1" => Ok(Self::Http11),
            b"HTTP/1.0" => Ok(Self::Http10),
            _ => Err(Refusal::Version),
        }
    }

    pub(crate) fn text(self) -> &'static [u8] {
        match self {
            Self::Http10 => b"HTTP/1.0",
            Self::Http11 => b"HTTP/1.1",
        }
    }
}

/// A request without its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// As inspections see it.
    pub(crate) head: RequestHead,
    /// What goes before the path in the absolute form.
    before: String,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) options: Options,
    /// Whether another request may follow.
    pub(crate) persists: bool,
}

/// Longest method: those of the registry have up to 16 letters.
const MAX_METHOD: usize = 24;

impl Request {
    /// From a whole head; `name` is the host of a request that names none.
    pub(crate) fn parse(head: &[u8], name: Option<&str>) -> Result<Self, Refusal> {
        let (first, after) = lines::line(head, 0).ok_or(Refusal::FirstLine)?;
        if first.is_empty() {
            return Err(Refusal::EmptyLines);
        }
        let mut words = first.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Refusal::FirstLine);
        };
        let method = parse_method(method)?;
        let version = Version::parse(version)?;
        let target = Target::parse(method.as_str(), target)?;
        let mut fields = lines::fields(head.get(after..).unwrap_or_default())?;
        refuse_doubles(&fields)?;

        let host = fields.get("host").map(Authority::parse).transpose()?;
        let (before, path, named) = match target {
            Target::Origin(path) => (String::new(), path, None),
            Target::Asterisk => (String::new(), "*".to_owned(), None),
            Target::Absolute { before, authority, default, path } => (before, path, Some((authority, default))),
            Target::Authority(authority) => {
                let port = authority.port.unwrap_or_default();
                (String::new(), format!("{}:{port}", authority.host), Some((authority, port)))
            }
        };
        let authority = match (host, named) {
            (Some(host), Some((named, default))) if !host.is(&named, default) => return Err(Refusal::TwoHosts),
            (Some(host), _) => Some(host),
            (None, named) => {
                // Old clients name no host, and what they then reach is the server's choice; so it is named for them.
                let authority = match named {
                    Some((named, _)) => Some(named),
                    None => name.map(|name| Authority::parse(name.as_bytes())).transpose()?,
                };
                if let Some(authority) = &authority {
                    fields.push(b"Host", authority.to_string().as_bytes());
                } else if version == Version::Http11 {
                    return Err(Refusal::NoHost);
                }
                authority
            }
        };

        let framing = framing::told(&fields)?.unwrap_or(Framing::Nothing);
        if version == Version::Http10 && matches!(framing, Framing::Chunked(_)) {
            return Err(Refusal::TransferEncoding);
        }
        if matches!(method, Method::CONNECT | Method::TRACE) && framing != Framing::Nothing {
            return Err(Refusal::Body);
        }
        let mut options = Options::take(&mut fields, Side::Request)?;
        if version == Version::Http10 || method == Method::CONNECT {
            options.upgrade = None;
        }
        let persists = !options.close && (version == Version::Http11 || options.keep_alive);
        let (host, port) = authority.map_or((String::new(), None), |authority| (authority.host, authority.port));
        let upgrade = options.upgrade.clone();
        let head = RequestHead { method, host, port, path, upgrade, length: framing.length(), fields };
        Ok(Self { head, before, version, framing, options, persists })
    }

    /// The scheme of an absolute target.
    pub(crate) fn scheme(&self) -> Option<&str> {
        self.before.split_once("://").map(|(scheme, _)| scheme)
    }

    /// As the server itself is asked, which is no proxy: by the path alone, without what was said to the proxy, and as the
    /// last request of its connection, because the next may name another server.
    pub(crate) fn for_server(mut self) -> Self {
        self.before.clear();
        if self.head.path.is_empty() && self.head.method == Method::OPTIONS {
            self.head.path.push('*');
        } else if !self.head.path.starts_with('/') {
            self.head.path.insert(0, '/');
        }
        self.head.fields.keep(|name, _| !name.eq_ignore_ascii_case(b"proxy-authorization"));
        self.options.close = true;
        self.persists = false;
        self
    }

    /// As bytes for upstream. `Target` if an inspection has made a path that no request may have.
    pub(crate) fn write(&self) -> Result<Vec<u8>, Refusal> {
        let head = &self.head;
        if !head.path.bytes().all(|byte| byte.is_ascii_graphic()) || self.before.is_empty() && head.path.is_empty() {
            return Err(Refusal::Target);
        }
        let mut bytes = Vec::with_capacity(head.fields.bytes() + self.before.len() + head.path.len() + 160);
        for part in [head.method.as_str(), " ", &self.before, &head.path, " "] {
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(self.version.text());
        bytes.extend_from_slice(b"\r\n");
        write_fields(&mut bytes, &head.fields);
        write_framing(&mut bytes, &self.framing);
        self.options.write(&mut bytes);
        bytes.extend_from_slice(b"\r\n");
        Ok(bytes)
    }
}

/// Names and values, a line each.
pub(crate) fn write_fields(bytes: &mut Vec<u8>, fields: &Fields) {
    for (name, value) in fields.iter() {
        for part in [name, b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
}

/// The field that tells where the body ends.
pub(crate) fn write_framing(bytes: &mut Vec<u8>, framing: &Framing) {
    match framing {
        Framing::Nothing | Framing::UntilClose => {}
        Framing::Length(length) => bytes.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes()),
        Framing::Chunked(None) => bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Chunked(Some(before)) => {
            bytes.extend_from_slice(format!("Transfer-Encoding: {before}, chunked\r\n").as_bytes());
        }
    }
}

/// Methods are upper case wherever they are registered, and `get` is another method than `GET` to whom a rule is about.
fn parse_method(method: &[u8]) -> Result<Method, Refusal> {
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_good = method.len() <= MAX_METHOD && method.iter().all(is_method);
    if !is_good || !method.first().is_some_and(u8::is_ascii_uppercase) {
        return Err(Refusal::Method);
    }
    Method::from_bytes(method).map_err(|_| Refusal::Method)
}

/// Fields of which a request has one. With two, the first counts to some and the last to others.
const SINGLE: [&[u8]; 13] = [
    b"host",
    b"content-type",
    b"authorization",
    b"proxy-authorization",
    b"content-range",
    b"range",
    b"referer",
    b"user-agent",
    b"if-modified-since",
    b"if-unmodified-since",
    b"from",
    b"max-forwards",
    b"origin",
];

fn refuse_doubles(fields: &Fields) -> Result<(), Refusal> {
    let mut seen = [false; SINGLE.len()];
    for (name, _) in fields.iter() {
        let is_single = |single: &&[u8]| single.len() == name.len() && name.eq_ignore_ascii_case(single);
        if let Some(was) = SINGLE.iter().position(is_single).and_then(|index| seen.get_mut(index))
            && std::mem::replace(was, true)
        {
            return Err(Refusal::Twice);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Result<Request, Refusal> {
        Request::parse(format!("{head}\r\n\r\n").as_bytes(), Some("sni.example"))
    }

    fn written(head: &str) -> String {
        String::from_utf8(parse(head).unwrap().write().unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        assert_eq!(
            written(
                "POST /a?b HTTP/1.1\r\nHoSt:  Example.jp:8443\t\r\nX-A:1\r\nTransfer-Encoding: GZIP,chunked\r\nconnection: close"
            ),
            "POST /a?b HTTP/1.1\r\nHoSt: Example.jp:8443\r\nX-A: 1\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            written("GET https://u@a.example/b#c HTTP/1.1\r\nHost: A.example:443"),
            "GET https://u@a.example/b HTTP/1.1\r\nHost: A.example:443\r\n\r\n"
        );
        assert_eq!(written("OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 0").lines().count(), 4);
    }

    #[test]
    fn who_names_no_host_means_the_one_that_was_reached() {
        assert_eq!(written("GET / HTTP/1.0"), "GET / HTTP/1.0\r\nHost: sni.example\r\n\r\n");
        assert_eq!(parse("GET / HTTP/1.1").unwrap().head.host, "sni.example");
        assert_eq!(parse("GET http://a:80/ HTTP/1.1").unwrap().head.host, "a");
        let nameless = |head: &[u8]| Request::parse(head, None).map(|request| request.head.host);
        assert_eq!(nameless(b"GET / HTTP/1.1\r\n\r\n"), Err(Refusal::NoHost));
        assert_eq!(nameless(b"GET / HTTP/1.0\r\n\r\n"), Ok(String::new()));
    }

    #[test]
    fn heads_that_are_not_requests_are_refused() {
        for (head, refusal) in [
            ("get / HTTP/1.1", Refusal::Method),
            ("-BL / HTTP/1.1", Refusal::Method),
            (" GET / HTTP/1.1", Refusal::FirstLine),
            ("GET  / HTTP/1.1", Refusal::FirstLine),
            ("GET / HTTP/1.1 ", Refusal::FirstLine),
            ("GET\t/ HTTP/1.1", Refusal::FirstLine),
            ("GET /", Refusal::FirstLine),
            ("GET / HTTP/1.2", Refusal::Version),
            ("GET / http/1.1", Refusal::Version),
            ("GET / HTTP/01.1", Refusal::Version),
            ("PRI * HTTP/2.0", Refusal::Version),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a", Refusal::Twice),
            ("GET / HTTP/1.1\r\nHost:", Refusal::Host),
            ("GET / HTTP/1.1\r\nHost: a b", Refusal::Host),
            ("GET http://a/ HTTP/1.1\r\nHost: b", Refusal::TwoHosts),
            ("GET http://a/ HTTP/1.1\r\nHost: a:8080", Refusal::TwoHosts),
            ("CONNECT a:443 HTTP/1.1\r\nHost: b:443", Refusal::TwoHosts),
            ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0", Refusal::Body),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked", Refusal::TransferEncoding),
            ("GET / HTTP/1.1\r\nContent-Type: a\r\ncontent-type: b", Refusal::Twice),
        ] {
            assert_eq!(parse(head).map(|_| ()), Err(refusal), "{head}");
        }
    }

    #[test]
    fn who_wants_to_go_on_says_so_in_the_way_of_its_version() {
        for (head, persists) in [
            ("GET / HTTP/1.1", true),
            ("GET / HTTP/1.1\r\nConnection: Close", false),
            ("GET / HTTP/1.0", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive", true),
            ("GET / HTTP/1.0\r\nConnection: keep-alive, close", false),
        ] {
            assert_eq!(parse(head).unwrap().persists, persists, "{head}");
        }
    }
}
