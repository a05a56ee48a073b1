//! Pieces of a byte stream, put in order. What came first stays.
//!
//! First wins, because receivers do so: bytes that were delivered cannot be taken back, and Linux keeps what it has queued
//! when a later segment overlaps. A sender cannot show us one name and the server another one by sending a range twice,
//! unless the server's system lets the last win.

use std::collections::BTreeMap;

/// Most pieces that wait for a gap to be filled; each costs a node of a tree, however short it is.
const MAX_PIECES: usize = 512;

/// A stream of bytes, counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
}

/// More waits than the limit allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Assembly {
    /// Where the next byte in order belongs.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Bytes that wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Where the first piece begins that waits.
    pub(crate) fn first_waiting(&self) -> Option<u64> {
        self.waiting.keys().next().copied()
    }

    /// Takes a piece; `tell` gets every byte that is in order now, once. At most `limit` bytes wait.
    pub(crate) fn insert(
        &mut self,
        offset: u64,
        data: &[u8],
        limit: usize,
        tell: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Full> {
        let Some(end) = offset.checked_add(data.len() as u64) else { return Ok(()) };
        if end <= self.next {
            return Ok(());
        }
        if offset <= self.next && self.first_waiting().is_none_or(|first| end <= first) {
            tell(&data[(self.next - offset) as usize..]);
            self.next = end;
            self.drain(tell);
            return Ok(());
        }
        let mut at = offset.max(self.next);
        while at < end {
            // The piece that covers `at`, or the gap up to the next piece.
            let before = self.waiting.range(..=at).next_back().map(|(start, piece)| start + piece.len() as u64);
            if let Some(covered) = before.filter(|covered| *covered > at) {
                at = covered;
                continue;
            }
            let gap_end = self.waiting.range(at..).next().map_or(end, |(start, _)| (*start).min(end));
            let piece = &data[(at - offset) as usize..(gap_end - offset) as usize];
            if at > self.next && (self.waiting_bytes + piece.len() > limit || self.waiting.len() >= MAX_PIECES) {
                self.drain(tell);
                return Err(Full);
            }
            self.waiting_bytes += piece.len();
            self.waiting.insert(at, piece.to_vec());
            at = gap_end;
        }
        self.drain(tell);
        Ok(())
    }

    /// Gives the gap up: goes on with the first piece that waits. `false` if nothing waits.
    pub(crate) fn skip_gap(&mut self, tell: &mut dyn FnMut(&[u8])) -> bool {
        let Some(first) = self.first_waiting() else { return false };
        self.next = self.next.max(first);
        self.drain(tell);
        true
    }

    fn drain(&mut self, tell: &mut dyn FnMut(&[u8])) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| *entry.key() <= self.next) {
            let (start, piece) = entry.remove_entry();
            self.waiting_bytes -= piece.len();
            let known = (self.next - start) as usize;
            if let Some(new) = piece.get(known..).filter(|new| !new.is_empty()) {
                tell(new);
                self.next += new.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1_000;

    fn all(pieces: &[(u64, &str)]) -> (String, Assembly) {
        let mut assembly = Assembly::default();
        let mut told = Vec::new();
        for (offset, piece) in pieces {
            assembly.insert(*offset, piece.as_bytes(), LIMIT, &mut |bytes| told.extend_from_slice(bytes)).ok();
        }
        (String::from_utf8_lossy(&told).into_owned(), assembly)
    }

    #[test]
    fn every_order_gives_the_same() {
        let pieces = [(0, "ab"), (2, "cd"), (3, "dEf"), (6, "g"), (1, "bcd")];
        let mut order = [0, 1, 2, 3, 4];
        for _ in 0..120 {
            let (told, _) = all(&order.map(|at| pieces[at]));
            assert_eq!(told.to_lowercase(), "abcdefg", "{order:?}");
            next_permutation(&mut order);
        }
    }

    #[test]
    fn the_first_of_two_stays() {
        assert_eq!(all(&[(0, "abc"), (0, "xyzd")]).0, "abcd");
        assert_eq!(all(&[(1, "bc"), (0, "XYZ")]).0, "Xbc");
        assert_eq!(all(&[(2, "c"), (0, "XYZW")]).0, "XYcW");
    }

    #[test]
    fn a_gap_waits_until_it_is_given_up() {
        let (told, mut assembly) = all(&[(0, "a"), (2, "c"), (5, "f")]);
        assert_eq!((told.as_str(), assembly.waiting_bytes()), ("a", 2));
        let mut told = Vec::new();
        assert!(assembly.skip_gap(&mut |bytes| told.extend_from_slice(bytes)));
        assert_eq!((told.as_slice(), assembly.next()), (b"c".as_slice(), 3));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_pieces() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.insert(1, &[0; LIMIT], LIMIT, &mut |_| {}), Ok(()));
        assert_eq!(assembly.insert(2_000, &[0], LIMIT, &mut |_| {}), Err(Full));
        let mut assembly = Assembly::default();
        let full = (0..).map_while(|at| assembly.insert(1 + 2 * at, &[0], LIMIT, &mut |_| {}).ok()).count();
        assert_eq!(full, MAX_PIECES);
        assert_eq!(assembly.insert(0, &[0], LIMIT, &mut |_| {}), Ok(()), "what is in order never waits");
    }

    fn next_permutation(order: &mut [usize]) {
        let Some(at) = (1..order.len()).rev().find(|at| order[at - 1] < order[*at]) else { return order.reverse() };
        let with = (at..order.len()).rev().find(|with| order[*with] > order[at - 1]).unwrap_or(at);
        order.swap(at - 1, with);
        order[at..].reverse();
    }
}
