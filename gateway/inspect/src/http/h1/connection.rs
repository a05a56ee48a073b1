//! What a head says about its connection alone: read, taken out of the fields, and said anew towards the other side.
//!
//! Each connection of a client has one upstream connection, and both live and die together; so `close` and `keep-alive`
//! mean the same on both, and `Keep-Alive` passes.

use super::lines::is_space;
use crate::http::refusal::Refusal;
use crate::seam::Side;
use crate::seam::fields::Fields;

/// The connection options of a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// No other message comes after this one.
    pub(crate) close: bool,
    /// Said, and not only meant.
    pub(crate) keep_alive: bool,
    /// The protocols of `Upgrade`, where an upgrade is wanted or made.
    pub(crate) upgrade: Option<String>,
    /// The client takes trailers.
    pub(crate) trailers: bool,
}

impl Options {
    /// Reads them, and leaves the fields that are for the other end.
    pub(crate) fn take(fields: &mut Fields, side: Side) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let mut named: Vec<Vec<u8>> = Vec::new();
        let mut is_upgrade = false;
        for option in words(fields, "connection") {
            match option.as_slice() {
                b"" => {}
                b"close" => options.close = true,
                b"keep-alive" => options.keep_alive = true,
                b"upgrade" => is_upgrade = true,
                b"te" => {}
                // Some servers name it; it is about the connection, if not an option.
                b"transfer-encoding" if side == Side::Response => {}
                b"host" | b"content-length" | b"transfer-encoding" => return Err(Refusal::Connection),
                _ => named.push(option),
            }
        }
        options.trailers = side == Side::Request && words(fields, "te").any(|coding| coding == b"trailers");
        if is_upgrade {
            // HTTP/2 without TLS, inside of TLS, would be nothing but a way past who reads HTTP/1.
            let wanted: Vec<_> =
                words(fields, "upgrade").filter(|word| !word.is_empty() && !word.starts_with(b"h2")).collect();
            let wanted = wanted.join(&b", "[..]);
            options.upgrade = String::from_utf8(wanted).ok().filter(|wanted| !wanted.is_empty());
        }
        fields.keep(|name, _| !is_about_connection(name) && !named.iter().any(|word| name.eq_ignore_ascii_case(word)));
        Ok(options)
    }

    /// The values of `Connection`, towards the other side.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        let options = [
            (self.close, &b"close"[..]),
            (self.keep_alive && !self.close, b"keep-alive"),
            (self.upgrade.is_some(), b"Upgrade"),
            (self.trailers, b"TE"),
        ];
        let mut separator = &b"Connection: "[..];
        for (_, word) in options.iter().filter(|(is_said, _)| *is_said) {
            into.extend_from_slice(separator);
            into.extend_from_slice(word);
            separator = b", ";
        }
        if separator == b", " {
            into.extend_from_slice(b"\r\n");
        }
        if let Some(upgrade) = &self.upgrade {
            into.extend_from_slice(b"Upgrade: ");
            into.extend_from_slice(upgrade.as_bytes());
            into.extend_from_slice(b"\r\n");
        }
        if self.trailers {
            into.extend_from_slice(b"TE: trailers\r\n");
        }
    }
}

/// Fields that the relay says anew or not at all. Those with underscores are what some servers take for the same.
fn is_about_connection(name: &[u8]) -> bool {
    let words: &[&[u8]] = match name.len() {
        2 => &[b"te"],
        7 => &[b"upgrade"],
        10 => &[b"connection"],
        14 => &[b"content-length", b"content_length", b"http2-settings"],
        16 => &[b"proxy-connection"],
        17 => &[b"transfer-encoding", b"transfer_encoding"],
        _ => return false,
    };
    words.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// The elements of a list, in lower case.
fn words<'f>(fields: &'f Fields, name: &'f str) -> impl Iterator<Item = Vec<u8>> {
    fields.all(name).flat_map(|value| value.split(|byte| *byte == b',')).map(|word| {
        let start = word.iter().position(|byte| !is_space(*byte)).unwrap_or(word.len());
        word.get(start..).unwrap_or_default().trim_ascii_end().to_ascii_lowercase()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::http::h1::lines;

    fn read(head: &str) -> (Options, String, String) {
        let mut fields = lines::fields(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        let options = Options::take(&mut fields, Side::Request).unwrap();
        let mut written = Vec::new();
        options.write(&mut written);
        let left: Vec<_> = fields.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
        (options, left.join(" "), String::from_utf8(written).unwrap())
    }

    #[test]
    fn fields_of_the_connection_stay_with_it() {
        let (options, left, written) = read(
            "Host: a\r\nConnection: Keep-Alive, X-Secret, te\r\nKeep-Alive: timeout=5\r\nX-Secret: 1\r\nTE: trailers, gzip\r\n\
             Proxy-Connection: keep-alive\r\nTransfer_Encoding: x\r\nCookie: b",
        );
        assert!(options.keep_alive && options.trailers && !options.close);
        assert_eq!(left, "Host Keep-Alive Cookie");
        assert_eq!(written, "Connection: keep-alive, TE\r\nTE: trailers\r\n");
    }

    #[test]
    fn http2_in_clear_is_no_upgrade() {
        let (options, _, written) = read("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA");
        assert_eq!((options.upgrade, written.as_str()), (None, ""));
        let (options, left, written) = read("Connection: upgrade\r\nUpgrade: WebSocket, h2c\r\nSec-WebSocket-Key: a");
        assert_eq!(options.upgrade.as_deref(), Some("websocket"));
        assert_eq!(
            (left.as_str(), written.as_str()),
            ("Sec-WebSocket-Key", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
        );
        let (options, ..) = read("Upgrade: websocket");
        assert_eq!(options.upgrade, None);
    }

    #[test]
    fn nobody_names_the_framing_away() {
        for option in ["Host", "content-length", "Transfer-Encoding"] {
            let mut fields = lines::fields(format!("Connection: close, {option}\r\n\r\n").as_bytes()).unwrap();
            assert_eq!(Options::take(&mut fields, Side::Request), Err(Refusal::Connection), "{option}");
        }
    }
}
