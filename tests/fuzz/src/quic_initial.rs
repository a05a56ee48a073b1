//! A datagram of a QUIC client, twice.

use hello::quic::Client;

/// The target.
pub fn run(bytes: &[u8]) {
    let mut client = Client::default();
    let mut told = 0;
    client.datagram(bytes, &mut |_| told += 1);
    let before = told;
    client.datagram(bytes, &mut |_| told += 1);
    assert!(before > 0 || told == 0, "a repeated datagram completes what it did not complete before");
}
