//! Host names: their one canonical form, and lists of them that exist once, however many rules name them.
//!
//! Canonical is lower case, A-labels (IDNA 2008 as of UTS #46, non-transitional), without a dot at the end. A name that
//! begins with a dot stands for what follows it and everything below.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use idna::AsciiDenyList;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name that DNS has, without the dot at the end.
pub(super) const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// Why something is no host name. Whoever wrote it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is there.
    #[error("there is no name here")]
    Empty,
    /// Labels match with everything below them by a dot.
    #[error("a `*` has no place in it")]
    Wildcard,
    /// An address.
    #[error("it is an address")]
    Address,
    /// More than DNS has room for.
    #[error("a label has more than 63 bytes, or all of it more than 253")]
    TooLong,
    /// Two dots together, or a dot alone.
    #[error("there is nothing between two dots")]
    EmptyLabel,
    /// A character that names do not have.
    #[error("it has a `{0}`")]
    Character(char),
    /// Not a name in any script.
    #[error("it cannot be written in A-labels")]
    Idna,
}

/// A name as it is compared; one that begins with a dot keeps it.
///
/// # Errors
/// It is not a host name.
pub fn canonical(text: &str) -> Result<Cow<'_, str>, NameError> {
    if is_canonical(text) {
        return Ok(Cow::Borrowed(text));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let (dot, name) = text.strip_prefix('.').map_or(("", text), |name| (".", name));
    if name.contains('*') {
        return Err(NameError::Wildcard);
    }
    if name.is_empty() {
        return Err(if text.is_empty() { NameError::Empty } else { NameError::EmptyLabel });
    }
    let lower = if name.is_ascii() { name.to_ascii_lowercase() } else { a_labels(name)? };
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if name.parse::<IpAddr>().is_ok() {
        return Err(NameError::Address);
    }
    labels(name)?;
    Ok(Cow::Owned(format!("{dot}{name}")))
}

fn a_labels(name: &str) -> Result<String, NameError> {
    // More bytes than any name has, whatever they are mapped to; so hostile ones cost little.
    if name.len() > 4 * NAME_BYTES {
        return Err(NameError::TooLong);
    }
    idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::EMPTY).map(Cow::into_owned).map_err(|_| NameError::Idna)
}

fn labels(name: &str) -> Result<(), NameError> {
    if name.len() > NAME_BYTES {
        return Err(NameError::TooLong);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if label.len() > LABEL_BYTES {
            return Err(NameError::TooLong);
        }
        if let Some(other) = label.chars().find(|&c| !u8::try_from(c).is_ok_and(is_plain)) {
            return Err(NameError::Character(other));
        }
    }
    Ok(())
}

/// What most lines of a list are already, found out in one pass.
fn is_canonical(text: &str) -> bool {
    let name = text.strip_prefix('.').unwrap_or(text);
    let mut label = 0;
    for byte in name.bytes() {
        match byte {
            b'.' if label == 0 => return false,
            b'.' => label = 0,
            _ if is_plain(byte) && label < LABEL_BYTES => label += 1,
            _ => return false,
        }
    }
    // A last label of digits may be that of an address.
    label > 0 && name.len() <= NAME_BYTES && !name.ends_with(|c: char| c.is_ascii_digit())
}

/// Underscores are no host name's, and yet are met in them.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// Canonical names, sorted, each once. A clone is another name for the same list.
#[derive(Clone, Default)]
pub struct Names {
    /// One a line. A million names are a file, not a million allocations.
    text: Arc<str>,
    count: usize,
}

impl Names {
    /// Of [canonical] names in any order.
    pub(crate) fn new<N: AsRef<str> + Ord>(mut names: Vec<N>) -> Self {
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(names.iter().map(|name| name.as_ref().len() + 1).sum());
        for name in &names {
            text.push_str(name.as_ref());
            text.push('\n');
        }
        Self { text: text.into(), count: names.len() }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ascending.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Whether a canonical name, with everything below it if it begins with a dot, is in the list or below one that is.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let below = name.match_indices('.').map(|(at, _)| &name[at..]);
        let whole = name.strip_prefix('.').is_none().then(|| format!(".{name}"));
        self.has(name) || whole.is_some_and(|whole| self.has(&whole)) || below.into_iter().any(|above| self.has(above))
    }

    fn has(&self, name: &str) -> bool {
        let (mut from, mut to) = (0, self.text.len());
        while from < to {
            let middle = from + (to - from) / 2;
            let start =
                self.text.as_bytes()[from..middle].iter().rposition(|&b| b == b'\n').map_or(from, |at| from + at + 1);
            let line = self.text[start..].split('\n').next().unwrap_or_default();
            match line.cmp(name) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => from = start + line.len() + 1,
                std::cmp::Ordering::Greater => to = start,
            }
        }
        false
    }

    /// Whether both are one list, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// Where it lies: different for different lists.
    pub(super) fn place(&self) -> *const u8 {
        self.text.as_ptr()
    }

    /// One name a line.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.text == other.text
    }
}

impl Eq for Names {}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::new(text.lines().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        for (written, form) in [
            ("www.example.jp", "www.example.jp"),
            ("WWW.Example.JP.", "www.example.jp"),
            (".Example.JP", ".example.jp"),
            (".jp", ".jp"),
            ("localhost", "localhost"),
            ("日本語.example.jp", "xn--wgv71a119e.example.jp"),
            ("ＥＸＡＭＰＬＥ。jp", "example.jp"),
            (".日本語.JP.", ".xn--wgv71a119e.jp"),
            ("r3---sn-abc.example.jp", "r3---sn-abc.example.jp"),
            ("_dmarc.example.jp", "_dmarc.example.jp"),
            ("ntp.host1", "ntp.host1"),
        ] {
            let found = canonical(written).map(Cow::into_owned);
            assert_eq!(found.as_deref(), Ok(form), "{written}");
            assert_eq!(canonical(form).as_deref(), Ok(form), "once is enough for {written}");
        }
    }

    #[test]
    fn what_is_no_name_is_told_apart() {
        let long = format!("{}.jp", "a".repeat(64));
        let longer = "a.".repeat(127) + "jp";
        for (written, error) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("..", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            ("*.example.jp", NameError::Wildcard),
            ("192.0.2.1", NameError::Address),
            ("2001:db8::1", NameError::Address),
            ("example.jp:443", NameError::Character(':')),
            ("https://example.jp/", NameError::Character(':')),
            ("a b.jp", NameError::Character(' ')),
            ("a\nb.jp", NameError::Character('\n')),
            (&long, NameError::TooLong),
            (&longer, NameError::TooLong),
            ("日本\u{202e}語.jp", NameError::Idna),
        ] {
            assert_eq!(canonical(written), Err(error), "{written}");
        }
    }

    #[test]
    fn lists_are_sorted_and_say_everything_once() {
        let names = Names::new(vec!["b.jp", ".a.jp", "b.jp"]);
        assert_eq!((names.len(), names.iter().collect::<Vec<_>>()), (2, vec![".a.jp", "b.jp"]));
        let again: Names =
            serde_json::from_str(&serde_json::to_string(&names).expect("it is text")).expect("as written");
        assert_eq!(again, names);
        assert!(["b.jp", "a.jp", ".a.jp", "c.b.a.jp", ".x.a.jp"].iter().all(|name| names.covers(name)));
        assert!([".b.jp", "c.b.jp", "ba.jp", "jp", ".jp", "c.jp", "a", ""].iter().all(|name| !names.covers(name)));
        assert!(Names::default().is_empty() && Names::default().iter().next().is_none());
    }
}
