//! Feeds a program under `BPF_PROG_TEST_RUN` with the next frame of a list in every run, by a tail call.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};

use crate::bpf::{self, Kind};
use crate::frame::Frame;
use crate::instructions::{R1, R2, R3, R6, TAIL_CALL};
use crate::list::Frames;

/// Feeds a program under `BPF_PROG_TEST_RUN`.
pub struct Feeder {
    frames: Frames,
    program: OwnedFd,
    target: OwnedFd,
}

impl Feeder {
    /// Of these frames.
    pub fn new(frames: &[Frame]) -> Result<Self> {
        let frames = Frames::new(frames)?;
        let target = bpf::map(Kind::Programs, 4, 4, 1)?;
        let program = frames.program().copy(R1, R6).map(R2, target.as_fd()).set(R3, 0).call(TAIL_CALL).drop_packet();
        let program = bpf::xdp(&program).context("the feeding program is refused")?;
        Ok(Self { frames, program, target })
    }

    /// Feeds the whole list to a program; ns a packet.
    pub fn run(&self, target: BorrowedFd<'_>) -> Result<f64> {
        let Frames { list, template } = &self.frames;
        list.rewind()?;
        bpf::update(self.target.as_fd(), &0_u32.to_ne_bytes(), &target.as_raw_fd().to_ne_bytes())
            .context("the program cannot be tail-called")?;
        Ok(bpf::run(self.program.as_fd(), template, list.length as u32)?)
    }

    /// Goes on with other frames, as many as before.
    pub fn refill(&self, frames: &[Frame]) -> Result<()> {
        self.frames.list.fill(frames.iter().map(|frame| &frame[..]))
    }
}
