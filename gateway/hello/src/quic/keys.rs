//! The keys of Initial packets, RFC 9001 §5.2 and RFC 9369 §3.3.
//!
//! By aws-lc-rs itself and not by `rustls::quic`, which knows three of the versions: captures hold drafts with other salts, and a key
//! of 16 bytes cannot be handed to it.

use aws_lc_rs::aead::quic::HeaderProtectionKey;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::packet::Initial;

/// What protects the Initial packets of one side.
pub(super) struct Keys {
    packet: LessSafeKey,
    iv: [u8; 12],
    header: HeaderProtectionKey,
}

/// Salt and the prefix of the labels; `None` for a version whose keys nobody told us.
fn version(version: u32) -> Option<(&'static [u8; 20], &'static str)> {
    const DRAFT_22: [u8; 20] = *b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a";
    const DRAFT_23: [u8; 20] = *b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02";
    const DRAFT_29: [u8; 20] = *b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99";
    const V1: [u8; 20] = *b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a";
    const V2: [u8; 20] = *b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9";
    match version {
        1 | 0xff00_0021 | 0xff00_0022 => Some((&V1, "quic ")),
        super::packet::V2 => Some((&V2, "quicv2 ")),
        0xff00_001d..=0xff00_0020 => Some((&DRAFT_29, "quic ")),
        // Facebook's names for drafts 22 and 27.
        0xff00_0017..=0xff00_001c | 0xface_b002 => Some((&DRAFT_23, "quic ")),
        0xff00_0015 | 0xff00_0016 | 0xface_b001 => Some((&DRAFT_22, "quic ")),
        _ => None,
    }
}

/// Whether packets of a version can be opened.
pub(super) fn is_known(number: u32) -> bool {
    version(number).is_some()
}

/// Where a packet's sample begins, counted from its number.
const SAMPLE_AT: usize = 4;

impl Keys {
    pub(super) fn of_client(number: u32, destination_id: &[u8]) -> Option<Self> {
        Self::new(number, destination_id, "client in")
    }

    /// Those of whom the client calls by this id.
    pub(super) fn of_server(number: u32, destination_id: &[u8]) -> Option<Self> {
        Self::new(number, destination_id, "server in")
    }

    fn new(number: u32, destination_id: &[u8], side: &str) -> Option<Self> {
        let (salt, prefix) = version(number)?;
        let initial = Salt::new(HKDF_SHA256, salt).extract(destination_id);
        let secret = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&initial, side)?);
        let key = expand::<16>(&secret, &format!("{prefix}key"))?;
        Some(Self {
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?),
            iv: expand(&secret, &format!("{prefix}iv"))?,
            header: HeaderProtectionKey::new(&quic::AES_128, &expand::<16>(&secret, &format!("{prefix}hp"))?).ok()?,
        })
    }

    /// Packet 0 with these frames, three bytes of them at least, behind a header whose number is yet to come.
    pub(super) fn seal(&self, mut header: Vec<u8>, frames: &[u8]) -> Option<Vec<u8>> {
        let at = header.len();
        header.push(0);
        let mut payload = frames.to_vec();
        let nonce = Nonce::assume_unique_for_key(self.iv);
        self.packet.seal_in_place_append_tag(nonce, Aad::from(&header), &mut payload).ok()?;
        let mut packet = header;
        packet.append(&mut payload);
        let mask = self.header.new_mask(packet.get(at + SAMPLE_AT..at + SAMPLE_AT + 16)?).ok()?;
        packet[0] ^= mask[0] & 0x0f;
        packet[at] ^= mask[1];
        Some(packet)
    }

    /// Packet number and frames; `None` if these keys do not open it.
    pub(super) fn open(&self, initial: &Initial<'_>, largest_number: u64) -> Option<(u64, Vec<u8>)> {
        let at = initial.number_at;
        let sample = initial.packet.get(at + SAMPLE_AT..at + SAMPLE_AT + 16)?;
        let mask = self.header.new_mask(sample).ok()?;
        let mut packet = initial.packet.to_vec();
        packet[0] ^= mask[0] & 0x0f;
        let number_bytes = usize::from(packet[0] & 3) + 1;
        let mut truncated = 0;
        for (byte, mask) in packet[at..at + number_bytes].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = whole_number(truncated, number_bytes, largest_number);
        let mut nonce = self.iv;
        for (byte, part) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= part;
        }
        let (header, payload) = packet.split_at_mut(at + number_bytes);
        let frames =
            self.packet.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(&*header), payload).ok()?;
        Some((number, frames.to_vec()))
    }
}

/// RFC 9000 §A.3.
fn whole_number(truncated: u64, bytes: usize, largest: u64) -> u64 {
    let window = 1_u64 << (8 * bytes);
    let expected = largest + 1;
    let candidate = expected & !(window - 1) | truncated;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

/// HKDF-Expand-Label of RFC 8446 §7.1, without a context.
fn expand<const N: usize>(secret: &Prk, label: &str) -> Option<[u8; N]> {
    struct Bytes(usize);
    impl KeyType for Bytes {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    let length = [0, N as u8, 6 + label.len() as u8];
    let info: [&[u8]; 4] = [&length, b"tls13 ", label.as_bytes(), &[0]];
    secret.expand(&info, Bytes(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}
