//! Compare-and-exchange of words in map values, which the target's own atomics do not offer.

use core::arch::asm;

/// Makes a word `new` if it is `old`.
///
/// # Safety
/// `word` is an aligned word of a map value.
#[inline(always)]
pub unsafe fn exchange_if(word: *mut u64, old: u64, new: u64) -> bool {
    let mut seen = old;
    // SAFETY: the caller's `word`; the instruction takes and returns the old value in r0.
    unsafe {
        asm!("r0 = cmpxchg_64(r1 + 0, r0, r2)", inout("r0") seen, in("r1") word, in("r2") new, options(nostack));
    }
    seen == old
}

/// The same for half a word.
///
/// # Safety
/// `word` is an aligned half of a word of a map value.
#[inline(always)]
pub unsafe fn exchange_half_if(word: *mut u32, old: u32, new: u32) -> bool {
    let mut seen = old as u64;
    // SAFETY: the caller's `word`; the instruction takes and returns the old value in r0.
    unsafe {
        asm!("w0 = cmpxchg32_32(r1 + 0, w0, w2)", inout("r0") seen, in("r1") word, in("r2") new as u64, options(nostack));
    }
    seen as u32 == old
}
