//! DER as far as an OCSP response needs it: one element after the other, each wholly there or not at all.

/// Elements that follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'d>(&'d [u8]);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'d> {
    /// Its tag; those of more than one byte occur nowhere in X.509.
    pub(super) tag: u8,
    /// What is in it.
    pub(super) value: &'d [u8],
    /// It, with tag and length.
    pub(super) whole: &'d [u8],
}

pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;

/// Context tag with elements in it, such as `[0] EXPLICIT`.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

impl<'d> Elements<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self(bytes)
    }

    /// The next one, which must have this tag.
    pub(super) fn tagged(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|element| element.tag == tag).map(|element| element.value)
    }

    /// The next one, if it has this tag; otherwise it stays.
    pub(super) fn optional(&mut self, tag: u8) -> Option<&'d [u8]> {
        let mut ahead = *self;
        let value = ahead.tagged(tag)?;
        *self = ahead;
        Some(value)
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        let bytes = self.0;
        let (&tag, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Three bytes of length: more than a handshake message has.
            0x81..=0x83 => {
                let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        let whole = &bytes[..bytes.len() - rest.len()];
        self.0 = rest;
        Some(Element { tag, value, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_whole_or_not_there() {
        let long = [&[0x04, 0x81, 0x80][..], &[7; 128], &[0x02, 0x01, 5]].concat();
        let mut elements = Elements::new(&long);
        assert_eq!(elements.optional(INTEGER), None);
        assert_eq!(elements.tagged(OCTET_STRING), Some(&[7; 128][..]));
        assert_eq!(elements.next().unwrap().whole, [2, 1, 5]);
        assert_eq!(elements.next(), None);
        for end in 0..131 {
            assert_eq!(Elements::new(&long[..end]).next(), None, "{end}");
        }
        for bad in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x84, 0, 0, 0, 0], &[0x30, 0x83, 0xff, 0xff, 0xff]] {
            assert_eq!(Elements::new(bad).next(), None, "{bad:?}");
        }
    }
}
