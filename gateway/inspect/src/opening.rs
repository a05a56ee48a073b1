//! What a client says first, looked at before anything is decided: at most so many bytes, for at most so long.
//!
//! The bytes are kept: whoever is spoken to in the end gets them. Servers that speak first are found out by asking them,
//! which is the session's business; here such a client is silent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use certify::KeyType;
use hello::client_hello::{ClientHello, Ech};
use hello::ja4::Transport;
use hello::records::{First, first};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::serve::key_type;
use crate::splice::note_drained;

/// A hello may be longer than any that was ever met, but not as long as its fields allow.
pub const LONGEST_OPENING: usize = 128 << 10;
/// For the whole of it, once it has begun.
pub const TIME_TO_FINISH: Duration = Duration::from_secs(10);
/// Longer than any name in DNS.
const LONGEST_NAME: usize = 255;
/// Of all protocols offered those are kept, and offered to the server, that anybody uses: a hello has room for 32,000.
const PROTOCOLS: usize = 16;
const LONGEST_PROTOCOL: usize = 32;
/// Read at a time. Nearly every hello, post-quantum ones included, comes in one.
const CHUNK: usize = 4 << 10;

/// What the client said.
#[derive(Debug)]
pub struct Spoken {
    /// Every byte so far.
    pub bytes: Vec<u8>,
    /// What they are.
    pub kind: Kind,
}

/// What a client's first bytes are.
#[derive(Debug)]
pub enum Kind {
    /// A ClientHello.
    Tls(Arc<TlsHello>),
    /// A request in the clear.
    Http,
    /// Anything else.
    Other,
    /// A ClientHello that is broken or too long.
    Malformed,
    /// It was begun and not finished in time.
    Slow,
    /// Nothing came, for as long as was waited.
    Silence,
    /// The client has gone.
    Gone,
}

/// A ClientHello in the words of rules and events.
#[derive(Debug)]
pub struct TlsHello {
    /// The name in the clear.
    pub sni: Option<String>,
    /// Protocols offered.
    pub alpn: Vec<Vec<u8>>,
    /// Fingerprint.
    pub ja4: String,
    /// Whether another name may be hidden.
    pub ech: bool,
    /// The kind of certificate that the client understands.
    pub key_type: KeyType,
}

impl TlsHello {
    /// The hello of a client that sends a name as long as names are.
    pub fn new(hello: &ClientHello, transport: Transport) -> Option<Self> {
        if hello.sni.as_ref().is_ok_and(|name| name.len() > LONGEST_NAME) {
            return None;
        }
        let alpn = hello.alpn.iter().flatten().filter(|name| name.len() <= LONGEST_PROTOCOL);
        Some(Self {
            sni: hello.sni.clone().ok(),
            alpn: alpn.take(PROTOCOLS).cloned().collect(),
            ja4: hello::ja4(hello, transport),
            ech: hello.ech != Ech::Absent,
            key_type: key_type(hello),
        })
    }
}

/// Reads until it is clear what the client says, or nothing has come for so long.
pub async fn listen(client: &TcpStream, patience: Duration) -> io::Result<Spoken> {
    listen_on(client, Vec::new(), patience).await
}

/// Likewise where some of it was read before.
pub async fn listen_on(client: &TcpStream, mut bytes: Vec<u8>, patience: Duration) -> io::Result<Spoken> {
    let deadline = Instant::now() + TIME_TO_FINISH;
    let mut needed = 1;
    let until = Instant::now() + patience.min(TIME_TO_FINISH);
    if bytes.is_empty() {
        match timeout_at(until, read_some(client, &mut bytes)).await {
            Err(_) => return Ok(Spoken { bytes, kind: Kind::Silence }),
            Ok(read) => {
                if !read? {
                    return Ok(Spoken { bytes, kind: Kind::Gone });
                }
            }
        }
    }
    loop {
        if bytes.len() >= needed {
            match look(&bytes) {
                Looked::Clear(kind) => return Ok(Spoken { bytes, kind }),
                Looked::Needs(more) => needed = more,
            }
        }
        if needed > LONGEST_OPENING {
            return Ok(Spoken { bytes, kind: Kind::Malformed });
        }
        match timeout_at(deadline, read_some(client, &mut bytes)).await {
            Err(_) => return Ok(Spoken { bytes, kind: Kind::Slow }),
            Ok(read) => {
                if !read? {
                    // Half a word is another opening.
                    return Ok(Spoken { bytes, kind: Kind::Other });
                }
            }
        }
    }
}

