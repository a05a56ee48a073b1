//! The small words of `[tls]`.

use std::net::{IpAddr, SocketAddr};

use super::{Wrong, wrong};

/// Where names are looked up: an address, with a port unless it is DNS's own.
pub(crate) fn resolver(text: &str) -> Result<SocketAddr, Wrong> {
    const DNS: u16 = 53;
    let bare = text.parse::<IpAddr>().ok().map(|address| SocketAddr::from((address, DNS)));
    let bad = |help: &str| Err(wrong("bad-resolver", format!("`{text}` is not a resolver"), help.to_owned()));
    match bare.or_else(|| text.parse::<SocketAddr>().ok()) {
        Some(resolver) if resolver.port() == 0 => bad("ports are numbers from 1 to 65535; leave it out for 53"),
        Some(resolver) if resolver.ip().is_unspecified() || resolver.ip().is_multicast() => {
            bad("write the address of one server")
        }
        Some(resolver) => Ok(resolver),
        None => {
            bad("write its address, as in `192.0.2.53`, `2001:db8::53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`")
        }
    }
}

/// A fingerprint of a ClientHello: `t13d1516h2_8daaf6152771_b186095e22b6`.
pub(crate) fn ja4(text: &str) -> Result<(), Wrong> {
    let hex = |part: &str| part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let summary = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() == 10
            && matches!(bytes[0], b't' | b'q' | b'd')
            && matches!(bytes[3], b'd' | b'i')
            && bytes[4..8].iter().all(u8::is_ascii_digit)
            && bytes.iter().all(u8::is_ascii_alphanumeric)
    };
    let mut parts = text.split('_');
    let good = parts.next().is_some_and(summary) && parts.next().is_some_and(hex) && parts.next().is_some_and(hex);
    if good && parts.next().is_none() {
        return Ok(());
    }
    let lower = text.to_ascii_lowercase();
    let help = if lower != text && ja4(&lower).is_ok() {
        format!("write `{lower}`")
    } else {
        "it looks like `t13d1516h2_8daaf6152771_b186095e22b6`; `bangasa hello` tells those of a capture".to_owned()
    };
    Err(wrong("bad-ja4", format!("`{text}` is not a JA4 fingerprint"), help))
}

/// `24h`, `30d`: in seconds.
pub(crate) fn span(key: &str, text: &str, least: u32, most: u32) -> Result<u32, Wrong> {
    crate::span::parse(text, least, most)
        .map_err(|error| wrong("bad-span", format!("`{key}` cannot be `{text}`"), error.to_string()))
}

/// The name of an application protocol, as clients offer it.
pub(crate) fn alpn(text: &str) -> Result<(), Wrong> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let help = "protocols are named as in the registry: `h2`, `http/1.1`, `h3`".to_owned();
    Err(wrong("bad-alpn", format!("`{text}` is not a protocol that a client could offer"), help))
}
