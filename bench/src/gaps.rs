//! The time between frames, by a program at the far end that counts them, remembers when the last one came, and drops.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};

use crate::bpf::{self, Kind};
use crate::instructions::{KTIME_NS, Program, R0, R1, R2, R3};

/// Above how many ns gaps are counted.
pub const LONGER_THAN_NS: [u64; 3] = [100_000, 1_000_000, 10_000_000];

/// Offsets in the one value of the map.
const FRAMES: i16 = 0;
const LAST_NS: i16 = 8;
const LARGEST_NS: i16 = 16;
const LONGER: i16 = 24;
const BYTES: usize = 24 + 8 * LONGER_THAN_NS.len();

/// What has arrived since [`Gaps::begin`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Frames.
    pub frames: u64,
    /// The largest gap between two of them.
    pub largest_ns: u64,
    /// Gaps above each of [`LONGER_THAN_NS`].
    pub longer: [u64; LONGER_THAN_NS.len()],
}

/// The program, and what it has counted.
pub struct Gaps {
    state: OwnedFd,
    program: OwnedFd,
}

impl Gaps {
    /// Loads it.
    pub fn new() -> Result<Self> {
        let state = bpf::map(Kind::Array, 4, BYTES as u32, 1)?;
        // All frames come on one CPU, the sender's: no atomics.
        let program = Program::default()
            .call(KTIME_NS)
            .first_value(R1, state.as_fd())
            .load_64(R2, R1, FRAMES)
            .add(R2, 1)
            .store_64(R1, FRAMES, R2)
            .load_64(R3, R1, LAST_NS)
            .store_64(R1, LAST_NS, R0)
            .leave_if_zero(R3)
            .subtract_register(R0, R3)
            .load_64(R2, R1, LARGEST_NS)
            .if_greater(R0, R2, |program| program.store_64(R1, LARGEST_NS, R0));
        let program = LONGER_THAN_NS.iter().zip((LONGER..).step_by(8)).fold(program, |program, (ns, at)| {
            program
                .set(R3, *ns as i32)
                .if_greater(R0, R3, |program| program.load_64(R2, R1, at).add(R2, 1).store_64(R1, at, R2))
        });
        let program = bpf::xdp(&program.drop_packet()).context("the program that measures gaps is refused")?;
        Ok(Self { state, program })
    }

    /// For where frames arrive.
    pub fn program(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// Forgets everything. While no frame comes.
    pub fn begin(&self) -> Result<()> {
        self.write(&[0; BYTES])
    }

    /// The time until the next frame is no gap. While no frame comes.
    pub fn pause(&self) -> Result<()> {
        let mut state = self.read()?;
        state[LAST_NS as usize..][..8].fill(0);
        self.write(&state)
    }

    /// What has arrived.
    pub fn arrived(&self) -> Result<Arrived> {
        let state = self.read()?;
        let word = |at: i16| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&state[at as usize..][..8]);
            u64::from_ne_bytes(bytes)
        };
        let mut longer = [0; LONGER_THAN_NS.len()];
        longer.iter_mut().zip((LONGER..).step_by(8)).for_each(|(count, at)| *count = word(at));
        Ok(Arrived { frames: word(FRAMES), largest_ns: word(LARGEST_NS), longer })
    }

    fn read(&self) -> Result<[u8; BYTES]> {
        let mut state = [0; BYTES];
        bpf::lookup(self.state.as_fd(), &0_u32.to_ne_bytes(), &mut state)?;
        Ok(state)
    }

    fn write(&self, state: &[u8; BYTES]) -> Result<()> {
        Ok(bpf::update(self.state.as_fd(), &0_u32.to_ne_bytes(), state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_between_two_frames_is_a_gap_unless_it_was_meant() {
        let gaps = Gaps::new().expect("the program loads");
        let frame = [0; 64];
        let send = || bpf::ask(gaps.program(), &frame).expect("the program runs");
        let wait = || std::thread::sleep(std::time::Duration::from_millis(2));
        gaps.begin().expect("the map is written");
        send();
        wait();
        send();
        let arrived = gaps.arrived().expect("the map is read");
        assert!(arrived.frames == 2 && arrived.largest_ns >= 2_000_000, "{arrived:?}");
        assert_eq!(arrived.longer[..2], [1, 1]);
        gaps.pause().expect("the map is written");
        wait();
        send();
        let after = gaps.arrived().expect("the map is read");
        assert_eq!(after, Arrived { frames: 3, ..arrived });
    }
}
