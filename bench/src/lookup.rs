//! The look-up of an address alone: a program that reads the gateway's own tables, of a policy that the gateway has
//! installed, and does nothing else. It stands beside the kernel's trie, which does nothing else either. Whoever
//! changes how the tables are laid out changes it here too; a run proves on real frames that it still finds what it should.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use abi::limits::NODE_ENTRIES;
use abi::prefixes::{POINTER, Record, kind, number_of};
use anyhow::{Context, Result};

use crate::bpf::{self, Found};
use crate::frame::SOURCE_V4_AT;
use crate::instructions::{MAP_LOOKUP, Program, R0, R1, R2, R6, R7, R8, STACK};
use crate::list::{DATA, DATA_END};

/// Address → class → block set, for an IPv4 source; drops what is blocked and passes the rest. `gateway` is a loaded
/// program of generation 1.
pub fn v4(gateway: BorrowedFd<'_>) -> Result<OwnedFd> {
    let table = |name| bpf::map_of(gateway, name).with_context(|| format!("the table `{name}`"));
    let (root, nodes, records) = (table("V4_ROOT")?, table("NODES")?, table("RECORDS")?);
    let classes = table("CLASSES")?;
    let program = Program::default()
        .load_32(R7, R1, DATA)
        .load_32(R8, R1, DATA_END)
        .copy(R2, R7)
        .add(R2, i32::from(SOURCE_V4_AT) + 4)
        .leave_if_greater(R2, R8)
        .load_32(R6, R7, SOURCE_V4_AT)
        .network_order_32(R6)
        .copy(R2, R6)
        .shift_right(R2, 8);
    let program = word(program, &root).if_any_of(R8, POINTER as i32, |program| {
        let program = program
            .copy(R7, R8)
            .shift_right(R7, KIND_SHIFT)
            .and(R7, 3)
            .and(R8, number_of(u32::MAX) as i32)
            .and(R6, NODE_ENTRIES as i32 - 1);
        program.if_equal(R7, kind::OCTETS as i32, |program| record(program, &records)).if_equal(
            R7,
            kind::NODE as i32,
            |program| {
                let node =
                    program.copy(R2, R8).shift_left(R2, NODE_ENTRIES.trailing_zeros() as i32).add_register(R2, R6);
                word(node, &nodes)
            },
        )
    });
    let program = program
        .add(R8, classes.entries as i32 / 2)
        .store_32(STACK, -4, R8)
        .map(R1, classes.map.as_fd())
        .copy(R2, STACK)
        .add(R2, -4)
        .call(MAP_LOOKUP)
        .leave_if_zero(R0)
        // `Class::blocked` comes first.
        .load_16(R1, R0, 0)
        .if_equal(R1, 0, Program::pass);
    bpf::xdp(&program.drop_packet()).context("the look-up's program is refused")
}

/// How far a pointer is shifted to the right for its kind.
const KIND_SHIFT: i32 = 29;

/// Reads the entry of the octet in `R6` from that record (`R8`) in the second half of the table, into `R8`.
fn record(program: Program, table: &Found) -> Program {
    const BOUNDARIES: i16 = Record::boundaries(kind::OCTETS) as i16;
    let program = program
        .add(R8, table.entries as i32 / 2)
        .store_32(STACK, -4, R8)
        .map(R1, table.map.as_fd())
        .copy(R2, STACK)
        .add(R2, -4)
        .call(MAP_LOOKUP)
        .leave_if_zero(R0)
        .set(R8, size_of::<Record>() as i32 - 4);
    // The last entry, less one for each boundary above the octet.
    let program = (0..BOUNDARIES).fold(program, |program, boundary| {
        let program = program.copy(R1, R6).load_8(R2, R0, boundary).subtract_register(R1, R2);
        program.shift_right(R1, 63).shift_left(R1, 2).subtract_register(R8, R1)
    });
    program.add_register(R0, R8).load_32(R8, R0, 0)
}

/// Reads the word of that index (`R2`) in the second half of a table of words, two in each value, into `R8`.
fn word(program: Program, table: &Found) -> Program {
    program
        .add(R2, table.entries as i32)
        .copy(R7, R2)
        .and(R7, 1)
        .shift_left(R7, 2)
        .shift_right(R2, 1)
        .store_32(STACK, -4, R2)
        .map(R1, table.map.as_fd())
        .copy(R2, STACK)
        .add(R2, -4)
        .call(MAP_LOOKUP)
        .leave_if_zero(R0)
        .add_register(R0, R7)
        .load_32(R8, R0, 0)
}
