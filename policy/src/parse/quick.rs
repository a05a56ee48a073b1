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

    /// Up to three digits, without zeros before them. Four bytes at once: how many digits there are cannot be foretold,
    /// and asking of each would be most of the time.
    fn number(&mut self, most: u32) -> Option<u32> {
        let text: [u8; 4] = self.bytes.get(self.at..self.at + 4)?.try_into().ok()?;
        let digits = u32::from_le_bytes(text) ^ 0x3030_3030;
        // The highest bit of a byte says that it is no digit. A byte that is not ASCII spoils those after it, not before.
        let others = (digits.wrapping_add(0x7676_7676) | digits) & 0x8080_8080;
        let length = others.trailing_zeros() / 8;
        let zero_before = length > 1 && digits & 0xff == 0;
        if !(1..=3).contains(&length) || zero_before {
            return None;
        }
        let [_, hundreds, tens, ones] = (digits << (32 - 8 * length)).to_le_bytes().map(u32::from);
        let number = 100 * hundreds + 10 * tens + ones;
        self.at += length as usize;
        (number <= most).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// What is read here is what the general parser reads; what it refuses is nothing here.
    #[test]
    fn addresses_are_those_of_the_general_parser() {
        let octets =
            ["0", "1", "9", "10", "99", "100", "199", "255", "256", "999", "00", "01", "1000", "", "a", "1é", "-1"];
        let mut read = 0;
        for one in octets {
            for other in octets {
                for text in
                    [format!("{one}.{other}.7.30"), format!("203.0.{one}.{other}"), format!("203.0.113.{one}.{other}")]
                {
                    let line = format!("{text}\n#..");
                    let mut cursor = Cursor::new(&line);
                    let found = cursor.address().filter(|_| cursor.ends_line().is_some());
                    let expected = text.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
                    assert_eq!(found, expected, "{text}");
                    read += usize::from(found.is_some());
                }
            }
        }
        assert_eq!(read, 128);
    }

    #[test]
    fn prefixes_have_no_bits_after_their_length() {
        let prefix = |text: &str| Cursor::new(&format!("{text}\n...")).prefix();
        assert_eq!(prefix("192.0.2.0/24"), Some((0xc000_0200, 0xc000_02ff)));
        assert_eq!(prefix("0.0.0.0/0"), Some((0, u32::MAX)));
        assert_eq!(prefix("192.0.2.7"), Some((0xc000_0207, 0xc000_0207)));
        for wrong in ["192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/024", "192.0.2/24", "2001:db8::/32"] {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
    }

    /// A file that ends within a line is nothing here, rather than something past its end.
    #[test]
    fn the_end_of_a_file_ends_everything() {
        let text = "203.0.113.128/25";
        for length in 0..text.len() {
            let mut cursor = Cursor::new(&text[..length]);
            let _ = cursor.prefix();
            assert!(cursor.at <= length);
        }
    }
}
