//! Memory that is shared with the kernel: the values of an array map created with `BPF_F_MMAPABLE`.
//!
//! The programs read, and some write, what is here at any moment, so nothing hands out references: every access copies.
//! The only file with raw pointers into maps.
#![expect(unsafe_code, reason = "maps are shared with the kernel through mmap")]

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::Plain;

/// Distance in bytes between two values: the kernel rounds value sizes up to 8.
pub const fn stride(value_size: usize) -> usize {
    value_size.next_multiple_of(8)
}

/// The values of one array map, as bytes.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    length: usize,
    stride: usize,
}

// SAFETY: the mapping belongs to this value alone until it is dropped, and every access goes through copies or atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above; concurrent accesses are no different from those of the kernel's programs.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps all values of an array map, given its value size and number of entries.
    pub fn new(map: BorrowedFd<'_>, value_size: usize, entries: usize) -> io::Result<Self> {
        let stride = stride(value_size);
        let length = stride * entries;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours; the result is checked.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap returned address 0"))?;
        Ok(Self { base, length, stride })
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Number of values.
    pub fn entries(&self) -> usize {
        self.length / self.stride
    }

    /// Copies bytes into the map. Only for bytes that no program reads meanwhile.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len());
        // SAFETY: `check` proved that the range lies within the mapping; `bytes` is our own memory, so they do not overlap.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.as_ptr().add(offset), bytes.len()) }
    }

    /// Copies bytes out of the map.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.check(offset, bytes.len());
        // SAFETY: as in `write`, the other way round.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr().add(offset), bytes.as_mut_ptr(), bytes.len()) }
    }

    /// Bytes of the map in place. Only for maps that no program writes, and which nobody writes while the slice lives.
    ///
    /// # Panics
    /// If there are not that many.
    pub(crate) fn view(&self, offset: usize, length: usize) -> &[u8] {
        self.check(offset, length);
        // SAFETY: within the mapping, which lives as long as `self`; the caller, `install::Tables`, is the only writer of
        // policy tables and borrows itself mutably to write.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(offset), length) }
    }

    /// Sets bytes to zero. Only for bytes that no program reads meanwhile.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn zero(&self, offset: usize, length: usize) {
        self.check(offset, length);
        // SAFETY: `check` proved that the range lies within the mapping.
        unsafe { ptr::write_bytes(self.base.as_ptr().add(offset), 0, length) }
    }

    /// Copies a plain value out, at a byte offset.
    ///
    /// # Panics
    /// If it does not lie within the map.
    pub fn get<T: Plain>(&self, offset: usize) -> T {
        self.check(offset, size_of::<T>());
        // SAFETY: within the mapping; `Plain` accepts any bytes, and no alignment is assumed.
        unsafe { ptr::read_unaligned(self.base.as_ptr().add(offset).cast()) }
    }

    /// Copies a plain value in, at a byte offset.
    ///
    /// # Panics
    /// If it does not lie within the map.
    pub fn set<T: Plain>(&self, offset: usize, value: T) {
        self.write(offset, bytes_of(&value));
    }

    /// Reads a word that programs write, or that decides what they read.
    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Writes a word after everything that was written before.
    pub fn store(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Makes a word `new` if it is `old`, as programs do.
    pub fn exchange_if(&self, offset: usize, old: u64, new: u64) -> bool {
        self.word(offset).compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Adds to a word that programs write, too.
    pub fn add(&self, offset: usize, more: i64) {
        self.word(offset).fetch_add(more as u64, Ordering::AcqRel);
    }

    /// Writes half a word that programs write, too, if it is what it is believed to be.
    pub fn exchange_half_if(&self, offset: usize, old: u32, new: u32) -> bool {
        self.half_word(offset).compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn half_word(&self, offset: usize) -> &AtomicU32 {
        self.check(offset, size_of::<u32>());
        assert!(offset.is_multiple_of(4), "words are aligned");
        // SAFETY: within the mapping, aligned (the mapping begins on a page), and atomics may be shared with anyone.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.check(offset, size_of::<u64>());
        assert!(offset.is_multiple_of(8), "words are aligned");
        // SAFETY: within the mapping, aligned (the mapping begins on a page), and atomics may be shared with anyone.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    fn check(&self, offset: usize, length: usize) {
        assert!(
            offset.checked_add(length).is_some_and(|end| end <= self.length),
            "{length} bytes at {offset} of {} in a map",
            self.length
        );
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; nothing borrowed from it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

/// A plain value as bytes.
pub fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: `Plain` has no padding, so every byte is initialised.
    unsafe { std::slice::from_raw_parts(ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// A plain value from bytes, if there are enough.
pub fn from_bytes<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the length was checked; `Plain` accepts any bytes.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast(), size_of::<T>());
        Some(value.assume_init())
    }
}

/// Lets aya's typed maps hold the shared types.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Value<T: Plain>(pub T);

// SAFETY: transparent over a type without padding or pointers that accepts any bytes.
unsafe impl<T: Plain> aya::Pod for Value<T> {}

/// Waits until every packet that was being judged when this was called has been judged.
///
/// `MEMBARRIER_CMD_GLOBAL` is `synchronize_rcu`, and programs run as RCU readers.
pub fn wait_for_packets_in_flight() -> io::Result<()> {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: the system call takes three integers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
