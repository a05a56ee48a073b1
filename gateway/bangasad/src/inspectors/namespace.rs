//! Network namespaces, by which an inspector's municipality is known.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one network namespace from another, also from a later one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace(u64, u64);

impl Namespace {
    /// The one of this name; none: there is no such.
    pub fn named(name: &str) -> Option<Self> {
        fs::metadata(Path::new("/run/netns").join(name)).ok().map(|file| Self::of(&file))
    }

    /// That of a socket. One that was accepted at a Unix socket belongs to the namespace of whoever connected.
    pub fn of_socket(socket: &impl AsRawFd) -> io::Result<Self> {
        /// `SIOCGSKNS` of linux/sockios.h.
        const NAMESPACE_OF_SOCKET: libc::c_ulong = 0x894c;
        #[expect(unsafe_code, reason = "there is no other way to ask")]
        // SAFETY: the call takes no argument and answers a new descriptor, which is owned from then on.
        let file = unsafe {
            match libc::ioctl(socket.as_raw_fd(), NAMESPACE_OF_SOCKET) {
                -1 => return Err(io::Error::last_os_error()),
                number => OwnedFd::from_raw_fd(number),
            }
        };
        Ok(Self::of(&fs::File::from(file).metadata()?))
    }

    fn of(file: &fs::Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}
