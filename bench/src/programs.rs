//! Programs of the harness's own that others are compared with: each does one thing and then drops, or redirects.

use std::os::fd::{BorrowedFd, OwnedFd};

use anyhow::{Context, Result};

use crate::bpf;
use crate::frame::{DESTINATION_V4_AT, SOURCE_V4_AT, SOURCE_V6_AT};
use crate::instructions::{
    COARSE_NS, FIB_LOOKUP, MAP_LOOKUP, Program, R0, R1, R2, R3, R4, R6, R7, R8, REDIRECT, STACK,
};
use crate::list::{DATA, DATA_END};

/// Which family's source address is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Four bytes.
    V4,
    /// Sixteen bytes.
    V6,
}

impl Family {
    /// Where the source address is in an untagged frame, and its length.
    fn source(self) -> (i16, i16) {
        match self {
            Self::V4 => (SOURCE_V4_AT, 4),
            Self::V6 => (SOURCE_V6_AT, 16),
        }
    }
}

/// Drops, and does nothing else: what the harness itself costs.
pub fn bare_drop() -> Result<OwnedFd> {
    Ok(bpf::xdp(&Program::default().drop_packet())?)
}

/// Leaves the packet's start in `R7` if so many bytes of it are there.
fn packet(bytes: i16) -> Program {
    Program::default()
        .copy(R6, R1)
        .load_32(R7, R1, DATA)
        .load_32(R8, R1, DATA_END)
        .copy(R2, R7)
        .add(R2, i32::from(bytes))
        .leave_if_greater(R2, R8)
}

/// Copies the source address to the stack, as the key of a trie; its start is left in `R2`.
fn key(family: Family) -> Program {
    let (at, length) = family.source();
    let start = -(length + 4);
    let copied = (0..length).step_by(4).fold(packet(at + length), |program, word| {
        program.load_32(R2, R7, at + word).store_32(STACK, start + 4 + word, R2)
    });
    copied.store_value_32(STACK, start, i32::from(length) * 8).copy(R2, STACK).add(R2, i32::from(start))
}

/// Fetches the source address, as the others do before they look it up, and drops.
pub fn fetch_key(family: Family) -> Result<OwnedFd> {
    Ok(bpf::xdp(&key(family).drop_packet())?)
}

/// Looks the source address up in the kernel's trie, and drops; what the trie does not hold passes.
pub fn trie(family: Family, trie: BorrowedFd<'_>) -> Result<OwnedFd> {
    let program = key(family).map(R1, trie).call(MAP_LOOKUP).if_equal(R0, 0, |program| program.pass());
    bpf::xdp(&program.drop_packet()).context("the trie's program is refused")
}

/// Where the value's last four bytes are: the second at which the flow was last seen.
pub const SEEN_AT: i16 = 84;
/// Bytes of the key of [`lru`].
pub const FLOW_KEY: u32 = 16;
/// Bytes of the value of [`lru`]: with the key as many as a flow of ours has.
pub const FLOW_VALUE: u32 = 112;

/// Looks a tagged frame's flow up in the kernel's LRU hash, notes when it was seen, and drops; a flow that is not there
/// passes.
pub fn lru(flows: BorrowedFd<'_>) -> Result<OwnedFd> {
    // In a tag's frame everything is four bytes later. Addresses, ports, then the VLAN: twelve bytes and four.
    let at = SOURCE_V4_AT + 4;
    let program = packet(at + 12)
        .load_32(R2, R7, at)
        .store_32(STACK, -16, R2)
        .load_32(R2, R7, at + 4)
        .store_32(STACK, -12, R2)
        .load_32(R2, R7, at + 8)
        .store_32(STACK, -8, R2)
        .load_32(R2, R7, 12)
        .store_32(STACK, -4, R2)
        .map(R1, flows)
        .copy(R2, STACK)
        .add(R2, -16)
        .call(MAP_LOOKUP)
        .if_equal(R0, 0, |program| program.pass())
        .copy(R6, R0)
        .call(COARSE_NS)
        .store_32(R6, SEEN_AT, R0);
    bpf::xdp(&program.drop_packet()).context("the LRU hash's program is refused")
}

/// The key that [`lru`] makes of a tagged frame.
pub fn flow_key(frame: &[u8]) -> [u8; FLOW_KEY as usize] {
    let at = SOURCE_V4_AT as usize + 4;
    let mut key = [0; FLOW_KEY as usize];
    key[..12].copy_from_slice(&frame[at..at + 12]);
    key[12..].copy_from_slice(&frame[12..16]);
    key
}

/// Asks the kernel for the route, writes the MAC addresses and redirects: the least that forwards.
pub fn fib_redirect() -> Result<OwnedFd> {
    /// `struct bpf_fib_lookup`, on the stack.
    const BYTES: i16 = 64;
    const FIELDS: i16 = -BYTES;
    const IFINDEX: i16 = FIELDS + 8;
    const SOURCE: i16 = FIELDS + 16;
    const DESTINATION: i16 = FIELDS + 32;
    const OUR_MAC: i16 = FIELDS + 52;
    const PEER_MAC: i16 = FIELDS + 58;
    const AF_INET: i32 = 2;
    /// In `struct xdp_md`.
    const INGRESS_IFINDEX: i16 = 12;
    let cleared = (0..BYTES).step_by(4).fold(packet(34), |program, at| program.store_value_32(STACK, FIELDS + at, 0));
    let asked = cleared
        .store_value_32(STACK, FIELDS, AF_INET)
        .load_32(R2, R6, INGRESS_IFINDEX)
        .store_32(STACK, IFINDEX, R2)
        .load_32(R2, R7, SOURCE_V4_AT)
        .store_32(STACK, SOURCE, R2)
        .load_32(R2, R7, DESTINATION_V4_AT)
        .store_32(STACK, DESTINATION, R2)
        .copy(R1, R6)
        .copy(R2, STACK)
        .add(R2, i32::from(FIELDS))
        .set(R3, i32::from(BYTES))
        .set(R4, 0)
        .call(FIB_LOOKUP)
        .leave_if_not_zero(R0);
    let addressed = (0..6).step_by(2).fold(asked, |program, at| {
        program.load_16(R2, STACK, PEER_MAC + at).store_16(R7, at, R2).load_16(R2, STACK, OUR_MAC + at).store_16(
            R7,
            6 + at,
            R2,
        )
    });
    let program = addressed.load_32(R1, STACK, IFINDEX).set(R2, 0).call(REDIRECT).leave();
    bpf::xdp(&program.drop_packet()).context("the routing program is refused")
}
