use super::*;
use crate::client_hello::tests::body;

/// Records of at most `record_bytes` bytes.
fn records(kind: u8, message: &[u8], record_bytes: usize) -> Vec<u8> {
    message
        .chunks(record_bytes)
        .flat_map(|chunk| [&[kind, 3, 1][..], &(chunk.len() as u16).to_be_bytes(), chunk].concat())
        .collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

/// A hello with a key share as large as those of post-quantum exchanges, or larger.
fn hello(share_bytes: usize) -> Vec<u8> {
    message(CLIENT_HELLO, &body(&[(51, vec![0x16; share_bytes])]))
}

/// How many hellos are found in so many bytes at once; every one must be whole.
fn found(stream: &[u8], segment_bytes: usize) -> usize {
    let mut records = Records::default();
    let mut found = 0;
    for segment in stream.chunks(segment_bytes) {
        records.push(segment, &mut |hello| {
            assert_eq!(hello.unwrap().extensions, [51]);
            found += 1;
        });
        assert!(records.kept_bytes() <= MAX_KEPT_BYTES);
    }
    found
}

#[test]
fn any_segments_and_any_records() {
    for share_bytes in [0, 1_216, 60_000] {
        let hello = hello(share_bytes);
        for record_bytes in [3, 5, 100, 16_384] {
            let stream = records(HANDSHAKE, &hello, record_bytes);
            for segment_bytes in [100, 1_460, 60_000] {
                // Records of three bytes make more bytes of a long one than are kept.
                let wanted = usize::from(stream.len() <= MAX_KEPT_BYTES);
                assert_eq!(found(&stream, segment_bytes), wanted, "{share_bytes} {record_bytes} {segment_bytes}");
            }
        }
    }
    let small = records(HANDSHAKE, &hello(30), 50);
    for segment_bytes in 1..small.len() {
        assert_eq!(found(&small, segment_bytes), 1, "{segment_bytes}");
    }
}

#[test]
fn after_plain_text() {
    let tls = records(HANDSHAKE, &hello(100), 16_384);
    let text = b"EHLO \x16\x03 example.jp\r\nSTARTTLS\r\n".to_vec();
    let whole = [text.clone(), tls.clone()].concat();
    for segment_bytes in [1, 5, 33, 1_460] {
        assert_eq!(found(&whole, segment_bytes), 1, "{segment_bytes}");
    }
    let far = [text.repeat(MAX_SEARCHED_BYTES / text.len() + 50), tls].concat();
    assert_eq!(found(&far, 1_460), 0, "the search has a bound");
}

#[test]
fn a_second_hello_after_a_change_of_ciphers_and_none_after_data() {
    let hello = records(HANDSHAKE, &hello(10), 16_384);
    let change = records(CHANGE_CIPHER_SPEC, &[1], 1);
    let data = records(23, &[0; 50], 50);
    let encrypted = records(HANDSHAKE, &[0x99; 40], 40);
    assert_eq!(found(&[&hello[..], &change, &hello].concat(), 10), 2);
    assert_eq!(found(&[&hello[..], &data, &hello].concat(), 10), 1);
    assert_eq!(found(&[&hello[..], &change, &encrypted, &hello].concat(), 10), 1);
}

#[test]
fn several_in_one_record() {
    let twice = [hello(10), message(16, &[0; 70]), hello(20)].concat();
    assert_eq!(found(&records(HANDSHAKE, &twice, 16_384), 100), 2);
    assert_eq!(found(&records(HANDSHAKE, &twice, 11), 100), 2);
}

#[test]
fn what_a_server_says_is_no_hello() {
    assert_eq!(found(&records(HANDSHAKE, &message(2, &body(&[(51, vec![])])), 100), 50), 0);
    assert_eq!(found(b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01", 50), 0);
}

#[test]
fn a_gap_gives_up_what_was_begun() {
    let stream = records(HANDSHAKE, &hello(10), 100);
    let mut records = Records::default();
    let mut found = 0;
    records.push(&stream[..40], &mut |_| found += 1);
    records.gap();
    records.push(&stream[50..], &mut |_| found += 1);
    records.push(&stream, &mut |_| found += 1);
    assert_eq!(found, 1);
}

#[test]
fn a_hello_that_is_too_long_is_told() {
    let mut told = Vec::new();
    let start = [&[HANDSHAKE, 3, 1, 0, 40, CLIENT_HELLO, 0xff, 0xff, 0xff, 3, 3][..], &[0; 34]].concat();
    Records::default().push(&start, &mut |found| told.push(found));
    assert_eq!(told, [Err(Malformed::TooLong)]);
}

#[test]
fn the_first_bytes_of_a_stream() {
    for record_bytes in [1, 3, 100, 16_384] {
        let stream = records(HANDSHAKE, &hello(1_216), record_bytes);
        let (mut reads, mut there) = (0, 1);
        loop {
            reads += 1;
            match first(&stream[..there]) {
                First::Unfinished { needed_bytes } => {
                    assert!(needed_bytes > there && needed_bytes <= stream.len(), "{needed_bytes} of {}", stream.len());
                    there = needed_bytes;
                }
                First::Hello(hello) => {
                    assert_eq!(hello.extensions, [51]);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        // What is missing shrinks by a sixth at least with every read.
        assert!(reads < 64, "{reads} reads for records of {record_bytes} bytes");
    }
    assert_eq!(first(b"SSH-2.0-x\r\n"), First::NotTls);
    assert_eq!(first(&[HANDSHAKE, 3, 1, 0, 40, 2, 0, 0, 50]), First::NotTls);
    assert!(matches!(first(&[]), First::Unfinished { .. }));
}
