//! Where a body ends, decided once: RFC 9112 §6.3 without its tolerances.

use crate::http::refusal::Refusal;
use crate::seam::fields::Fields;

/// How a message's body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, and nothing was said.
    Nothing,
    /// After so many bytes.
    Length(u64),
    /// At the last chunk. With the codings before `chunked`, as they are sent on.
    Chunked(Option<Box<str>>),
    /// When the connection does: responses alone.
    UntilClose,
}

impl Framing {
    /// The body's length, where it is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Length(length) => Some(*length),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

/// What the fields of a head say; `None` where they say nothing.
pub(crate) fn told(fields: &Fields) -> Result<Option<Framing>, Refusal> {
    let mut length = None;
    let mut codings = Vec::new();
    for (name, value) in fields.iter() {
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings.push(value);
        } else if name.eq_ignore_ascii_case(b"content-length") && length.replace(number(value)?).is_some() {
            return Err(Refusal::TwoLengths);
        }
    }
    match (length, codings.is_empty()) {
        (Some(_), false) => Err(Refusal::TwoLengths),
        (None, false) => chunked(&codings).map(Some),
        (length, true) => Ok(length.map(Framing::Length)),
    }
}

/// Digits and nothing else, at most as many as a number of 64 bits has.
fn number(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || value.len() > 20 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Length);
    }
    str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).ok_or(Refusal::Length)
}

/// Codings of the registry, the last of which is `chunked` and no other. `identity` left the registry, and what takes it
/// for a coding and what takes it for none read two bodies.
fn chunked(values: &[&[u8]]) -> Result<Framing, Refusal> {
    let mut before = String::new();
    let mut is_chunked = false;
    for coding in values.iter().flat_map(|value| value.split(|byte| *byte == b',')) {
        let coding = coding.trim_ascii().to_ascii_lowercase();
        match coding.as_slice() {
            _ if is_chunked => return Err(Refusal::TransferEncoding),
            b"chunked" => is_chunked = true,
            b"gzip" | b"x-gzip" | b"deflate" | b"compress" | b"x-compress" => {
                if !before.is_empty() {
                    before.push_str(", ");
                }
                before.push_str(&String::from_utf8_lossy(&coding));
            }
            _ => return Err(Refusal::TransferEncoding),
        }
    }
    if !is_chunked {
        return Err(Refusal::TransferEncoding);
    }
    Ok(Framing::Chunked((!before.is_empty()).then(|| before.into())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::http::h1::lines;

    fn of(head: &str) -> Result<Option<Framing>, Refusal> {
        told(&lines::fields(format!("{head}\r\n\r\n").as_bytes()).unwrap())
    }

    #[test]
    fn a_body_ends_in_one_way() {
        assert_eq!(of("A: b"), Ok(None));
        assert_eq!(of("Content-Length: 0"), Ok(Some(Framing::Length(0))));
        assert_eq!(of("content-length: 0012"), Ok(Some(Framing::Length(12))));
        assert_eq!(of("Content-Length: 18446744073709551615"), Ok(Some(Framing::Length(u64::MAX))));
        assert_eq!(of("Transfer-Encoding:\tChunked"), Ok(Some(Framing::Chunked(None))));
        let coded = Ok(Some(Framing::Chunked(Some("gzip, deflate".into()))));
        assert_eq!(of("Transfer-Encoding: gzip ,deflate\r\nTransfer-Encoding: chunked"), coded);
    }

    #[test]
    fn whatever_could_end_elsewhere_is_refused() {
        for bad in
            ["-1", "+1", "1 ", "1 1", "1,1", "0x1", "1_0", "", "18446744073709551616", "000000000000000000001", "1.0"]
        {
            let refused = of(&format!("Content-Length: {bad}"));
            assert!(refused == Err(Refusal::Length) || bad == "1 ", "{bad}: {refused:?}");
        }
        for bad in [
            "gzip",
            "identity",
            "chunked, gzip",
            "chunked, chunked",
            "chunked,",
            ",chunked",
            "chunked;a=b",
            "xchunked",
            "chunked, identity",
            "",
            "gzip chunked",
            "identity, chunked",
            "\"chunked\"",
        ] {
            assert_eq!(of(&format!("Transfer-Encoding: {bad}")), Err(Refusal::TransferEncoding), "{bad}");
        }
        for bad in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
        ] {
            assert_eq!(of(bad), Err(Refusal::TwoLengths), "{bad}");
        }
    }
}
