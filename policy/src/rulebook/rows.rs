//! Rows of bits, one bit a rule, as [`abi::tables::Row`] describes them: a shared record, and what a class adds to it.
//!
//! A class that adds a rule or a few costs a number or a few words, however full the row is that it adds them to. One
//! that adds more than [`FEW`] words gets a record of its own, for classes within it to share.

use abi::limits::{ROW_SUMMARIES, ROW_WORDS, RULEBOOK_RULES};
use abi::tables::{JOINED, ONE_RULE, Row};

use crate::compile::CapacityError;
use crate::pool::Pool;

/// Words of the longest row.
const WORDS: usize = (RULEBOOK_RULES / 64) as usize;
/// Words of a cache line.
const LINE: usize = 8;
/// Words beside the shared record, at most.
const FEW: usize = 16;

/// Bits that are being put together.
pub(crate) struct Bits {
    words: Box<[u64; WORDS]>,
}

impl Default for Bits {
    fn default() -> Self {
        Self { words: Box::new([0; WORDS]) }
    }
}

impl Bits {
    /// Sets a bit.
    pub fn set(&mut self, bit: u32) {
        self.words[bit as usize / 64] |= 1 << (bit % 64);
    }

    /// Changes a bit.
    pub fn flip(&mut self, bit: u32) {
        self.words[bit as usize / 64] ^= 1 << (bit % 64);
    }
}

/// The rows of every rulebook.
pub(crate) struct Rows {
    records: Pool<u64>,
    /// Record in the making.
    record: Vec<u64>,
}

impl Rows {
    /// With the empty record.
    pub fn new() -> Result<Self, CapacityError> {
        let mut records = Pool::new("words of rule rows", ROW_WORDS);
        records.intern(&[0; ROW_SUMMARIES as usize])?;
        Ok(Self { records, record: Vec::new() })
    }

    /// `ROWS`.
    pub fn into_words(self) -> Vec<u64> {
        self.records.items
    }

    /// All bits of a row.
    pub fn words(&self, summaries: usize, Row { base, own }: Row) -> Vec<u64> {
        let mut words = vec![0; summaries * 64];
        self.read(summaries, base, &mut words);
        if own & ONE_RULE == 0 {
            self.read(summaries, own, &mut words);
        } else {
            let bit = own & !ONE_RULE;
            words[bit as usize / 64] |= 1 << (bit % 64);
        }
        words
    }

    /// Sets the bits of a record.
    fn read(&self, summaries: usize, record: u32, bits: &mut [u64]) {
        let record = &self.records.items[record as usize..];
        let mut words = record[summaries..].iter();
        for (&summary, bits) in record[..summaries].iter().zip(bits.chunks_mut(64)) {
            for (_, bits) in (0..).zip(bits).filter(|(at, _)| summary >> at & 1 == 1) {
                *bits |= words.next().copied().unwrap_or(0);
            }
        }
    }

    /// The row with these bits and no others.
    pub fn base(&mut self, summaries: usize, bits: &Bits) -> Result<Row, CapacityError> {
        Ok(Row { base: self.write(summaries, &bits.words[..summaries * 64])?, own: 0 })
    }

    /// The row with these bits beside those of a shared record. If it gets a record of its own, what that has in common
    /// with `other` stands before it.
    pub fn beside_joined(
        &mut self,
        summaries: usize,
        base: u32,
        bits: &Bits,
        other: u32,
    ) -> Result<Row, CapacityError> {
        let words = &bits.words[..summaries * 64];
        if words.iter().filter(|word| **word != 0).count() <= FEW {
            return self.beside(summaries, base, bits);
        }
        let mut all = words.to_vec();
        self.read(summaries, base, &mut all);
        let mut both = vec![0; summaries * 64];
        self.read(summaries, other, &mut both);
        both.iter_mut().zip(&all).for_each(|(both, word)| *both &= word);
        self.record.clear();
        self.record.push(other.into());
        self.record.extend(summary(&both));
        self.record.extend(summary(&all));
        self.record.extend(all.iter().filter(|word| **word != 0));
        let begins = self.records.intern_aligned(&self.record, LINE)?;
        Ok(Row { base: JOINED | (begins + 1 + summaries as u32), own: 0 })
    }

    /// The row with these bits beside those of a shared record.
    pub fn beside(&mut self, summaries: usize, base: u32, bits: &Bits) -> Result<Row, CapacityError> {
        let words = &bits.words[..summaries * 64];
        let mut filled = (0..).zip(words).filter(|(_, word)| **word != 0);
        let (first, second) = (filled.next(), filled.next());
        let own = match (first, second) {
            (None, _) => 0,
            (Some((at, word)), None) if word.is_power_of_two() => ONE_RULE | (at * 64 + word.trailing_zeros()),
            _ if filled.nth(FEW - 2).is_none() => self.write(summaries, words)?,
            _ => {
                let mut all = Bits { words: bits.words.clone() };
                self.read(summaries, base, &mut all.words[..summaries * 64]);
                return self.base(summaries, &all);
            }
        };
        Ok(Row { base, own })
    }

