//! The ring buffer of events, read by one reader at a time.

use std::os::fd::AsFd;
use std::time::Duration;

use abi::event::Event;
use aya::maps::{MapData, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::mmap::from_bytes;

/// Drops and new flows as the program sends them.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl Events {
    pub(crate) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }

    /// Waits until there are some, or the time is over, or a signal comes.
    pub fn wait(&self, patience: Duration) {
        let mut ring = [PollFd::new(self.ring.as_fd(), PollFlags::POLLIN)];
        // A failure is no more than a shorter wait; the caller looks for events anyway.
        let _ = poll(&mut ring, PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX));
    }

    /// The next event, if one waits.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let item = self.ring.next()?;
            if let Some(event) = from_bytes(&item) {
                return Some(event);
            }
        }
    }
}
