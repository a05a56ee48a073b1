//! Streams read the same whichever way they are cut.

use super::super::rehearsal::Rehearsal;
use crate::http::refusal::Refusal;

/// Reads requests whose bytes come in these parts.
pub(super) fn requests<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Rehearsal {
    Rehearsal::requests(Some("sni.example"), parts)
}

fn responses<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Rehearsal {
    Rehearsal::responses(parts)
}

const REQUESTS: &[u8] = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    5;x=\"y\"\r\nhello\r\n0\r\nVary: *\r\n\r\n\
    GET /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
    \r\nHEAD /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    GET /d HTTP/1.1\r\nHost : a\r\n\r\n";

#[test]
fn requests_in_two_parts() {
    let whole = requests([REQUESTS]);
    assert_eq!((whole.messages.len(), whole.refused), (3, Some(Refusal::FieldName)));
    for cut in 0..=REQUESTS.len() {
        let (first, second) = REQUESTS.split_at(cut);
        assert_eq!(requests([first, second]), whole, "cut at {cut}");
    }
    assert_eq!(requests(REQUESTS.chunks(1)), whole);
}

#[test]
fn responses_in_two_parts() {
    let stream = b"HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello\
        HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n\
        HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nto the end";
    let whole = responses([stream.as_slice()]);
    assert_eq!((whole.messages.len(), whole.refused, whole.is_between), (5, None, true));
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(responses([first, second]), whole, "cut at {cut}");
    }
    assert_eq!(responses(stream.chunks(1)), whole);
}

/// Streams made of pieces that matter, some of them wrong, cut at random: the same as in one part, and what is sent on is
/// read again as the same.
#[test]
fn random_streams() {
    const PIECES: &[&str] = &[
        "GET /a HTTP/1.1\r\n",
        "POST /b HTTP/1.1\r\n",
        "HEAD * HTTP/1.0\r\n",
        "Host: a\r\n",
        "Host: a\r\n",
        "Host: a\r\n\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r",
        "abc",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "0\r\nA: b\r\n\r\n",
        "1;a=b\r\nx\r\n",
        " ",
        "\0",
        ":",
        "Expect: 100-continue\r\n",
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for _ in 0..20_000 {
        let stream: String = (0..next(14)).map(|_| PIECES[next(PIECES.len())]).collect();
        let bytes = stream.as_bytes();
        let whole = requests([bytes]);
        let first = next(bytes.len() + 1);
        let second = first + next(bytes.len() - first + 1);
        let cut = requests([&bytes[..first], &bytes[first..second], &bytes[second..]]);
        // A body in other parts is the same body; they were joined.
        assert_eq!(cut, whole, "{stream:?} cut at {first} and {second}");
        for message in &whole.messages {
            let Some(end) = message.windows(4).position(|four| four == b"\r\n\r\n") else {
                panic!("no head in {stream:?}")
            };
            let again = requests([&message[..end + 4]]);
            assert_eq!(again.refused, None, "{stream:?}");
            assert!(again.messages[0].starts_with(&message[..end + 4]), "{stream:?}");
        }
    }
}
