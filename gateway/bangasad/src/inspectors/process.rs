//! The process of an inspector, by a descriptor: it goes on meaning that process when the number is somebody else's.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A process, running or not.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// The process with this number.
    pub fn of(pid: u32) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "there is no wrapper for it")]
        // SAFETY: the call takes two numbers and answers a new descriptor, which is owned from then on.
        unsafe {
            match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
                -1 => Err(io::Error::last_os_error()),
                number => Ok(Self(OwnedFd::from_raw_fd(number as i32))),
            }
        }
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        let mut looked_at = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut looked_at, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Ends it, whatever it does.
    pub fn kill(&self) {
        #[expect(unsafe_code, reason = "there is no wrapper for it")]
        // SAFETY: the descriptor is open, and no further information is passed.
        unsafe {
            // It may have ended by itself.
            let none = ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), libc::SIGKILL, none, 0);
        }
    }
}

/// What tells one network namespace from another, also from a later one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace(u64, u64);

impl Namespace {
    /// That of a file which stands for it.
    pub fn of(file: &fs::Metadata) -> Self {
        Self(file.dev(), file.ino())
    }

    /// The one of this name; none: there is no such.
    pub fn named(name: &str) -> Option<Self> {
        fs::metadata(Path::new("/run/netns").join(name)).ok().map(|file| Self::of(&file))
    }
}
