//! The plainest IPv4 lines of set and country files, read byte by byte. Whatever is written in another way, good or
//! bad, is nothing here: [`super::lines`] reads it again, at its leisure.

/// A place in a file.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    bytes: &'t [u8],
    pub at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(text: &'t str) -> Self {
        Cursor { bytes: text.as_bytes(), at: 0 }
    }

    /// A prefix, or an address, as first and last address.
    pub fn prefix(&mut self) -> Option<(u32, u32)> {
        let first = self.address()?;
        if !self.is(b'/') {
            return Some((first, first));
        }
        let host = u32::MAX.checked_shr(self.number(32)?).unwrap_or(0);
        (first & host == 0).then_some((first, first | host))
    }

    pub fn address(&mut self) -> Option<u32> {
        let mut address = 0;
        for octet in 0..4 {
            if octet > 0 && !self.is(b'.') {
                return None;
            }
            address = address << 8 | self.number(255)?;
        }
        Some(address)
    }

    /// Two capital letters.
    pub fn country(&mut self) -> Option<[u8; 2]> {
        let code: [u8; 2] = self.bytes.get(self.at..self.at + 2)?.try_into().ok()?;
        self.at += 2;
        code.iter().all(u8::is_ascii_uppercase).then_some(code)
    }

    /// Takes this byte if it comes next.
    pub fn is(&mut self, byte: u8) -> bool {
        let is = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    /// Takes the end of the line.
    pub fn ends_line(&mut self) -> Option<()> {
        (self.is(b'\n') || self.is(b'\r') && self.is(b'\n') || self.at == self.bytes.len()).then_some(())
    }

    /// Up to three digits, without zeros before them.
    fn number(&mut self, most: u32) -> Option<u32> {
        let digit = |at: usize| self.bytes.get(at).map(|byte| u32::from(byte.wrapping_sub(b'0'))).filter(|&it| it < 10);
        let mut number = digit(self.at)?;
        let mut at = self.at + 1;
        while let Some(next) = digit(at) {
            if number == 0 || at - self.at == 3 {
                return None;
            }
            number = number * 10 + next;
            at += 1;
        }
        self.at = at;
        (number <= most).then_some(number)
    }
}
