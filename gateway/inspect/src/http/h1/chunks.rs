//! The chunked coding: RFC 9112 §7.1. Sizes and extensions are read strictly, and only data and trailers come out: what is
//! sent on is chunked anew.

use bytes::{Buf, Bytes, BytesMut};

use super::lines::{self, MAX_REQUEST_LINE, Scan, is_space};
use crate::http::refusal::Refusal;
use crate::seam::fields::{Fields, is_token};

/// Longest line of a size and its extensions.
const MAX_SIZE_LINE: usize = 1 << 10;
/// Fields that say where a message goes, where it ends, who sends it, or how it is to be treated: too late in a trailer.
const HEAD_ONLY: [&[u8]; 28] = [
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"cookie",
    b"expect",
    b"host",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"range",
    b"set-cookie",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"www-authenticate",
];

/// Reads chunks.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// A size is next; so many bytes of its line were seen.
    Size(usize),
    /// So many bytes of data are left.
    Data(u64),
    /// The end of a chunk is next.
    End,
    /// The last chunk has come.
    Trailers(Scan),
}

/// What comes out of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some of it, never nothing.
    Part(Bytes),
    /// Its end, and its trailers.
    End(Fields),
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { state: State::Size(0) }
    }

    /// The next piece of what is there; `None` if more is needed.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, Refusal> {
        loop {
            match &mut self.state {
                State::Size(seen) => {
                    let Some(found) = input.get(*seen..).and_then(|new| new.iter().position(|byte| *byte == b'\n'))
                    else {
                        *seen = input.len();
                        return if *seen > MAX_SIZE_LINE { Err(Refusal::Chunk) } else { Ok(None) };
                    };
                    let feed = *seen + found;
                    if feed > MAX_SIZE_LINE {
                        return Err(Refusal::Chunk);
                    }
                    let line = input.get(..feed).and_then(|line| line.strip_suffix(b"\r")).ok_or(Refusal::Chunk)?;
                    let size = size(line)?;
                    input.advance(feed + 1);
                    self.state = match size {
                        0 => State::Trailers(Scan::trailers(MAX_REQUEST_LINE)),
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let part = take(input, left);
                    if *left == 0 {
                        self.state = State::End;
                    }
                    return Ok(Some(Piece::Part(part)));
                }
                State::End => {
                    match (input.first(), input.get(1)) {
                        (Some(b'\r'), Some(b'\n')) => {}
                        (None, _) | (Some(b'\r'), None) => return Ok(None),
                        _ => return Err(Refusal::Chunk),
                    }
                    input.advance(2);
                    self.state = State::Size(0);
                }
                State::Trailers(scan) => {
                    let Some(end) = scan.end(input)? else {
                        return Ok(None);
                    };
                    let trailers = lines::fields(&input.split_to(end))?;
                    let is_late = |name: &[u8]| HEAD_ONLY.iter().any(|late| name.eq_ignore_ascii_case(late));
                    if trailers.iter().any(|(name, _)| is_late(name)) {
                        return Err(Refusal::Trailer);
                    }
                    return Ok(Some(Piece::End(trailers)));
                }
            }
        }
    }
}

/// As much as is there and still belongs to it.
pub(crate) fn take(input: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    input.split_to(length).freeze()
}

/// A size in hexadecimal digits, and extensions that are well formed.
fn size(line: &[u8]) -> Result<u64, Refusal> {
    let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(digits);
    if digits.is_empty() || digits.len() > 16 {
        return Err(Refusal::Chunk);
    }
    let size = str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let mut rest = extensions;
    while !rest.is_empty() {
        rest = extension(rest).ok_or(Refusal::Chunk)?;
    }
    size.ok_or(Refusal::Chunk)
}

/// What follows one extension: a semicolon, a name and perhaps a value.
fn extension(text: &[u8]) -> Option<&[u8]> {
    let text = token(trim(trim(text).strip_prefix(b";")?))?;
    let Some(value) = trim(text).strip_prefix(b"=") else {
        return Some(text);
    };
    let value = trim(value);
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted_end(quoted),
        None => token(value),
    }
}

fn trim(text: &[u8]) -> &[u8] {
    text.get(text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len())..).unwrap_or_default()
}

fn token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    (length > 0).then(|| text.get(length..)).flatten()
}

fn quoted_end(text: &[u8]) -> Option<&[u8]> {
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return text.get(at + 1..),
            b'\\' => {
                bytes.next().filter(|(_, escaped)| lines::is_value(&[**escaped]))?;
            }
            other if lines::is_value(&[*other]) => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_digits_and_extensions_well_formed() {
        for (line, expected) in [
            ("5", 5),
            ("0005", 5),
            ("aF", 0xaf),
            ("ffffffffffffffff", u64::MAX),
            ("5;a", 5),
            ("5 ; a=b;c = \"d \\\" e\"", 5),
            ("0;last", 0),
        ] {
            assert_eq!(size(line.as_bytes()), Ok(expected), "{line}");
        }
        for line in [
            "",
            " 5",
            "5 ",
            "+5",
            "-5",
            "0x5",
            "5,",
            "5;",
            "5; ",
            "5;a=",
            "5;a=\"b",
            "5;a ",
            "g",
            "5_0",
            "5 a",
            "00000000000000005",
            "5;a=\"b\"c",
            "5;=b",
            "5;a\rb",
            "5\r",
        ] {
            assert_eq!(size(line.as_bytes()), Err(Refusal::Chunk), "{line}");
        }
    }

    #[test]
    fn every_cut_reads_the_same() {
        let body = b"5;a=b\r\nhello\r\n06\r\n world\r\n0\r\nVary: *\r\n\r\nGET";
        for first in 0..body.len() {
            for second in first..body.len() {
                let mut chunks = Chunks::new();
                let mut input = BytesMut::new();
                let (mut read, mut trailers) = (Vec::new(), None);
                for part in [&body[..first], &body[first..second], &body[second..]] {
                    input.extend_from_slice(part);
                    while trailers.is_none()
                        && let Some(piece) = chunks.next(&mut input).unwrap()
                    {
                        match piece {
                            Piece::Part(part) => read.extend_from_slice(&part),
                            Piece::End(fields) => trailers = Some(fields),
                        }
                    }
                }
                assert_eq!(read, b"hello world");
                assert_eq!(trailers.unwrap().get("vary"), Some(&b"*"[..]));
                assert_eq!(&input[..], b"GET");
            }
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for (body, refusal) in [
            (&b"5\nhello\r\n0\r\n\r\n"[..], Refusal::Chunk),
            (b"5\r\nhelloX\r\n", Refusal::Chunk),
            (b"5\r\nhello\n0\r\n\r\n", Refusal::Chunk),
            (b"5\r\nhello\rX", Refusal::Chunk),
            (b"\r\nhello\r\n", Refusal::Chunk),
            (b"0\r\nHost: a\r\n\r\n", Refusal::Trailer),
            (b"0\r\nContent-Length: 1\r\n\r\n", Refusal::Trailer),
            (b"0\r\nA: b\n\r\n", Refusal::BareLineFeed),
            (b"0\r\n a\r\n\r\n", Refusal::Folded),
            (&[b'0'; MAX_SIZE_LINE + 1], Refusal::Chunk),
        ] {
            let mut chunks = Chunks::new();
            let mut input = BytesMut::from(body);
            let refused = loop {
                match chunks.next(&mut input) {
                    Ok(Some(Piece::Part(_))) => {}
                    other => break other,
                }
            };
            assert_eq!(refused, Err(refusal), "{}", body.escape_ascii());
        }
    }
}
