//! A list in kernel memory of what runs of a program write into their packets, one entry a run: so every run sees another
//! packet, keys are as random as on a wire, and caches stay honest.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Result, bail};

use crate::bpf::{self, Kind};
use crate::frame::{Frame, LENGTH};
use crate::instructions::{KTIME_NS, MAP_LOOKUP, Program, R0, R1, R2, R6, R7, R8, STACK};

/// Offsets in `struct xdp_md`.
pub const DATA: i16 = 0;
/// One past the last byte.
pub const DATA_END: i16 = 4;

/// A list of what runs write, one entry a run, and where in it the next run is.
pub struct List {
    entries: OwnedFd,
    progress: OwnedFd,
    size: usize,
    /// Entries.
    pub length: usize,
}

/// Offsets in the value of `progress`.
const POSITION: i16 = 0;
const FIRST_NS: i16 = 8;
const LAST_NS: i16 = 16;

impl List {
    /// Entries of this size are taken in order, and again from the start. Their number is a power of two.
    pub fn new<'e>(size: usize, entries_of: impl ExactSizeIterator<Item = &'e [u8]>) -> Result<Self> {
        let length = entries_of.len();
        if !length.is_power_of_two() {
            bail!("{length} frames are no power of two");
        }
        let entries = bpf::map(Kind::Array, 4, size as u32, length as u32)?;
        let list = Self { entries, progress: bpf::map(Kind::Array, 4, 24, 1)?, size, length };
        list.fill(entries_of)?;
        Ok(list)
    }

    /// Puts other entries, as many as before, in the place of all.
    pub fn fill<'e>(&self, entries: impl Iterator<Item = &'e [u8]>) -> Result<()> {
        let values: Vec<u8> = entries.flatten().copied().collect();
        if values.len() != self.size * self.length {
            bail!("{} bytes are not {} entries of {}", values.len(), self.length, self.size);
        }
        let keys: Vec<u8> = (0..self.length as u32).flat_map(u32::to_ne_bytes).collect();
        Ok(bpf::update_many(self.entries.as_fd(), self.length as u32, &keys, &values)?)
    }

    /// Begins again with the first entry.
    pub fn rewind(&self) -> Result<()> {
        Ok(bpf::update(self.progress.as_fd(), &0_u32.to_ne_bytes(), &[0; 24])?)
    }

    /// Seconds from the first run after [`Self::rewind`] to the last of the list.
    pub fn seconds(&self) -> Result<f64> {
        let mut progress = [0; 24];
        bpf::lookup(self.progress.as_fd(), &0_u32.to_ne_bytes(), &mut progress)?;
        let ns = |at: i16| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&progress[at as usize..at as usize + 8]);
            u64::from_ne_bytes(bytes)
        };
        let Some(ns) = ns(LAST_NS).checked_sub(ns(FIRST_NS)).filter(|ns| *ns > 0) else {
            bail!("not every frame was sent");
        };
        Ok(ns as f64 / 1e9)
    }

    /// Takes the next entry, into `R0`; leaves the context in `R6`.
    pub fn next(&self) -> Program {
        let last = (self.length - 1) as i32;
        let note_time = |at: i16| {
            move |program: Program| program.call(KTIME_NS).first_value(R1, self.progress.as_fd()).store_64(R1, at, R0)
        };
        Program::default()
            .copy(R6, R1)
            // Only one CPU runs it: no atomics.
            .first_value(R1, self.progress.as_fd())
            .load_64(R7, R1, POSITION)
            .copy(R2, R7)
            .add(R2, 1)
            .store_64(R1, POSITION, R2)
            .and(R7, last)
            .store_32(STACK, -4, R7)
            .if_equal(R7, 0, note_time(FIRST_NS))
            .if_equal(R7, last, note_time(LAST_NS))
            .map(R1, self.entries.as_fd())
            .copy(R2, STACK)
            .add(R2, -4)
            .call(MAP_LOOKUP)
            .leave_if_zero(R0)
    }
}

/// A list of short frames.
pub struct Frames {
    /// Themselves.
    pub list: List,
    /// What a run begins with.
    pub template: Frame,
}

impl Frames {
    /// Of a power of two of frames.
    pub fn new(frames: &[Frame]) -> Result<Self> {
        let list = List::new(LENGTH, frames.iter().map(|frame| &frame[..]))?;
        Ok(Self { list, template: frames[0] })
    }

    /// Writes the next frame into the packet; leaves the context in `R6`.
    pub fn program(&self) -> Program {
        let program = self
            .list
            .next()
            .load_32(R7, R6, DATA)
            .load_32(R8, R6, DATA_END)
            .copy(R1, R7)
            .add(R1, LENGTH as i32)
            .leave_if_greater(R1, R8);
        (0..LENGTH as i16).step_by(8).fold(program, |program, at| program.load_64(R1, R0, at).store_64(R7, at, R1))
    }
}
