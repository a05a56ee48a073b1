//! Rows of bits, one bit a rule, as [`abi::tables::Rulebook`] describes them: records of summaries and chunk numbers.
//!
//! A row is made from another by changing bits, so it costs what differs; the chunks that do not are shared.

use abi::limits::{CHUNKS, ROW_SUMMARIES, ROW_WORDS};
use abi::tables::ROW_CHUNK;

use crate::compile::CapacityError;
use crate::pool::Pool;

const CHUNK_WORDS: usize = ROW_CHUNK as usize;
const CHUNK_BITS: u32 = 64 * ROW_CHUNK;
/// Words of the longest record: a number of 32 bits for each chunk after the summaries.
const LONGEST: usize = (ROW_SUMMARIES + ROW_SUMMARIES * 64 / ROW_CHUNK / 2) as usize;
/// Words of a cache line.
const LINE: usize = 8;

/// How long the rows of a rulebook are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    /// Summary words: one a 64 words.
    pub summaries: usize,
    chunks: usize,
}

impl Length {
    /// Of rows with this many bits.
    pub fn of(bits: usize) -> Self {
        let words = bits.div_ceil(64);
        Self { summaries: words.div_ceil(64), chunks: words.div_ceil(CHUNK_WORDS) }
    }

    /// Words of a record.
    fn words(self) -> usize {
        self.summaries + self.chunks.div_ceil(2)
    }
}

/// The rows of every rulebook.
pub(crate) struct Rows {
    /// `ROWS`; a row's name is where its record begins.
    pub records: Pool<u64>,
    /// `CHUNKS`.
    pub chunks: Pool<u64>,
}

impl Rows {
    pub fn new() -> Result<Self, CapacityError> {
        let mut chunks = Pool::new("words of different chunks of rule rows", CHUNKS * ROW_CHUNK);
        chunks.intern(&[0; CHUNK_WORDS])?;
        Ok(Self { records: Pool::new("words of rule rows", ROW_WORDS), chunks })
    }

    /// The row without a bit.
    pub fn empty(&mut self, length: Length) -> Result<u32, CapacityError> {
        self.place(length, &[0; LONGEST])
    }

    /// A row with bits changed: `change` makes a word from what it was and the bits concerned, which come in ascending
    /// order.
    pub fn changed(
        &mut self,
        length: Length,
        row: u32,
        bits: impl IntoIterator<Item = u32>,
        change: fn(u64, u64) -> u64,
    ) -> Result<u32, CapacityError> {
        let mut record = [0; LONGEST];
        let start = row as usize;
        record[..length.words()].copy_from_slice(&self.records.items[start..start + length.words()]);
        let mut bits = bits.into_iter().peekable();
        while let Some(&bit) = bits.peek() {
            let number = (bit / CHUNK_BITS) as usize;
            let reference = &mut record[length.summaries + number / 2];
            let shift = number % 2 * 32;
            let old = (*reference >> shift) as u32 as usize * CHUNK_WORDS;
            let mut chunk = [0; CHUNK_WORDS];
            chunk.copy_from_slice(&self.chunks.items[old..old + CHUNK_WORDS]);
            while let Some(bit) = bits.next_if(|bit| (bit / CHUNK_BITS) as usize == number) {
                let word = &mut chunk[(bit / 64) as usize % CHUNK_WORDS];
                *word = change(*word, 1 << (bit % 64));
            }
            let new = u64::from(self.chunks.intern(&chunk)?) / CHUNK_WORDS as u64;
            *reference = (*reference & !(u64::from(u32::MAX) << shift)) | new << shift;
            let first = number * CHUNK_WORDS;
            let filled = chunk.iter().zip(0..).fold(0, |filled, (&word, at)| filled | u64::from(word != 0) << at);
            let summary = &mut record[first / 64];
            *summary = (*summary & !(((1 << CHUNK_WORDS) - 1) << (first % 64))) | filled << (first % 64);
        }
        self.place(length, &record)
    }

    /// A record lies in as few cache lines as it can.
    fn place(&mut self, length: Length, record: &[u64; LONGEST]) -> Result<u32, CapacityError> {
        let words = length.words();
        self.records.intern_aligned(&record[..words], words.next_power_of_two().min(LINE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(rows: &Rows, length: Length, row: u32) -> Vec<u32> {
        let record = &rows.records.items[row as usize..];
        let words = (0..length.chunks * CHUNK_WORDS).filter(|word| record[word / 64] >> (word % 64) & 1 == 1);
        let set = words.flat_map(|word| {
            let pair = record[length.summaries + word / CHUNK_WORDS / 2];
            let chunk = (pair >> (word / CHUNK_WORDS % 2 * 32)) as u32 as usize;
            let value = rows.chunks.items[chunk * CHUNK_WORDS + word % CHUNK_WORDS];
            assert_ne!(value, 0, "the summary says that there is something");
            (0..64).filter(move |bit| value >> bit & 1 == 1).map(move |bit| word as u32 * 64 + bit)
        });
        set.collect()
    }

    #[test]
    fn bits_are_where_they_were_put() {
        for count in [1, 64, 65, 1_024, 1_025, 4_097, 10_000, 16_384] {
            let mut rows = Rows::new().expect("room");
            let length = Length::of(count as usize);
            let empty = rows.empty(length).expect("room");
            assert_eq!(bits(&rows, length, empty), []);
            let wanted: Vec<u32> = [0, 1, 63, 64, 1_023, 1_024, 4_095, 4_096, 9_999, 16_383]
                .into_iter()
                .filter(|bit| *bit < count)
                .collect();
            let row = rows.changed(length, empty, wanted.clone(), |a, b| a | b).expect("room");
            assert_eq!(bits(&rows, length, row), wanted);
            let last = *wanted.last().expect("bit 0 at least");
            let without = rows.changed(length, row, [last], |a, b| a ^ b).expect("room");
            assert_eq!(bits(&rows, length, without), wanted[..wanted.len() - 1]);
            assert_eq!(rows.changed(length, without, [last], |a, b| a ^ b), Ok(row), "the same row has one place");
            assert_eq!(rows.changed(length, row, wanted, |a, b| a ^ b), Ok(empty));
        }
    }

    #[test]
    fn what_does_not_differ_is_shared() {
        let mut rows = Rows::new().expect("room");
        let length = Length::of(16_384);
        let empty = rows.empty(length).expect("room");
        let half = rows.changed(length, empty, (0..16_384).step_by(2), |a, b| a | b).expect("room");
        for bit in (1..16_384).step_by(512) {
            let row = rows.changed(length, half, [bit], |a, b| a | b).expect("room");
            assert_eq!(row as usize % LINE, 0);
        }
        // Sixteen chunks alike, the empty one, and one for each of the two places of a bit within its chunk.
        assert_eq!(rows.chunks.items.len() / CHUNK_WORDS, 1 + 1 + 2);
    }
}
