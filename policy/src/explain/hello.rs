//! What a client is supposed to do with a connection once packets pass.

use crate::http::FileType;
use crate::tls::{BadView, Ech, NameError, Opening, Transport, canonical};

/// How it opens the connection, and what it asks for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What its first bytes are; a TLS hello over UDP is one in QUIC.
    pub opening: Opening,
    /// The name it sends.
    pub sni: Option<String>,
    /// The protocols it offers.
    pub alpn: Vec<String>,
    /// Its fingerprint.
    pub ja4: Option<String>,
    /// Whether another name may be hidden.
    pub ech: Ech,
    /// The request it makes.
    pub request: Option<Request>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As it is sent.
    pub method: String,
    /// Whether it comes inside TLS.
    pub is_secure: bool,
    /// The server's name.
    pub host: String,
    /// What stands after it, the query included.
    pub target: String,
    /// What is transferred, either way.
    pub kind: Option<FileType>,
}

/// Why TLS or HTTP rules cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// No client could send that.
    #[error("`{0}` is not a host name: {1}; write one like `www.example.jp`")]
    Name(String, NameError),
    /// A part of a hello without one.
    #[error(
        "`{0}` has no ClientHello: leave out the name, the protocols, the fingerprint and ECH, or say that it speaks tls"
    )]
    NoHello(&'static str),
    /// Not a method and a URL.
    #[error("`{0}` is not a request; write one like `GET https://www.example.jp/path`")]
    Request(String),
    /// An `https` request outside TLS, or the other way round.
    #[error("`{url}` does not come in a connection that opens with {opening}")]
    Scheme {
        /// Where it goes.
        url: String,
        /// What the client is said to speak.
        opening: &'static str,
    },
    /// An opening that comes otherwise.
    #[error("`{opening}` does not come over {transport}")]
    Transport {
        /// What the client is said to speak.
        opening: &'static str,
        /// What carries the packet.
        transport: &'static str,
    },
    /// The policy does not hold together: our fault.
    #[error(transparent)]
    View(#[from] BadView),
}

impl Hello {
    /// What its first bytes are over this: a ClientHello is QUIC's over UDP.
    pub(super) fn opening_over(&self, transport: Transport) -> Result<Opening, HelloError> {
        let opening = match (self.opening, transport) {
            (Opening::Tls, Transport::Udp) => Opening::Quic,
            (opening, _) => opening,
        };
        match opening.transports().contains(&transport) {
            true => Ok(opening),
            false => Err(HelloError::Transport { opening: opening.name(), transport: transport.name() }),
        }
    }

    /// A ClientHello over TCP with nothing in it.
    pub fn empty() -> Self {
        Self { opening: Opening::Tls, sni: None, alpn: Vec::new(), ja4: None, ech: Ech::Absent, request: None }
    }

    pub(super) fn check(&self) -> Result<(), HelloError> {
        let says = self.sni.is_some() || self.ja4.is_some() || !self.alpn.is_empty() || self.ech != Ech::Absent;
        if says && !self.opening.has_hello() {
            return Err(HelloError::NoHello(self.opening.name()));
        }
        self.sni.iter().try_for_each(|name| check_name(name))?;
        let Some(request) = &self.request else { return Ok(()) };
        let may_carry = if request.is_secure { self.opening.has_hello() } else { self.opening == Opening::Http };
        match may_carry {
            true => Ok(()),
            false => Err(HelloError::Scheme { url: request.url(), opening: self.opening.name() }),
        }
    }
}

impl Request {
    /// Reads `GET https://www.example.jp/path`.
    ///
    /// # Errors
    /// It is not of that form, or its host is not one.
    pub fn parse(text: &str) -> Result<Self, HelloError> {
        let bad = || HelloError::Request(text.to_owned());
        let (method, url) = text.trim().split_once(' ').ok_or_else(bad)?;
        let url = url.trim_start();
        let secure = url.strip_prefix("https://").map(|rest| (true, rest));
        let (is_secure, rest) = secure.or(url.strip_prefix("http://").map(|rest| (false, rest))).ok_or_else(bad)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        if method.is_empty() || url.contains(char::is_whitespace) {
            return Err(bad());
        }
        check_name(host)?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { method: method.to_owned(), is_secure, host: host.to_owned(), target, kind: None })
    }

    /// Without a port.
    pub fn url(&self) -> String {
        format!("{}://{}{}", if self.is_secure { "https" } else { "http" }, self.host, self.target)
    }
}

fn check_name(name: &str) -> Result<(), HelloError> {
    let error = if name.starts_with('.') { Some(NameError::EmptyLabel) } else { canonical(name).err() };
    error.map_or(Ok(()), |error| Err(HelloError::Name(name.to_owned(), error)))
}
