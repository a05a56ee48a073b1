//! The process of an inspector, by a descriptor: it goes on meaning that process when the number is somebody else's.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A process, running or not.
#[derive(Debug)]
pub struct Process {
    descriptor: OwnedFd,
    /// Its number, which nobody else has while it runs.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the machine did.
    pub began: u64,
}

impl Process {
    /// The process with this number.
    pub fn of(pid: u32) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "there is no wrapper for it")]
        // SAFETY: the call takes two numbers and answers a new descriptor, which is owned from then on.
        let descriptor = unsafe { owned(libc::syscall(libc::SYS_pidfd_open, pid, 0))? };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before may hold anything; field 22 of proc(5) is the twentieth after it.
        let began = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(19)?.parse().ok());
        let began = began.ok_or_else(|| io::Error::other("the kernel does not tell when it began"))?;
        Ok(Self { descriptor, pid, began })
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        let mut looked_at = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        poll(&mut looked_at, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Ends it, whatever it does.
    pub fn kill(&self) {
        #[expect(unsafe_code, reason = "there is no wrapper for it")]
        // SAFETY: the descriptor is open, and no further information is passed.
        unsafe {
            // It may have ended by itself.
            let none = ptr::null::<libc::siginfo_t>();
            libc::syscall(libc::SYS_pidfd_send_signal, self.descriptor.as_raw_fd(), libc::SIGKILL, none, 0);
        }
    }

    /// Another descriptor of what it has open under this number.
    pub fn descriptor(&self, number: RawFd) -> io::Result<OwnedFd> {
        #[expect(unsafe_code, reason = "there is no wrapper for it")]
        // SAFETY: the call takes three numbers and answers a new descriptor, which is owned from then on.
        unsafe {
            owned(libc::syscall(libc::SYS_pidfd_getfd, self.descriptor.as_raw_fd(), number, 0))
        }
    }

    /// The program that it runs; none: that cannot be told.
    pub fn program(&self) -> Option<Program> {
        Program::at(format!("/proc/{}/exe", self.pid).as_ref()).filter(|_| !self.has_ended())
    }
}

/// A file that can be run. While a process runs it, no other file has its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program(u64, u64);

impl Program {
    /// The one at this path; none: there is no such.
    pub fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|file| Self(file.dev(), file.ino()))
    }
}

/// # Safety
/// The number is of a descriptor that nobody else owns, or negative.
#[expect(unsafe_code, reason = "system calls answer numbers")]
unsafe fn owned(answer: libc::c_long) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { OwnedFd::from_raw_fd(answer as RawFd) })
}
