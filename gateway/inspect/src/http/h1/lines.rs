//! Heads and trailers as lines: where they end, however they arrive, and which fields they hold.
//!
//! Stricter than the usual tokenizers, which take a bare LF for a line's end, skip any number of empty lines and know no
//! limit but the number of fields: what one of two parsers forgives is how they are set against each other.

use crate::http::refusal::Refusal;
use crate::seam::fields::{Fields, Line, Span, is_token};

/// Longest head, and longest trailers.
pub(crate) const MAX_BYTES: usize = 64 << 10;
/// Most fields.
pub(crate) const MAX_FIELDS: usize = 256;
/// Longest line of a request with its end: what Apache and others take by default, and longer ones they refuse.
pub(crate) const MAX_REQUEST_LINE: usize = 8190;
/// Longest line of a response: servers send policies and cookies that are longer than a request may be.
pub(crate) const MAX_RESPONSE_LINE: usize = 32 << 10;

/// Looks for the empty line, never at a byte twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    max_line: usize,
    /// Whether the first line is one of its own.
    has_first: bool,
    start: usize,
    seen: usize,
    lines: usize,
}

impl Scan {
    /// Over a head.
    pub(crate) fn head(max_line: usize) -> Self {
        Self { max_line, has_first: true, start: 0, seen: 0, lines: 0 }
    }

    /// Over trailers.
    pub(crate) fn trailers(max_line: usize) -> Self {
        Self { has_first: false, ..Self::head(max_line) }
    }

    /// The bytes so far, of which those seen before are the same; where the empty line ends, once it has come.
    pub(crate) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        while let Some(found) = bytes.get(self.seen..).and_then(|new| new.iter().position(|byte| *byte == b'\n')) {
            let feed = self.seen + found;
            if feed == self.start || bytes.get(feed - 1) != Some(&b'\r') {
                return Err(Refusal::BareLineFeed);
            }
            self.fits(feed + 1)?;
            let is_empty = feed - 1 == self.start;
            self.seen = feed + 1;
            self.start = feed + 1;
            if is_empty {
                return Ok(Some(feed + 1));
            }
            self.lines += 1;
            if self.lines > MAX_FIELDS + usize::from(self.has_first) {
                return Err(Refusal::LongFields);
            }
        }
        self.seen = bytes.len();
        self.fits(bytes.len()).map(|()| None)
    }

    fn fits(&self, end: usize) -> Result<(), Refusal> {
        if end - self.start > self.max_line || end > MAX_BYTES {
            let is_first = self.has_first && self.lines == 0;
            return Err(if is_first { Refusal::LongFirstLine } else { Refusal::LongFields });
        }
        Ok(())
    }
}

/// The fields in lines that end in CRLF, the last of which is empty.
pub(crate) fn fields(lines: &[u8]) -> Result<Fields, Refusal> {
    let mut found = Vec::with_capacity(16);
    let mut at = 0;
    while let Some((line, after)) = line(lines, at) {
        if line.is_empty() {
            break;
        }
        found.push(field(lines, at, line.len())?);
        at = after;
    }
    Ok(Fields::over(lines.to_vec(), found))
}

/// The line that begins here, without its end, and where the next one begins.
pub(crate) fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let feed = rest.iter().position(|byte| *byte == b'\n')?;
    Some((rest.get(..feed.checked_sub(1)?)?, at + feed + 1))
}