    /// A row with bits added.
    pub fn with(
        &mut self,
        summaries: usize,
        Row { base, own }: Row,
        added: impl IntoIterator<Item = u32>,
    ) -> Result<Row, CapacityError> {
        let mut added = added.into_iter().peekable();
        let first = added.next();
        if let (0, Some(only), None) = (own, first, added.peek()) {
            return Ok(Row { base, own: ONE_RULE | only });
        }
        let mut bits = Bits::default();
        if own & ONE_RULE == 0 {
            self.read(summaries, own, &mut bits.words[..summaries * 64]);
        } else {
            bits.set(own & !ONE_RULE);
        }
        first.into_iter().chain(added).for_each(|bit| bits.set(bit));
        self.beside(summaries, base, &bits)
    }

    /// Where the record of these words is. It lies in as few cache lines as it can.
    fn write(&mut self, summaries: usize, words: &[u64]) -> Result<u32, CapacityError> {
        self.record.clear();
        self.record.extend(summary(words));
        debug_assert_eq!(self.record.len(), summaries);
        self.record.extend(words.iter().filter(|word| **word != 0));
        self.records.intern_aligned(&self.record, self.record.len().next_power_of_two().min(LINE))
    }
}

/// A bit for each word that is not empty.
fn summary(words: &[u64]) -> impl Iterator<Item = u64> {
    words.chunks(64).map(|words| words.iter().zip(0..).fold(0, |all, (&word, at)| all | u64::from(word != 0) << at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(rows: &Rows, summaries: usize, row: Row) -> Vec<u32> {
        let words = rows.words(summaries, row);
        (0..summaries as u32 * 4_096).filter(|bit| words[*bit as usize / 64] >> (bit % 64) & 1 == 1).collect()
    }

    fn set(list: impl IntoIterator<Item = u32>) -> Bits {
        let mut bits = Bits::default();
        list.into_iter().for_each(|bit| bits.set(bit));
        bits
    }

    #[test]
    fn bits_are_where_they_were_put() {
        for summaries in 1..=4 {
            let mut rows = Rows::new().expect("room");
            let last = summaries as u32 * 4_096 - 1;
            let wanted = [0, 1, 63, 64, 1_023, 4_095, last / 2, last];
            let base = rows.base(summaries, &set([7, last - 1])).expect("room");
            assert_eq!(bits(&rows, summaries, base), [7, last - 1]);
            let mut row = base;
            for (count, bit) in (3..).zip([0, last / 2, 64, 4_095]) {
                row = rows.with(summaries, row, [bit]).expect("room");
                let found = bits(&rows, summaries, row);
                assert!(found.contains(&bit) && found.contains(&7));
                assert!(found.len() <= count && row.base == base.base);
            }
            let all = rows.with(summaries, base, wanted).expect("room");
            assert_eq!(rows.with(summaries, row, wanted), Ok(all), "equal rows are one");
            let mut expected = Vec::from(wanted);
            expected.extend([7, last - 1]);
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(bits(&rows, summaries, all), expected);
        }
    }

    #[test]
    fn a_long_record_tells_before_it_what_it_has_in_common() {
        for summaries in 1..=4 {
            let mut rows = Rows::new().expect("room");
            let last = summaries as u32 * 4_096 - 1;
            let other = rows.base(summaries, &set((0..last).step_by(64))).expect("room").base;
            let few = rows.beside_joined(summaries, 0, &set([1, 64, last]), other).expect("room");
            assert_eq!(few.base & JOINED, 0);
            let mut many = set((1..last).step_by(64));
            [0, 640, last - 63].into_iter().for_each(|bit| many.set(bit));
            let Row { base, own } = rows.beside_joined(summaries, 0, &many, other).expect("room");
            assert_eq!((base & JOINED, own), (JOINED, 0));
            let begins = (base & !JOINED) as usize - summaries;
            assert_eq!(rows.records.items[begins - 1], u64::from(other));
            let words = &rows.records.items[begins..][..summaries];
            let common: Vec<_> = (0..summaries * 64).filter(|word| words[word / 64] >> (word % 64) & 1 == 1).collect();
            assert_eq!(common, [0, 10, summaries * 64 - 1]);
            let found = bits(&rows, summaries, Row { base: base & !JOINED, own });
            assert_eq!(found.len(), summaries * 64 + 3);
        }
    }

    #[test]
    fn a_rule_more_is_a_number_and_many_are_a_record_to_share() {
        let mut rows = Rows::new().expect("room");
        let base = rows.base(4, &set((0..16_384).step_by(2))).expect("room");
        let before = rows.records.items.len();
        let one = rows.with(4, base, [9_999]).expect("room");
        assert_eq!(one, Row { base: base.base, own: ONE_RULE | 9_999 });
        assert_eq!(rows.records.items.len(), before);
        let few = rows.with(4, base, (1..16_384).step_by(1_024)).expect("room");
        assert_eq!(few.base, base.base);
        assert_eq!(rows.records.items.len(), before.next_multiple_of(LINE) + 4 + FEW);
        let many = rows.with(4, few, [9_999]).expect("room");
        assert_eq!((many.own, bits(&rows, 4, many).len()), (0, 8_192 + FEW + 1));
    }
}
