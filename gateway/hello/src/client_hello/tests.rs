use super::*;

/// A hello with this extension block.
pub(crate) fn body(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0x13, 0x01, 0x1a, 0x1a, 1, 0]);
    let block: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat())
        .collect();
    body.extend((block.len() as u16).to_be_bytes());
    body.extend(block);
    body
}

fn name(name: &str) -> Vec<u8> {
    let length = name.len() as u16;
    [&(length + 3).to_be_bytes()[..], &[0], &length.to_be_bytes(), name.as_bytes()].concat()
}

fn everything() -> Vec<u8> {
    body(&[
        (0x2a2a, vec![]),
        (extension::SERVER_NAME, name("example.jp")),
        (extension::ALPN, b"\0\x0c\x02h2\x08http/1.1".to_vec()),
        (extension::SUPPORTED_VERSIONS, vec![4, 0x0a, 0x0a, 3, 4]),
        (extension::SIGNATURE_ALGORITHMS, vec![0, 4, 4, 3, 8, 4]),
        (extension::ECH, [&[0, 0, 1, 0, 3, 9, 0, 2, 1, 1, 0, 20][..], &[5; 20]].concat()),
    ])
}

#[test]
fn everything_that_is_offered_is_told() {
    let hello = ClientHello::parse(&everything(), Flavour::Tls).unwrap();
    assert_eq!(hello.sni.as_deref(), Ok("example.jp"));
    assert_eq!(hello.alpn, Some(vec![b"h2".to_vec(), b"http/1.1".to_vec()]));
    assert_eq!(hello.ciphers, [0x1301, 0x1a1a]);
    assert_eq!(hello.extensions, [0x2a2a, 0, 16, 43, 13, 0xfe0d]);
    assert_eq!(hello.supported_versions, [0x0a0a, 0x0304]);
    assert_eq!(hello.signature_algorithms, [0x0403, 0x0804]);
    assert_eq!(hello.ech, Ech::Outer { config_id: 9, kdf: 1, aead: 3, enc_bytes: 2, payload_bytes: 20 });
    assert!(!hello.ech.cannot_be_opened());
    assert_eq!(hello.flaw, None);
}

#[test]
fn cut_at_every_byte_it_says_where() {
    let whole = everything();
    for length in 0..whole.len() {
        match ClientHello::parse(&whole[..length], Flavour::Tls) {
            Err(Malformed::Truncated(_)) => assert!(length < 43, "{length}"),
            Ok(hello) if length == 43 => assert_eq!(hello.flaw, None, "extensions may be missing"),
            Ok(hello) => assert!(matches!(hello.flaw, Some(Malformed::Truncated(_))), "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn no_byte_can_bring_it_down() {
    let whole = everything();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            for flavour in [Flavour::Tls, Flavour::Dtls] {
                if let Ok(hello) = ClientHello::parse(&changed, flavour) {
                    assert!(hello.extensions.len() * 4 <= whole.len());
                }
            }
        }
    }
}

#[test]
fn a_missing_name_has_a_reason() {
    let sni =
        |data: &[u8]| ClientHello::parse(&body(&[(extension::SERVER_NAME, data.to_vec())]), Flavour::Tls).unwrap().sni;
    assert_eq!(ClientHello::parse(&body(&[]), Flavour::Tls).unwrap().sni, Err(NoSni::NotSent));
    assert_eq!(sni(&[]), Err(NoSni::Empty));
    assert_eq!(sni(&[0, 0]), Err(NoSni::Empty));
    assert_eq!(sni(&[0, 3, 0, 0, 0]), Err(NoSni::Empty));
    assert_eq!(sni(&[0, 4, 1, 0, 1, b'a']), Err(NoSni::NotAHostName));
    assert_eq!(sni(&[0, 9, 0, 0, 1, b'a']), Err(NoSni::Malformed));
    assert_eq!(sni(&[0, 4, 0, 0, 1, 0xff]).as_deref(), Ok("\u{fffd}"));
}

#[test]
fn of_two_names_the_first_counts() {
    let twice = body(&[(extension::SERVER_NAME, name("a.jp")), (extension::SERVER_NAME, name("b.jp"))]);
    let hello = ClientHello::parse(&twice, Flavour::Tls).unwrap();
    assert_eq!((hello.sni.as_deref(), hello.extensions.len()), (Ok("a.jp"), 2));
}

#[test]
fn hidden_names_are_told_apart_as_far_as_bytes_allow() {
    let ech = |kind, data: &[u8]| ClientHello::parse(&body(&[(kind, data.to_vec())]), Flavour::Tls).unwrap().ech;
    assert_eq!(ech(extension::ECH, &[1]), Ech::Inner);
    assert_eq!(ech(extension::ECH, &[]), Ech::Malformed);
    assert_eq!(ech(extension::ECH, &[2]), Ech::Malformed);
    assert_eq!(ech(extension::ESNI, &[1, 2]), Ech::Esni);
    assert!(ech(extension::ECH, &[0, 0, 1, 0, 3, 9, 0, 0, 0, 1, 5]).cannot_be_opened(), "no room for a tag");
}

#[test]
fn lengths_that_lie() {
    let mut odd = everything();
    odd[36] = 3;
    assert_eq!(ClientHello::parse(&odd, Flavour::Tls), Err(Malformed::OddCiphers));
    let mut more = everything();
    more.push(0);
    assert_eq!(ClientHello::parse(&more, Flavour::Tls).unwrap().flaw, Some(Malformed::Trailing));
}