/// `false` at the end of what the client says.
async fn read_some(client: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        client.readable().await?;
        bytes.reserve(CHUNK);
        let room = bytes.capacity() - bytes.len();
        match client.try_read_buf(bytes) {
            Ok(count) => {
                note_drained(client, count, room);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

enum Looked {
    Clear(Kind),
    /// So many bytes from the beginning are needed to say more.
    Needs(usize),
}

fn look(bytes: &[u8]) -> Looked {
    match first(bytes) {
        First::Hello(hello) => Looked::Clear(
            TlsHello::new(&hello, Transport::Tcp).map_or(Kind::Malformed, |hello| Kind::Tls(Arc::new(hello))),
        ),
        First::Malformed(_) => Looked::Clear(Kind::Malformed),
        First::Unfinished { needed_bytes } => Looked::Needs(needed_bytes),
        First::NotTls => match is_http(bytes) {
            Some(true) => Looked::Clear(Kind::Http),
            Some(false) => Looked::Clear(Kind::Other),
            None => Looked::Needs(bytes.len() + 1),
        },
    }
}

/// The longest method that is waited for.
const LONGEST_METHOD: usize = 32;

/// Whether a request line begins here: a method in capitals, a blank, a target; none: not to be said yet. A method that
/// nobody knows is a request all the same, for whoever answers it.
pub fn is_http(bytes: &[u8]) -> Option<bool> {
    // Servers pass over empty lines before a request, and over blanks between its parts. Whoever relays is stricter.
    let bytes = &bytes[bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()..];
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase() || **byte == b'-').count();
    if method > LONGEST_METHOD {
        return Some(false);
    }
    match bytes.get(method) {
        None => None,
        Some(b' ') if method >= 3 => {
            let target = bytes[method..].iter().find(|byte| !matches!(byte, b' ' | b'\t'))?;
            Some(matches!(target, b'/' | b'*' | b'[') || target.is_ascii_alphanumeric())
        }
        Some(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_from_other_text() {
        for text in ["GET / HTTP/1.1\r\n", "OPTIONS * H", "CONNECT example.jp:443", "PRI * HTTP/2.0", "M-SEARCH *"] {
            assert_eq!(is_http(text.as_bytes()), Some(true), "{text}");
            for end in 1..=text.find(' ').unwrap_or(0) {
                assert_eq!(is_http(&text.as_bytes()[..end]), None, "{text} {end}");
            }
        }
        assert_eq!(is_http(b"\r\n\nGET  \t/"), Some(true));
        assert_eq!(is_http(b"\r\n"), None);
        for text in ["SSH-2.0-OpenSSH_9", "EHLO\r\n", "get / http", "\u{1}\u{2}", "{\"a\":1}", "A \r\n"] {
            assert_eq!(is_http(text.as_bytes()), Some(false), "{text}");
        }
        assert_eq!(is_http(&[b'A'; LONGEST_METHOD + 1]), Some(false));
    }

    fn vector(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
    }

    /// The record of a hello with this name, offering as many protocols of one letter.
    fn hello(name: &str, protocols: usize) -> Vec<u8> {
        let sni = vector(&[&[0], vector(name.as_bytes()).as_slice()].concat());
        let alpn = vector(&[1, b'x'].repeat(protocols));
        let extensions =
            [[&[0, 0], vector(&sni).as_slice()].concat(), [&[0, 16], vector(&alpn).as_slice()].concat()].concat();
        let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &vector(&extensions)].concat();
        let message = [&[1, 0], vector(&body).as_slice()].concat();
        let record = |part: &[u8]| [&[22, 3, 1], vector(part).as_slice()].concat();
        message.chunks(16_384).flat_map(record).collect()
    }

    #[test]
    fn what_is_kept_of_a_hello_is_bounded() {
        let Looked::Clear(Kind::Tls(kept)) = look(&hello("www.example.jp", 20_000)) else { panic!("no hello") };
        assert_eq!((kept.sni.as_deref(), kept.alpn.len()), (Some("www.example.jp"), PROTOCOLS));
        let long = format!("{}.jp", "a".repeat(LONGEST_NAME));
        assert!(matches!(look(&hello(&long, 1)), Looked::Clear(Kind::Malformed)));
    }

    #[test]
    fn what_is_neither_is_clear_at_once() {
        assert!(matches!(look(b"\x00\x01"), Looked::Clear(Kind::Other)));
        assert!(matches!(look(b"\x16\x03\x01"), Looked::Needs(4..)));
        assert!(matches!(look(b"\x16\x09"), Looked::Clear(Kind::Other)));
    }
}
