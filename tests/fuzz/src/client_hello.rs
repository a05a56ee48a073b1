//! A ClientHello's body, and the same bytes as a stream of TCP in two segments.

use hello::client_hello::{ClientHello, Flavour};
use hello::records::{MAX_KEPT_BYTES, Records};
use hello::{Transport, ja4};

/// The target.
pub fn run(bytes: &[u8]) {
    for (flavour, transport) in [(Flavour::Tls, Transport::Tcp), (Flavour::Dtls, Transport::Dtls)] {
        if let Ok(hello) = ClientHello::parse(bytes, flavour) {
            assert_eq!(ja4(&hello, transport).len(), 36, "a fingerprint has one length");
        }
    }
    let mut records = Records::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for segment in [first, second] {
        records.push(segment, &mut |_| {});
        assert!(records.kept_bytes() <= MAX_KEPT_BYTES, "more is kept than may be");
    }
}
