//! A client's Initial packets for tests, made by rustls, which owes nothing to the code that reads them.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};
use rustls::quic::{ClientConnection, Keys, Version};
use rustls::{ClientConfig, RootCertStore, Side};

/// What a client says first.
pub struct Client {
    /// Its ClientHello.
    pub hello: Vec<u8>,
}

impl Client {
    /// To a server of this name; always the same, so that its parts fit together.
    pub fn new(name: &str) -> Self {
        static HELLOS: std::sync::Mutex<Vec<(String, Vec<u8>)>> = std::sync::Mutex::new(Vec::new());
        let mut hellos = HELLOS.lock().unwrap();
        if let Some((_, hello)) = hellos.iter().find(|(known, _)| known == name) {
            return Self { hello: hello.clone() };
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h3".to_vec()];
        let mut client =
            ClientConnection::new(Arc::new(config), Version::V1, name.to_owned().try_into().unwrap(), Vec::new())
                .unwrap();
        let mut hello = Vec::new();
        client.write_hs(&mut hello);
        hellos.push((name.to_owned(), hello.clone()));
        Self { hello }
    }
}

/// The keys of the client that calls its server by this id.
pub fn keys(id: &[u8]) -> Keys {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().unwrap();
    suite.quic_suite().unwrap().keys(id, Side::Client, Version::V1)
}

/// Packet `number` of that client, which calls itself `me`: so much of its handshake, from `offset` on.
pub fn initial(id: &[u8], number: u64, offset: usize, data: &[u8]) -> Vec<u8> {
    let mut payload = vec![6];
    payload.extend((0x8000_0000 | offset as u32).to_be_bytes());
    payload.extend((0x4000 | data.len() as u16).to_be_bytes());
    payload.extend(data);
    payload.resize(payload.len().max(1_100), 0);
    let mut packet = [&[0xc3, 0, 0, 0, 1, id.len() as u8], id, &[2], b"me", &[0]].concat();
    packet.extend((0x4000 | (4 + payload.len() + 16) as u16).to_be_bytes());
    let at = packet.len();
    packet.extend((number as u32).to_be_bytes());
    let keys = keys(id).local;
    let tag = keys.packet.encrypt_in_place(number, &packet, &mut payload).unwrap();
    packet.extend(payload);
    packet.extend(tag.as_ref());
    let sample = packet[at + 4..at + 20].to_vec();
    let (first, rest) = packet.split_at_mut(1);
    keys.header.encrypt_in_place(&sample, &mut first[0], &mut rest[at - 1..at + 3]).unwrap();
    packet
}
