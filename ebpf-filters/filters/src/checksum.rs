//! The Internet checksum (RFC 1071) of what the program writes anew. What it only changes is corrected in `rewrite`.

/// Of bytes with this sum of words, or of half-words, in network order as they were loaded.
#[inline(always)]
pub const fn checksum(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}
