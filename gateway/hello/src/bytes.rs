//! A cursor over a stranger's bytes, big-endian. Every step checks.

/// Fewer bytes than the format promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes behind a length of one byte.
    pub(crate) fn vec8(&mut self) -> Result<Self, Short> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// Bytes behind a length of two bytes.
    pub(crate) fn vec16(&mut self) -> Result<Self, Short> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }

    /// All that is left, as numbers of two bytes; an odd byte is [`Short`].
    pub(crate) fn numbers(self) -> Result<Vec<u16>, Short> {
        let (pairs, odd) = self.0.as_chunks::<2>();
        if odd.is_empty() { Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()) } else { Err(Short) }
    }
}
