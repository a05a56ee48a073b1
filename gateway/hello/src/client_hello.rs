//! The ClientHello: RFC 8446 §4.1.2, and its older shapes, which differ in what they leave out.
//!
//! What is not there has a reason: [`NoSni`], [`Ech`], [`Malformed`]. A message that breaks off inside its extensions is
//! told as far as it goes, with its flaw: who sends such a thing is worth knowing, and what a server makes of it is open.

mod ech;
mod sni;
#[cfg(test)]
pub(crate) mod tests;

use crate::bytes::{Bytes, Short};

pub use ech::Ech;
pub use sni::NoSni;

/// The longest body that the lengths inside a ClientHello allow: versions and random (34), session id (33), DTLS cookie
/// (256), cipher suites (2 + 65,534), compression methods (256), extensions (2 + 65,535).
pub const MAX_BODY_BYTES: usize = 34 + 33 + 256 + 65_536 + 256 + 65_537;

/// Type of the handshake message.
pub const CLIENT_HELLO: u8 = 1;

/// What a client offers, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The version field, which TLS 1.3 left at 0x0303.
    pub legacy_version: u16,
    /// Cipher suites, GREASE included.
    pub ciphers: Vec<u16>,
    /// Types of the extensions, GREASE included.
    pub extensions: Vec<u16>,
    /// The host name.
    pub sni: Result<String, NoSni>,
    /// Application protocols; `None` without the extension.
    pub alpn: Option<Vec<Vec<u8>>>,
    /// What the extension of this name offers, GREASE included.
    pub supported_versions: Vec<u16>,
    /// Signature algorithms, GREASE included.
    pub signature_algorithms: Vec<u16>,
    /// Whether the true name is hidden.
    pub ech: Ech,
    /// What is wrong with the extensions.
    pub flaw: Option<Malformed>,
}

/// What is wrong with a message that says it is a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field ends after the message.
    #[error("the message ends inside {0}")]
    Truncated(&'static str),
    /// Cipher suites take two bytes each.
    #[error("half a cipher suite")]
    OddCiphers,
    /// More bytes than the extensions have.
    #[error("bytes after the extensions")]
    Trailing,
    /// Longer than any ClientHello can be.
    #[error("the message is longer than its fields can be")]
    TooLong,
}

/// Which hello it is: DTLS has a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// TLS over TCP or in QUIC.
    Tls,
    /// DTLS.
    Dtls,
}

impl ClientHello {
    /// Reads the body of the message: what follows type and length.
    pub fn parse(body: &[u8], flavour: Flavour) -> Result<Self, Malformed> {
        let mut bytes = Bytes::new(body);
        let legacy_version = bytes.u16().map_err(inside("the version"))?;
        bytes.take(32).map_err(inside("the random"))?;
        bytes.vec8().map_err(inside("the session id"))?;
        if flavour == Flavour::Dtls {
            bytes.vec8().map_err(inside("the cookie"))?;
        }
        let ciphers = bytes.vec16().map_err(inside("the cipher suites"))?;
        let ciphers = ciphers.numbers().map_err(|Short| Malformed::OddCiphers)?;
        bytes.vec8().map_err(inside("the compression methods"))?;
        let mut hello = Self {
            legacy_version,
            ciphers,
            extensions: Vec::new(),
            sni: Err(NoSni::NotSent),
            alpn: None,
            supported_versions: Vec::new(),
            signature_algorithms: Vec::new(),
            ech: Ech::Absent,
            flaw: None,
        };
        if !bytes.is_empty() {
            hello.flaw = hello.extensions(bytes).err();
        }
        Ok(hello)
    }

    /// Whether a name, or the attempt at one, was sent in the clear.
    pub fn has_sni_extension(&self) -> bool {
        self.extensions.contains(&extension::SERVER_NAME)
    }

    /// Reads them as far as they go.
    fn extensions(&mut self, mut bytes: Bytes<'_>) -> Result<(), Malformed> {
        let length = bytes.u16().map_err(inside("the extensions"))?;
        let there = bytes.rest().len().min(length.into());
        let mut extensions = Bytes::new(bytes.take(there).map_err(inside("the extensions"))?);
        while !extensions.is_empty() {
            let kind = extensions.u16().map_err(inside("an extension"))?;
            let mut whole = extensions;
            match whole.vec16() {
                Ok(data) => {
                    self.extension(kind, data);
                    extensions = whole;
                }
                Err(Short) => {
                    let data = extensions.rest().get(2..).unwrap_or_default();
                    self.extension(kind, Bytes::new(data));
                    return Err(Malformed::Truncated("an extension"));
                }
            }
        }
        if there < length.into() {
            return Err(Malformed::Truncated("the extensions"));
        }
        if bytes.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }

    fn extension(&mut self, kind: u16, data: Bytes<'_>) {
        let first = !self.extensions.contains(&kind);
        self.extensions.push(kind);
        if !first {
            // RFC 8446 §4.2 forbids two of a kind; servers that bear it take the first.
            return;
        }
        match kind {
            extension::SERVER_NAME => self.sni = sni::parse(data),
            extension::ALPN => self.alpn = Some(alpn(data)),
            extension::SUPPORTED_VERSIONS => self.supported_versions = list8(data),
            extension::SIGNATURE_ALGORITHMS => self.signature_algorithms = list16(data),
            extension::ECH | extension::ESNI => self.ech = ech::parse(kind, data),
            _ => {}
        }
    }
}

/// Whether a number is one of RFC 8701's, which mean nothing.
pub fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && high & 0x0f == 0x0a
}

/// Types of extensions that are looked into.
pub mod extension {
    /// RFC 6066.
    pub const SERVER_NAME: u16 = 0;
    /// RFC 8446 §4.2.3.
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    /// RFC 7301.
    pub const ALPN: u16 = 16;
    /// RFC 8446 §4.2.1.
    pub const SUPPORTED_VERSIONS: u16 = 43;
    /// RFC 9849, and the drafts of it that were used.
    pub const ECH: u16 = 0xfe0d;
    /// The drafts before, which hid the name alone.
    pub const ESNI: u16 = 0xffce;
}

/// Protocol names as far as they can be read.
fn alpn(mut data: Bytes<'_>) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let Ok(mut list) = data.vec16() else { return names };
    while let Ok(name) = list.vec8() {
        names.push(name.rest().to_vec());
    }
    names
}

fn list8(mut data: Bytes<'_>) -> Vec<u16> {
    data.vec8().and_then(Bytes::numbers).unwrap_or_default()
}

fn list16(mut data: Bytes<'_>) -> Vec<u16> {
    data.vec16().and_then(Bytes::numbers).unwrap_or_default()
}

fn inside(what: &'static str) -> impl Fn(Short) -> Malformed {
    move |Short| Malformed::Truncated(what)
}
