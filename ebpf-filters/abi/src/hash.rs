//! The hash that places things in tables of fixed size.

/// One round: every bit of both reaches the upper half, and the shift brings it down again.
#[inline(always)]
pub const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93);
    product ^ product >> 32
}