fn field(bytes: &[u8], at: usize, length: usize) -> Result<Line, Refusal> {
    let line = bytes.get(at..at + length).unwrap_or_default();
    if line.first().is_some_and(|byte| is_space(*byte)) {
        return Err(Refusal::Folded);
    }
    let colon = line.iter().position(|byte| CLASSES[usize::from(*byte)] & TOKEN == 0).unwrap_or(length);
    if colon == 0 || line.get(colon) != Some(&b':') {
        return Err(Refusal::FieldName);
    }
    let value = line.get(colon + 1..).unwrap_or_default();
    if value.iter().any(|byte| CLASSES[usize::from(*byte)] & VALUE == 0) {
        return Err(Refusal::ControlCharacter);
    }
    let start = value.iter().position(|byte| !is_space(*byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    let value_at = at + colon + 1;
    let span = |from: usize, to: usize| Span(from as u32, to as u32);
    Ok(Line { name: span(at, at + colon), value: span(value_at + start, value_at + end) })
}

/// Space or tab: RFC 9110 §5.6.3.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Whether every byte may be in a field's value, or in a reason phrase.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| CLASSES[usize::from(*byte)] & VALUE != 0)
}

const TOKEN: u8 = 1;
const VALUE: u8 = 2;

/// What each byte may be part of. Values hold visible ASCII, space, tab and, as they always did, bytes above ASCII.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if is_token(byte as u8) {
            classes[byte] |= TOKEN;
        }
        if byte == 9 || byte >= 32 && byte != 127 {
            classes[byte] |= VALUE;
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_the_same_wherever_the_bytes_are_cut() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\nrest";
        let end = head.len() - 4;
        for cut in 0..head.len() {
            let mut scan = Scan::head(MAX_REQUEST_LINE);
            let first = scan.end(&head[..cut]).unwrap();
            assert_eq!(first, (cut >= end).then_some(end), "{cut}");
            if first.is_none() {
                assert_eq!(scan.end(head).unwrap(), Some(end), "{cut}");
            }
        }
    }

    #[test]
    fn lines_and_their_number_are_bounded_before_they_end() {
        let long = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'a'; MAX_REQUEST_LINE]].concat();
        assert_eq!(Scan::head(MAX_REQUEST_LINE).end(&long), Err(Refusal::LongFields));
        assert_eq!(Scan::head(MAX_REQUEST_LINE).end(&[b'a'; MAX_REQUEST_LINE + 1]), Err(Refusal::LongFirstLine));
        let most = ["GET / HTTP/1.1\r\n", &"a: b\r\n".repeat(MAX_FIELDS), "\r\n"].concat();
        assert_eq!(Scan::head(MAX_REQUEST_LINE).end(most.as_bytes()), Ok(Some(most.len())));
        let more = ["GET / HTTP/1.1\r\n", &"a: b\r\n".repeat(MAX_FIELDS + 1)].concat();
        assert_eq!(Scan::head(MAX_REQUEST_LINE).end(more.as_bytes()), Err(Refusal::LongFields));
    }

    #[test]
    fn fields_are_trimmed_and_nothing_else() {
        let read = fields(b"A:\t b c \t\r\nb:\r\nC: \xe6\x9d\xb1\r\n\r\n").unwrap();
        let told: Vec<_> = read.iter().collect();
        assert_eq!(told, [(&b"A"[..], &b"b c"[..]), (b"b", b""), (b"C", b"\xe6\x9d\xb1")]);
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for (line, refusal) in [
            (&b"A : b"[..], Refusal::FieldName),
            (b"A\t: b", Refusal::FieldName),
            (b": b", Refusal::FieldName),
            (b"A", Refusal::FieldName),
            (b"A b: c", Refusal::FieldName),
            (b"\xc3\x84: c", Refusal::FieldName),
            (b"A\0: c", Refusal::FieldName),
            (b" A: c", Refusal::Folded),
            (b"\tA: c", Refusal::Folded),
            (b"A: b\rc", Refusal::ControlCharacter),
            (b"A: b\0c", Refusal::ControlCharacter),
            (b"A: \x0bb", Refusal::ControlCharacter),
            (b"A: b\x7f", Refusal::ControlCharacter),
        ] {
            let lines = [line, b"\r\n\r\n"].concat();
            assert_eq!(fields(&lines).unwrap_err(), refusal, "{}", line.escape_ascii());
        }
        assert_eq!(Scan::head(100).end(b"GET / HTTP/1.1\n\n"), Err(Refusal::BareLineFeed));
        assert_eq!(Scan::head(100).end(b"GET / HTTP/1.1\r\n\n"), Err(Refusal::BareLineFeed));
    }
}
