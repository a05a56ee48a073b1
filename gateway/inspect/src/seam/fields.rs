//! The fields of a head or of trailers: names and values in their order, over one text.
//!
//! Names keep the case in which they came. What is added is checked here, so that no inspection can split a message.

use std::fmt;

/// Fields in their order.
#[derive(Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    lines: Vec<Line>,
    is_changed: bool,
}

/// Where a field is in the text. A head is at most 64 KiB, and what is added adds little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// From, and up to but not including.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) u32, pub(crate) u32);

/// A field that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a field: a name is made of letters, digits and !#$%&'*+-.^_`|~, a value has no control characters"
)]
pub struct BadField(String);

impl Fields {
    /// Over a text whose lines were checked.
    pub(crate) fn over(text: Vec<u8>, lines: Vec<Line>) -> Self {
        Self { text, lines, is_changed: false }
    }

    /// Room for so many fields in so many bytes.
    pub(crate) fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), lines: Vec::with_capacity(fields), is_changed: false }
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.of(line.name), self.of(line.value)))
    }

    /// The values of a field, in order.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f [u8]> {
        self.iter().filter(move |(is, _)| is.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(is, _)| is.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first value of a field, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// Adds a field after the others.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), BadField> {
        let is_value = |byte: u8| byte >= b' ' && byte != 0x7f || byte == b'\t';
        if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_value) {
            return Err(BadField(name.to_owned()));
        }
        self.push(name.as_bytes(), value.trim_matches([' ', '\t']).as_bytes());
        self.is_changed = true;
        Ok(())
    }

    /// Adds a field that was checked.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let [name, value] = [name, value].map(|piece| {
            let start = self.text.len();
            self.text.extend_from_slice(piece);
            Span(start as u32, self.text.len() as u32)
        });
        self.lines.push(Line { name, value });
    }

    /// Removes every field of this name; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.lines.len();
        self.keep(|is, _| !is.eq_ignore_ascii_case(name.as_bytes()));
        self.is_changed |= self.lines.len() < before;
        self.lines.len() < before
    }

    /// Keeps the fields that answer yes. Not a change: for what the relay itself takes away.
    pub(crate) fn keep(&mut self, mut keeps: impl FnMut(&[u8], &[u8]) -> bool) {
        let text = &self.text;
        self.lines.retain(|line| keeps(slice(text, line.name), slice(text, line.value)));
    }

    /// Whether an inspection has changed them.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Bytes of the text, for who writes it.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + 4 * self.lines.len()
    }

    fn of(&self, span: Span) -> &[u8] {
        slice(&self.text, span)
    }
}

fn slice(text: &[u8], span: Span) -> &[u8] {
    text.get(span.0 as usize..span.1 as usize).unwrap_or_default()
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name.escape_ascii(), value.escape_ascii()))).finish()
    }
}

/// Two are the same if they say the same, wherever their text came from.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

/// RFC 9110 §5.6.2.
pub(crate) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_keep_theirs() {
        let mut fields = Fields::default();
        fields.add("Accept-Language", "ja").unwrap();
        fields.add("X-One", " 1 ").unwrap();
        fields.add("accept-language", "en").unwrap();
        assert_eq!(fields.all("ACCEPT-LANGUAGE").collect::<Vec<_>>(), [b"ja", b"en"]);
        assert_eq!(fields.text("x-one"), Some("1"));
        assert!(fields.remove("Accept-language"));
        assert!(!fields.remove("Accept-language"));
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"X-One"[..], &b"1"[..])]);
    }

    #[test]
    fn nothing_that_is_added_splits_a_message() {
        let mut fields = Fields::default();
        for (name, value) in
            [("a b", "1"), ("", "1"), ("a:", "1"), ("a", "1\r\nb: 2"), ("a", "1\n"), ("a", "\0"), ("ä", "1")]
        {
            assert!(fields.add(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert!(fields.is_empty());
        fields.add("a", "東京\tok").unwrap();
    }
}
