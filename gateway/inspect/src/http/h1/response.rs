//! A response's head, read for the request that it answers: what it means depends on that.

use super::connection::Options;
use super::framing::{self, Framing};
use super::lines;
use super::request::{Version, write_fields, write_framing};
use crate::http::refusal::Refusal;
use crate::seam::Side;
use crate::seam::heads::ResponseHead;

/// What a response's reading depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: AskedMethod,
    pub(crate) version: Version,
    /// Whether other protocols were offered.
    pub(crate) offers_upgrade: bool,
}

/// The methods that change what a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedMethod {
    Head,
    Connect,
    Other,
}

/// What comes after a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The final response, later.
    Interim,
    /// No more HTTP.
    Switch,
    /// The body.
    Final,
}

/// A response without its body.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// As inspections see it.
    pub(crate) head: ResponseHead,
    reason: Vec<u8>,
    pub(crate) version: Version,
    pub(crate) kind: Kind,
    /// How the body ends that follows.
    pub(crate) framing: Framing,
    /// What the fields say about a body, which HEAD and 304 do without having one.
    pub(crate) announced: Framing,
    pub(crate) options: Options,
    /// Whether upstream goes on after it.
    pub(crate) persists: bool,
}

impl Response {
    /// From a whole head.
    pub(crate) fn parse(head: &[u8], asked: &Asked) -> Result<Self, Refusal> {
        let (first, after) = lines::line(head, 0).ok_or(Refusal::FirstLine)?;
        let (version, rest) = first.split_at_checked(8).ok_or(Refusal::FirstLine)?;
        let version = Version::parse(version)?;
        let rest = rest.strip_prefix(b" ").ok_or(Refusal::FirstLine)?;
        let (status, reason) = rest.split_at_checked(3).ok_or(Refusal::Status)?;
        let status = str::from_utf8(status).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let status: u16 =
            status.and_then(|digits| digits.parse().ok()).filter(|is| *is >= 100).ok_or(Refusal::Status)?;
        // The space may be missing with the reason.
        let reason = if reason.is_empty() { reason } else { reason.strip_prefix(b" ").ok_or(Refusal::Status)? };
        if !lines::is_value(reason) {
            return Err(Refusal::ControlCharacter);
        }
        let reason = reason.to_vec();
        let mut fields = lines::fields(head.get(after..).unwrap_or_default())?;
        let told = framing::told(&fields)?;
        let speaks_chunked = version == Version::Http11 && asked.version == Version::Http11;
        if matches!(told, Some(Framing::Chunked(_))) && !speaks_chunked {
            return Err(Refusal::TransferEncoding);
        }
        let mut options = Options::take(&mut fields, Side::Response)?;
        let kind = match status {
            101 if asked.offers_upgrade && options.upgrade.is_some() => Kind::Switch,
            101 => return Err(Refusal::Switch),
            100..200 => Kind::Interim,
            200..300 if asked.method == AskedMethod::Connect => Kind::Switch,
            _ => Kind::Final,
        };
        if kind != Kind::Switch && status != 426 {
            options.upgrade = None;
        }
        let announced = match status {
            _ if kind != Kind::Final => Framing::Nothing,
            204 => Framing::Nothing,
            304 => told.unwrap_or(Framing::Nothing),
            _ if asked.method == AskedMethod::Head => told.unwrap_or(Framing::Nothing),
            _ => told.unwrap_or(Framing::UntilClose),
        };
        let has_body = kind == Kind::Final && !matches!(status, 204 | 304) && asked.method != AskedMethod::Head;
        let framing = if has_body { announced.clone() } else { Framing::Nothing };
        let persists =
            !options.close && framing != Framing::UntilClose && (version == Version::Http11 || options.keep_alive);
        let head = ResponseHead { status, length: framing.length(), fields };
        Ok(Self { head, reason, version, kind, framing, announced, options, persists })
    }

    /// An inspection changes the body's length: it ends at the last chunk, or with the connection for who knows no chunks.
    pub(crate) fn unannounce(&mut self, asked: &Asked) {
        let framing = match self.framing {
            Framing::Nothing | Framing::Chunked(_) => return,
            _ if asked.version == Version::Http11 => Framing::Chunked(None),
            _ => Framing::UntilClose,
        };
        if matches!(framing, Framing::Chunked(_)) {
            self.version = Version::Http11;
        } else {
            self.persists = false;
        }
        self.announced = framing.clone();
        self.framing = framing;
    }

