//! JA4: a name for how a TLS client speaks, the same for every connection of the same software.
//!
//! `t13d1516h2_8daaf6152771_b186095e22b6`: transport, version, whether a name was sent, how many cipher suites and
//! extensions, the first protocol; then the cipher suites sorted, and the extensions sorted with the signature algorithms
//! as sent, each as the first 12 digits of a SHA-256. GREASE is left out everywhere. The server name and ALPN count as
//! extensions, but are not hashed: they follow the server, not the client.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use crate::client_hello::{ClientHello, extension, is_grease};

/// What carried the hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS over TCP.
    Tcp,
    /// QUIC.
    Quic,
    /// DTLS.
    Dtls,
}

impl Transport {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::Dtls => "dtls",
        }
    }
}

/// The fingerprint.
pub fn ja4(hello: &ClientHello, transport: Transport) -> String {
    let mut ciphers = without_grease(&hello.ciphers);
    let mut extensions = without_grease(&hello.extensions);
    let mut name = format!(
        "{}{}{}{:02}{:02}",
        match transport {
            Transport::Tcp => 't',
            Transport::Quic => 'q',
            Transport::Dtls => 'd',
        },
        version(hello, transport),
        if hello.has_sni_extension() { 'd' } else { 'i' },
        ciphers.len().min(99),
        extensions.len().min(99),
    );
    name.extend(protocol(hello));
    ciphers.sort_unstable();
    extensions.retain(|kind| ![extension::SERVER_NAME, extension::ALPN].contains(kind));
    extensions.sort_unstable();
    name.push('_');
    name.push_str(&hash(&ciphers, &[]));
    name.push('_');
    name.push_str(&hash(&extensions, &without_grease(&hello.signature_algorithms)));
    name
}

fn without_grease(numbers: &[u16]) -> Vec<u16> {
    numbers.iter().copied().filter(|number| !is_grease(*number)).collect()
}

fn version(hello: &ClientHello, transport: Transport) -> &'static str {
    let offered = hello.supported_versions.iter().copied().filter(|number| !is_grease(*number));
    // DTLS counts down.
    let highest = if transport == Transport::Dtls { offered.min() } else { offered.max() };
    match highest.unwrap_or(hello.legacy_version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hexadecimal digits where one of the two is no letter or digit.
fn protocol(hello: &ClientHello) -> [char; 2] {
    let first = hello.alpn.as_ref().and_then(|names| names.first());
    let Some((&[first], &[last])) = first.and_then(|name| name.first_chunk().zip(name.last_chunk())) else {
        return ['0', '0'];
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first.into(), last.into()];
    }
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 0x0f)]
}

/// Twelve digits; zeros for an empty list.
fn hash(numbers: &[u16], then: &[u16]) -> String {
    if numbers.is_empty() {
        return "0".repeat(12);
    }
    let mut text = list(numbers);
    if !then.is_empty() {
        text.push('_');
        text.push_str(&list(then));
    }
    digest(&SHA256, text.as_bytes()).as_ref()[..6].iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn list(numbers: &[u16]) -> String {
    numbers.iter().map(|number| format!("{number:04x}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_hello::{Ech, NoSni};

    /// The example of the specification: what Chrome sent in 2023.
    fn chrome() -> ClientHello {
        ClientHello {
            legacy_version: 0x0303,
            ciphers: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
                0xff01, 0x000b, 0x000a, 0x0015, 0x3a3a,
            ],
            sni: Ok("example.jp".into()),
            alpn: Some(vec![b"h2".to_vec()]),
            supported_versions: vec![0x4a4a, 0x0304, 0x0303],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            ech: Ech::Absent,
            flaw: None,
        }
    }

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(ja4(&chrome(), Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn order_of_ciphers_and_extensions_does_not_count_that_of_signatures_does() {
        let mut other = chrome();
        other.ciphers.reverse();
        other.extensions.reverse();
        assert_eq!(ja4(&other, Transport::Tcp), ja4(&chrome(), Transport::Tcp));
        other.signature_algorithms.reverse();
        assert_ne!(ja4(&other, Transport::Tcp), ja4(&chrome(), Transport::Tcp));
    }

    #[test]
    fn protocols_that_are_no_text_are_told_by_their_digits() {
        let cases: [(&[u8], &str); 9] = [
            (b"h2", "h2"),
            (b"http/1.1", "h1"),
            (b"x", "xx"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"\x30\xab", "3b"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x0a\x0a", "0a"),
            (b"", "00"),
        ];
        for (name, told) in cases {
            let hello = ClientHello { alpn: Some(vec![name.to_vec()]), ..chrome() };
            assert_eq!(&ja4(&hello, Transport::Quic)[8..10], told, "{name:?}");
        }
        assert_eq!(&ja4(&ClientHello { alpn: None, ..chrome() }, Transport::Tcp)[8..10], "00");
    }

    #[test]
    fn versions_counts_and_empty_lists() {
        let bare = ClientHello {
            legacy_version: 0x0300,
            ciphers: vec![],
            extensions: vec![],
            sni: Err(NoSni::NotSent),
            alpn: None,
            supported_versions: vec![],
            signature_algorithms: vec![],
            ech: Ech::Absent,
            flaw: None,
        };
        assert_eq!(ja4(&bare, Transport::Tcp), "ts3i000000_000000000000_000000000000");
        let many = ClientHello { ciphers: (0x100..0x200).collect(), legacy_version: 0xfefd, ..bare.clone() };
        assert_eq!(&ja4(&many, Transport::Dtls)[..10], "dd2i990000");
        let draft = ClientHello { supported_versions: vec![0x7f1c, 0x0304], ..bare };
        assert_eq!(&ja4(&draft, Transport::Quic)[..3], "q00", "a draft has no code");
    }
}
