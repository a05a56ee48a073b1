//! One record at a time out of a stream of bytes.

use std::io::{BufReader, Read};

use super::Trouble;

/// Bytes asked of the system at once.
const READ_BYTES: usize = 1 << 18;

/// A buffered stream and the record that is being assembled from it.
pub(super) struct Input<R> {
    reader: BufReader<R>,
    record: Vec<u8>,
}

/// How much of what was asked for is there.
pub(super) enum Load {
    /// All of it.
    Whole,
    /// The stream had ended before the first byte.
    Nothing,
    /// It ended after this many bytes.
    Part(usize),
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(READ_BYTES, reader), record: Vec::new() }
    }

    /// Forgets the record.
    pub(super) fn begin(&mut self) {
        self.record.clear();
    }

    /// The record as far as it is loaded.
    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }

    /// Appends `count` bytes. The caller has bounded `count`.
    pub(super) fn load(&mut self, count: usize) -> Result<Load, Trouble> {
        let before = self.record.len();
        // `take` grows the record with what arrives, not with what a header claims.
        let got = self.reader.by_ref().take(count as u64).read_to_end(&mut self.record).map_err(Trouble::Read)?;
        debug_assert_eq!(before + got, self.record.len());
        Ok(if got == count {
            Load::Whole
        } else if got == 0 {
            Load::Nothing
        } else {
            Load::Part(got)
        })
    }

    /// Discards `count` bytes; says how many there were.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, Trouble> {
        std::io::copy(&mut self.reader.by_ref().take(count), &mut std::io::sink()).map_err(Trouble::Read)
    }

    /// Four bytes of the record, little-endian. The caller has loaded them.
    pub(super) fn word(&self, at: usize) -> u32 {
        self.record[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}