    /// As bytes for the client.
    pub(crate) fn write(&self, closes: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.head.fields.bytes() + self.reason.len() + 160);
        bytes.extend_from_slice(self.version.text());
        bytes.extend_from_slice(format!(" {} ", self.head.status).as_bytes());
        bytes.extend_from_slice(&self.reason);
        bytes.extend_from_slice(b"\r\n");
        write_fields(&mut bytes, &self.head.fields);
        write_framing(&mut bytes, &self.announced);
        let close = self.kind == Kind::Final && (closes || !self.persists);
        Options { close: close || self.options.close, ..self.options.clone() }.write(&mut bytes);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GET: Asked = Asked { method: AskedMethod::Other, version: Version::Http11, offers_upgrade: false };
    const HEAD: Asked = Asked { method: AskedMethod::Head, ..GET };
    const CONNECT: Asked = Asked { method: AskedMethod::Connect, ..GET };
    const UPGRADE: Asked = Asked { offers_upgrade: true, ..GET };
    const OLD: Asked = Asked { version: Version::Http10, ..GET };

    fn parse(head: &str, asked: &Asked) -> Result<Response, Refusal> {
        Response::parse(format!("{head}\r\n\r\n").as_bytes(), asked)
    }

    #[test]
    fn the_body_depends_on_what_was_asked() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 5";
        for (head, asked, framing, kind) in [
            (length, GET, Framing::Length(5), Kind::Final),
            (length, HEAD, Framing::Nothing, Kind::Final),
            (length, CONNECT, Framing::Nothing, Kind::Switch),
            ("HTTP/1.1 404 No\r\nContent-Length: 5", CONNECT, Framing::Length(5), Kind::Final),
            ("HTTP/1.1 304 \r\nContent-Length: 5", GET, Framing::Nothing, Kind::Final),
            ("HTTP/1.1 204", GET, Framing::Nothing, Kind::Final),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>", GET, Framing::Nothing, Kind::Interim),
            ("HTTP/1.1 200", GET, Framing::UntilClose, Kind::Final),
            ("HTTP/1.1 999 LinkedIn\r\nTransfer-Encoding: chunked", GET, Framing::Chunked(None), Kind::Final),
            ("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade", UPGRADE, Framing::Nothing, Kind::Switch),
        ] {
            let response = parse(head, &asked).unwrap();
            assert_eq!((response.framing, response.kind), (framing, kind), "{head} {asked:?}");
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let written = |head: &str, asked: &Asked| String::from_utf8(parse(head, asked).unwrap().write(false)).unwrap();
        assert_eq!(
            written("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nset-cookie: b", &HEAD),
            "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 5\r\n\r\n"
        );
        assert_eq!(written("HTTP/1.0 200 OK", &GET), "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n");
        assert_eq!(
            written("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade", &UPGRADE),
            "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        assert_eq!(written("HTTP/1.1 204 No\r\nContent-Length: 0", &GET), "HTTP/1.1 204 No\r\n\r\n");
    }

    #[test]
    fn what_could_fool_a_client_is_refused() {
        for (head, asked, refusal) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", GET, Refusal::TwoLengths),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", GET, Refusal::TwoLengths),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", GET, Refusal::TransferEncoding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", GET, Refusal::TransferEncoding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", OLD, Refusal::TransferEncoding),
            ("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade", GET, Refusal::Switch),
            ("HTTP/1.1 101 Go", UPGRADE, Refusal::Switch),
            ("HTTP/1.1 20 OK", GET, Refusal::Status),
            ("HTTP/1.1 2000", GET, Refusal::Status),
            ("HTTP/1.1 099 OK", GET, Refusal::Status),
            ("HTTP/1.1 200 O\rK", GET, Refusal::ControlCharacter),
            ("HTTP/2.0 200 OK", GET, Refusal::Version),
            ("ICY 200 OK", GET, Refusal::Version),
            ("HTTP/1.1 200 OK\r\nA: b\r\n c", GET, Refusal::Folded),
        ] {
            assert_eq!(parse(head, &asked).map(|_| ()), Err(refusal), "{head}");
        }
    }
}
