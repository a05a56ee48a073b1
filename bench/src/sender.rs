//! Sends frames out of an interface: live frames under `BPF_PROG_TEST_RUN`, redirected.

use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};

use crate::bpf;
use crate::frame::Frame;
use crate::instructions::{ADJUST_TAIL, R0, R1, R2, R3, R4, R6, R7, REDIRECT, STORE_BYTES};
use crate::list::{Frames, List};

/// Longest frame sent: an Ethernet frame of the usual MTU.
pub const LONGEST: usize = 1_514;
/// The kernel takes no shorter frame.
const SHORTEST: usize = 14;

/// Sends frames out of an interface, as fast as what is behind it takes them.
pub struct Sender {
    list: List,
    program: OwnedFd,
    template: Vec<u8>,
}

impl Sender {
    /// Of short frames, out of this interface of the namespace that [`Self::run`] is
    /// called in.
    pub fn new(frames: &[Frame], ifindex: u32) -> Result<Self> {
        let frames = Frames::new(frames)?;
        let program = frames.program().set(R1, ifindex as i32).set(R2, 0).call(REDIRECT).leave().drop_packet();
        let program = bpf::xdp(&program).context("the sending program is refused")?;
        Ok(Self { list: frames.list, program, template: frames.template.to_vec() })
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

    /// Sends the whole list so many times without a break.
    pub fn run_again(&self, passes: u32) -> Result<()> {
        Ok(bpf::run_live(self.program.as_fd(), &self.template, self.list.length as u32 * passes)?)
    }

    /// Frames of one run.
    pub fn frames(&self) -> usize {
        self.list.length
    }
}
