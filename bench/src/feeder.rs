//! Makes every run of a repeated program see another packet: writes the headers of the next frame of a list, then
//! hands over to what is measured, by a tail call or by sending. So keys are as random as on a wire, and caches stay
//! honest.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, bail};

use crate::bpf::{self, Kind};
use crate::frame::{Frame, HEADER_BYTES, TAGGED_DESTINATION_AT};
use crate::instructions::{
    ADJUST_TAIL, KTIME_NS, MAP_LOOKUP, Program, R0, R1, R2, R3, R4, R6, R7, R8, REDIRECT, STACK, STORE_BYTES, TAIL_CALL,
};

/// Longest frame sent: an Ethernet frame of the usual MTU.
pub const LONGEST: usize = 1_514;
/// The kernel takes no shorter frame.
const SHORTEST: usize = 14;

/// Offsets in `struct xdp_md`.
const DATA: i16 = 0;
const DATA_END: i16 = 4;

/// A list of what runs write, one entry a run, and where in it the next run is.
struct List {
    entries: OwnedFd,
    progress: OwnedFd,
    length: usize,
}

/// Offsets in the value of `progress`.
const POSITION: i16 = 0;
const FIRST_NS: i16 = 8;
const LAST_NS: i16 = 16;

impl List {
    /// Entries of this size are taken in order, and again from the start. Their number is a power of two.
    fn new<'e>(size: usize, list: impl ExactSizeIterator<Item = &'e [u8]>) -> Result<Self> {
        let length = list.len();
        if !length.is_power_of_two() {
            bail!("{length} frames are no power of two");
        }
        let entries = bpf::map(Kind::Array, 4, size as u32, length as u32)?;
        for (index, entry) in (0_u32..).zip(list) {
            bpf::update(entries.as_fd(), &index.to_ne_bytes(), entry)?;
        }
        Ok(Self { entries, progress: bpf::map(Kind::Array, 4, 24, 1)?, length })
    }

    fn rewind(&self) -> Result<()> {
        Ok(bpf::update(self.progress.as_fd(), &0_u32.to_ne_bytes(), &[0; 24])?)
    }

    /// Seconds from the first run after [`Self::rewind`] to the last of the list.
    fn seconds(&self) -> Result<f64> {
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
    fn next(&self) -> Program {
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

/// A list of the headers of frames that are alike otherwise.
struct Headers {
    list: List,
    first: Frame,
}

impl Headers {
    fn new(frames: &[Frame]) -> Result<Self> {
        let list = List::new(HEADER_BYTES, frames.iter().map(|frame| &frame[..HEADER_BYTES]))?;
        Ok(Self { list, first: frames[0] })
    }

    /// Writes the next headers into the packet; leaves the context in `R6`.
    fn program(&self) -> Program {
        let program = self
            .list
            .next()
            .load_32(R7, R6, DATA)
            .load_32(R8, R6, DATA_END)
            .copy(R1, R7)
            .add(R1, HEADER_BYTES as i32)
            .leave_if_greater(R1, R8);
        (0..HEADER_BYTES as i16)
            .step_by(8)
            .fold(program, |program, at| program.load_64(R1, R0, at).store_64(R7, at, R1))
    }
}

/// Feeds a program under `BPF_PROG_TEST_RUN`.
pub struct Feeder {
    headers: Headers,
    program: OwnedFd,
    target: OwnedFd,
}

impl Feeder {
    /// Of these frames.
    pub fn new(frames: &[Frame]) -> Result<Self> {
        let headers = Headers::new(frames)?;
        let target = bpf::map(Kind::Programs, 4, 4, 1)?;
        let program = headers.program().copy(R1, R6).map(R2, target.as_fd()).set(R3, 0).call(TAIL_CALL).drop_packet();
        let program = bpf::xdp(&program).context("the feeding program is refused")?;
        Ok(Self { headers, program, target })
    }

    /// Feeds the whole list to a program; ns a packet.
    pub fn run(&self, target: BorrowedFd<'_>) -> Result<f64> {
        let Headers { list, first } = &self.headers;
        list.rewind()?;
        bpf::update(self.target.as_fd(), &0_u32.to_ne_bytes(), &target.as_raw_fd().to_ne_bytes())
            .context("the program cannot be tail-called")?;
        Ok(bpf::run(self.program.as_fd(), first, list.length as u32)?)
    }
}

/// Sends frames out of an interface, as fast as what is behind it takes them.
pub struct Sender {
    list: List,
    program: OwnedFd,
    template: Vec<u8>,
}

impl Sender {
    /// Of frames that differ in their headers only, out of this interface of the namespace that [`Self::run`] is
    /// called in.
    pub fn new(frames: &[Frame], ifindex: u32) -> Result<Self> {
        let headers = Headers::new(frames)?;
        let program = headers.program().set(R1, ifindex as i32).set(R2, 0).call(REDIRECT).leave().drop_packet();
        let program = bpf::xdp(&program).context("the sending program is refused")?;
        Ok(Self { list: headers.list, program, template: headers.first.to_vec() })
    }

    /// Of frames that have nothing in common, from 14 to [`LONGEST`] bytes.
    pub fn of_captured(frames: &[Vec<u8>], ifindex: u32) -> Result<Self> {
        /// Offsets in an entry: what the frame is shorter than the template, its length less [`SHORTEST`], itself.
        const DIFFERENCE: i16 = 0;
        const ABOVE_SHORTEST: i16 = 4;
        const BYTES: usize = 8;
        /// Lets the verifier see that the length has a bound.
        const BOUND: usize = 2_047;
        const ENTRY: usize = BYTES + SHORTEST + BOUND + 3;
        let entries: Vec<_> = frames
            .iter()
            .map(|frame| {
                let mut entry = Vec::with_capacity(ENTRY);
                entry.extend((frame.len() as i32 - LONGEST as i32).to_ne_bytes());
                entry.extend((frame.len() as u32 - SHORTEST as u32).to_ne_bytes());
                entry.extend(frame);
                entry.resize(ENTRY, 0);
                entry
            })
            .collect();
        let list = List::new(ENTRY, entries.iter().map(Vec::as_slice))?;
        let program = list
            .next()
            .copy(R7, R0)
            .copy(R1, R6)
            .load_32(R2, R7, DIFFERENCE)
            .call(ADJUST_TAIL)
            .copy(R1, R6)
            .set(R2, 0)
            .copy(R3, R7)
            .add(R3, BYTES as i32)
            .load_32(R4, R7, ABOVE_SHORTEST)
            .and(R4, BOUND as i32)
            .add(R4, SHORTEST as i32)
            .call(STORE_BYTES)
            .set(R1, ifindex as i32)
            .set(R2, 0)
            .call(REDIRECT)
            .leave()
            .drop_packet();
        let program = bpf::xdp(&program).context("the sending program is refused")?;
        Ok(Self { list, program, template: vec![0; LONGEST] })
    }

    /// Sends the whole list; seconds from the first to the last frame, without what the kernel needs to
    /// prepare and to tidy up.
    pub fn run(&self) -> Result<f64> {
        self.list.rewind()?;
        bpf::run_live(self.program.as_fd(), &self.template, self.list.length as u32)?;
        self.list.seconds()
    }

    /// Frames of one run.
    pub fn frames(&self) -> usize {
        self.list.length
    }
}

/// A program that drops, and does nothing else: what the harness itself costs.
pub fn bare_drop() -> Result<OwnedFd> {
    Ok(bpf::xdp(&Program::default().drop_packet())?)
}

/// A program that looks the destination of a tagged frame up in the kernel's trie, and drops.
pub fn trie_drop(trie: BorrowedFd<'_>) -> Result<OwnedFd> {
    let program = Program::default()
        .load_32(R7, R1, DATA)
        .load_32(R8, R1, DATA_END)
        .copy(R2, R7)
        .add(R2, i32::from(TAGGED_DESTINATION_AT) + 4)
        .leave_if_greater(R2, R8)
        .load_32(R2, R7, TAGGED_DESTINATION_AT)
        .store_value_32(STACK, -8, 32)
        .store_32(STACK, -4, R2)
        .map(R1, trie)
        .copy(R2, STACK)
        .add(R2, -8)
        .call(MAP_LOOKUP)
        .leave_if_zero(R0)
        .drop_packet();
    Ok(bpf::xdp(&program)?)
}
