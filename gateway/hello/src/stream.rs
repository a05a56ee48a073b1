//! One direction of a TCP connection, put in order: segments in any order, overlapping, repeated, across the wrap of the
//! sequence number, with or without the SYN.

use crate::assembly::{Assembly, Full};

/// Most bytes of one direction that wait for a gap to be filled.
pub const MAX_WAITING_BYTES: usize = 1 << 18;

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next bytes.
    Bytes(&'a [u8]),
    /// Bytes are missing here and will not come: the capture does not have them.
    Gap,
}

/// One direction.
#[derive(Debug, Default)]
pub struct Stream {
    /// Sequence number of offset 0; `None` before the first segment.
    origin: Option<u32>,
    /// The SYN was seen: the origin is not a guess.
    begun: bool,
    assembly: Assembly,
}

impl Stream {
    /// A SYN. `true` if it begins another connection than the one that is followed: then the caller starts anew.
    pub fn syn(&mut self, sequence: u32) -> bool {
        let origin = sequence.wrapping_add(1);
        match self.origin {
            Some(known) if known != origin => true,
            _ => {
                self.origin = Some(origin);
                self.begun = true;
                false
            }
        }
    }

    /// Data of a segment. `sequence` is that of its first byte.
    pub fn segment(&mut self, sequence: u32, data: &[u8], tell: &mut dyn FnMut(Piece<'_>)) {
        if data.is_empty() {
            return;
        }
        let origin = *self.origin.get_or_insert(sequence);
        let Some(offset) = self.offset(sequence, origin) else { return };
        let full = self.assembly.insert(offset, data, MAX_WAITING_BYTES, &mut |bytes| tell(Piece::Bytes(bytes)));
        if full == Err(Full) {
            // So much came after the gap that nobody will fill it any more.
            self.skip_gap(tell);
            let again = self.assembly.insert(offset, data, MAX_WAITING_BYTES, &mut |bytes| tell(Piece::Bytes(bytes)));
            debug_assert!(again.is_ok() || self.assembly.waiting_bytes() > 0);
        }
    }

    /// The other side has acknowledged everything before `sequence`: what is missing before it was lost by the capture,
    /// not by the network.
    pub fn acknowledged(&mut self, sequence: u32, tell: &mut dyn FnMut(Piece<'_>)) {
        let Some(origin) = self.origin else { return };
        while let Some(first) = self.assembly.first_waiting() {
            match self.offset(sequence, origin) {
                Some(acknowledged) if acknowledged >= first => self.skip_gap(tell),
                _ => return,
            }
        }
    }

    /// Nothing more comes: gives up every gap.
    pub fn end(&mut self, tell: &mut dyn FnMut(Piece<'_>)) {
        while self.assembly.first_waiting().is_some() {
            self.skip_gap(tell);
        }
    }

    /// Forgets what waits: nobody reads on.
    pub fn stop(&mut self) {
        self.assembly = Assembly::default();
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.assembly.waiting_bytes()
    }

    fn skip_gap(&mut self, tell: &mut dyn FnMut(Piece<'_>)) {
        tell(Piece::Gap);
        self.assembly.skip_gap(&mut |bytes| tell(Piece::Bytes(bytes)));
    }

    /// Offset of a sequence number: the one nearest to where the stream stands. `None`: before the beginning.
    fn offset(&self, sequence: u32, origin: u32) -> Option<u64> {
        let next = self.assembly.next();
        let expected = origin.wrapping_add(next as u32);
        let ahead = i64::from(sequence.wrapping_sub(expected).cast_signed());
        next.checked_add_signed(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(run: impl FnOnce(&mut Stream, &mut dyn FnMut(Piece<'_>))) -> String {
        let mut told = String::new();
        run(&mut Stream::default(), &mut |piece| match piece {
            Piece::Bytes(bytes) => told.push_str(&String::from_utf8_lossy(bytes)),
            Piece::Gap => told.push('|'),
        });
        told
    }

    #[test]
    fn segments_in_any_order_across_the_wrap() {
        for first in [0_u32, 1, u32::MAX - 4, u32::MAX - 3, u32::MAX, 0x7fff_fffe] {
            let told = text(|stream, tell| {
                assert!(!stream.syn(first.wrapping_sub(1)));
                stream.segment(first.wrapping_add(3), b"def", tell);
                stream.segment(first.wrapping_add(6), b"ghi", tell);
                stream.segment(first, b"abcd", tell);
                stream.segment(first.wrapping_add(2), b"xxxx", tell);
            });
            assert_eq!(told, "abcdefghi", "{first}");
        }
    }

    #[test]
    fn without_a_syn_the_first_segment_is_the_beginning() {
        let told = text(|stream, tell| {
            stream.segment(1_000, b"abc", tell);
            stream.segment(900, b"old", tell);
            stream.segment(1_003, b"def", tell);
        });
        assert_eq!(told, "abcdef");
    }

    #[test]
    fn another_syn_is_another_connection_the_same_is_not() {
        let mut stream = Stream::default();
        assert!(!stream.syn(7));
        assert!(!stream.syn(7));
        assert!(stream.syn(8));
    }

    #[test]
    fn what_the_receiver_has_but_the_capture_has_not_is_a_gap() {
        let told = text(|stream, tell| {
            stream.segment(0, b"ab", tell);
            stream.segment(4, b"ef", tell);
            stream.acknowledged(3, tell);
            stream.segment(8, b"ij", tell);
            stream.acknowledged(6, tell);
            stream.end(tell);
        });
        assert_eq!(told, "ab|ef|ij");
    }

    #[test]
    fn a_gap_that_too_much_follows_is_given_up() {
        let mut gaps = 0;
        let mut bytes = 0;
        let mut stream = Stream::default();
        let mut tell = |piece: Piece<'_>| match piece {
            Piece::Bytes(piece) => bytes += piece.len(),
            Piece::Gap => gaps += 1,
        };
        stream.segment(0, &[0], &mut tell);
        for at in 0..400 {
            stream.segment(1_000 + at * 1_000, &[0; 1_000], &mut tell);
            assert!(stream.waiting_bytes() <= MAX_WAITING_BYTES);
        }
        assert_eq!((gaps, bytes), (1, 400_001));
    }
}
