//! Types, limits and numbers that the eBPF programs and user space share.
//!
//! Owns the memory layout of every map and the closed sets of verdicts and reasons. Every struct here is `repr(C)`,
//! has no implicit padding and a size assertion; the loader compares [`ABI_VERSION`] before it adopts pinned maps.
//! Not here: any behaviour of the programs, any text format.
#![no_std]
#![deny(missing_docs)]

pub mod address;
pub mod budget;
pub mod control;
pub mod cookie;
pub mod dns;
pub mod event;
pub mod flood;
pub mod flow;
pub mod handover;
pub mod hash;
pub mod limits;
pub mod nat;
pub mod pairs;
pub mod ports;
pub mod prefixes;
pub mod reflection;
pub mod tables;
pub mod verdict;

pub use address::Address;
pub use budget::Limit;
pub use verdict::{Direction, Reason, Verdict};

/// Changes whenever the layout or the meaning of anything in this crate changes.
pub const ABI_VERSION: u32 = 9;

/// Marks a struct as plain bytes: `repr(C)`, no padding, every bit pattern valid.
///
/// # Safety
/// The implementor is `repr(C)`, has no implicit padding, no pointers, and accepts any bytes.
pub unsafe trait Plain: Copy + 'static {}

/// Asserts a struct's size in bytes at compile time and declares it [`Plain`].
macro_rules! plain {
    ($type:ty, $size:expr) => {
        const _: () = assert!(core::mem::size_of::<$type>() == $size);
        // SAFETY: repr(C); the size assertion equals the sum of the fields, so there is no padding; all are integers.
        unsafe impl $crate::Plain for $type {}
    };
}
pub(crate) use plain;

plain!(u32, 4);
plain!(u64, 8);
