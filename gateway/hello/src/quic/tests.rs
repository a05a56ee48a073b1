use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::*;

/// RFC 9001 §A.2: the header of the packet, and the frame in it.
const HEADER: &str = "c300000001088394c8f03e5157080000449e00000002";
const CRYPTO: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c\
    00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005\
    04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748\
    002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff\
    05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The packet of §A.2, protected with the keys that §A.1 prints.
fn packet() -> Vec<u8> {
    let mut packet = bytes(HEADER);
    let mut payload = bytes(CRYPTO);
    payload.resize(1_162, 0);
    let mut nonce: [u8; 12] = bytes("fa044b2f42a3fd3b46fb255c").try_into().unwrap();
    nonce[11] ^= 2;
    let key = UnboundKey::new(&AES_128_GCM, &bytes("1f369613dd76d5467730efcbe3b1a22d")).unwrap();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&packet), &mut payload)
        .unwrap();
    assert_eq!(payload[..16], bytes("d1b1c98dd7689fb8ec11d242b123dc9b"), "the sample that the RFC prints");
    let header = HeaderProtectionKey::new(&AES_128, &bytes("9f50449e04a0e810283a1e9933adedd2")).unwrap();
    let mask = header.new_mask(&payload[..16]).unwrap();
    packet[0] ^= mask[0] & 0x0f;
    for (byte, mask) in packet[18..].iter_mut().zip(&mask[1..]) {
        *byte ^= mask;
    }
    packet.extend(payload);
    packet
}

fn names(datagrams: &[&[u8]]) -> Vec<String> {
    let mut client = Client::default();
    let mut names = Vec::new();
    for datagram in datagrams {
        client.datagram(datagram, &mut |hello| names.push(hello.unwrap().sni.unwrap()));
    }
    names
}

#[test]
fn the_client_initial_of_the_rfc() {
    let packet = packet();
    assert_eq!(packet.len(), 1_200);
    assert_eq!(names(&[&packet]), ["example.com"]);
    assert_eq!(names(&[&packet, &packet]), ["example.com"], "the same again is told once");
}

#[test]
fn what_does_not_decrypt_is_nothing() {
    let whole = packet();
    for length in 0..whole.len() {
        assert!(names(&[&whole[..length]]).is_empty(), "{length}");
    }
    for at in [0, 4, 6, 10, 14, 16, 18, 21, 30, 600, 1_199] {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert!(names(&[&changed]).is_empty(), "{at}");
    }
}

#[test]
fn a_refusal_closes_with_the_keys_of_the_server() {
    let client = packet();
    let answer = refusal(&client).unwrap();
    assert!(answer.len() < 60, "{}", answer.len());
    // To the id that the client gave itself, which is none, from the one that it called.
    assert_eq!(answer[1..6], [0, 0, 0, 1, 0]);
    assert_eq!(answer[6..15], [&[8], bytes("8394c8f03e515708").as_slice()].concat());
    let initial = packet::initials(&answer).next().unwrap();
    let keys = Keys::of_server(1, &bytes("8394c8f03e515708")).unwrap();
    assert_eq!(keys.open(&initial, 0).unwrap(), (0, vec![0x1c, 2, 0, 0]));
    let mut changed = client.clone();
    changed[600] ^= 1;
    assert_eq!(refusal(&changed), None, "nobody is answered who does not hold the keys");
    assert_eq!(refusal(&answer), None, "nor is a server");
}

#[test]
fn a_datagram_is_told_by_how_it_begins() {
    let client = packet();
    assert_eq!(begins(&client), Begins::Initial);
    assert_eq!(
        begins(&[&[0xe0, 0, 0, 0, 1, 0, 0, 20], [0; 20].as_slice()].concat()),
        Begins::Long,
        "a Handshake packet"
    );
    assert_eq!(begins(&[0xc0, 0x5a, 0x5a, 0x5a, 0x5a, 0, 0]), Begins::UnknownVersion);
    assert_eq!(begins(&[0xc0]), Begins::UnknownVersion);
    assert_eq!(begins(&[0x40; 30]), Begins::Short);
    assert_eq!(begins(&[]), Begins::Short);
}
