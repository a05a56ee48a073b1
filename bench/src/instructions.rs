//! A few eBPF instructions by hand: the harness programs are some twenty instructions each, and must not depend on
//! what they measure.

use std::os::fd::{AsRawFd, BorrowedFd};

/// One instruction, as the kernel reads it (RFC 9669).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// A register.
#[derive(Clone, Copy, Debug)]
pub struct Register(u8);

/// Result of a call, and of the program.
pub const R0: Register = Register(0);
/// First argument.
pub const R1: Register = Register(1);
/// Second argument.
pub const R2: Register = Register(2);
/// Third argument.
pub const R3: Register = Register(3);
/// Fourth argument.
pub const R4: Register = Register(4);
/// Kept across calls.
pub const R6: Register = Register(6);
/// Kept across calls.
pub const R7: Register = Register(7);
/// Kept across calls.
pub const R8: Register = Register(8);
/// The stack, downwards.
pub const STACK: Register = Register(10);

/// `bpf_map_lookup_elem`.
pub const MAP_LOOKUP: i32 = 1;
/// `bpf_redirect`.
pub const REDIRECT: i32 = 23;
/// `bpf_ktime_get_ns`.
pub const KTIME_NS: i32 = 5;
/// `bpf_xdp_adjust_tail`.
pub const ADJUST_TAIL: i32 = 65;
/// `bpf_xdp_store_bytes`.
pub const STORE_BYTES: i32 = 190;
/// `bpf_tail_call`.
pub const TAIL_CALL: i32 = 12;
/// `bpf_fib_lookup`.
pub const FIB_LOOKUP: i32 = 69;
/// `bpf_ktime_get_coarse_ns`.
pub const COARSE_NS: i32 = 160;
/// `XDP_DROP`.
pub const XDP_DROP: i32 = 1;
/// `XDP_PASS`.
pub const XDP_PASS: i32 = 2;

const LOAD_8: u8 = 0x71;
const LOAD_16: u8 = 0x69;
const LOAD_32: u8 = 0x61;
const LOAD_64: u8 = 0x79;
const STORE_16: u8 = 0x6b;
const STORE_32: u8 = 0x63;
const STORE_64: u8 = 0x7b;
const STORE_IMMEDIATE_32: u8 = 0x62;
const MOVE: u8 = 0xbf;
const MOVE_IMMEDIATE: u8 = 0xb7;
const ADD_IMMEDIATE: u8 = 0x07;
const ADD: u8 = 0x0f;
const SUBTRACT: u8 = 0x1f;
const AND_IMMEDIATE: u8 = 0x57;
const SHIFT_LEFT_IMMEDIATE: u8 = 0x67;
const SHIFT_RIGHT_IMMEDIATE: u8 = 0x77;
const FROM_NETWORK_ORDER: u8 = 0xdc;
const JUMP_GREATER: u8 = 0x2d;
const JUMP_NOT_GREATER: u8 = 0xbd;
const JUMP_EQUAL_IMMEDIATE: u8 = 0x15;
const JUMP_NOT_EQUAL_IMMEDIATE: u8 = 0x55;
const JUMP_IF_SET_IMMEDIATE: u8 = 0x45;
const JUMP: u8 = 0x05;
const LOAD_WIDE: u8 = 0x18;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// In place of a source register: the immediate is a map's descriptor.
const MAP: u8 = 1;
/// In place of a source register: the address of the first value of an array with this descriptor.
const MAP_VALUE: u8 = 2;

/// A program being written.
#[derive(Debug, Default)]
pub struct Program {
    instructions: Vec<Instruction>,
    /// Jumps whose way out is not known yet.
    to_exit: Vec<usize>,
}

impl Program {
    fn push(mut self, code: u8, to: Register, from: u8, offset: i16, immediate: i32) -> Self {
        self.instructions.push(Instruction { code, registers: to.0 | from << 4, offset, immediate });
        self
    }

    /// `to = *(u8 *)(from + offset)`.
    pub fn load_8(self, to: Register, from: Register, offset: i16) -> Self {
        self.push(LOAD_8, to, from.0, offset, 0)
    }

    /// `to = *(u16 *)(from + offset)`.
    pub fn load_16(self, to: Register, from: Register, offset: i16) -> Self {
        self.push(LOAD_16, to, from.0, offset, 0)
    }

    /// `to = *(u32 *)(from + offset)`.
    pub fn load_32(self, to: Register, from: Register, offset: i16) -> Self {
        self.push(LOAD_32, to, from.0, offset, 0)
    }

    /// `to = *(u64 *)(from + offset)`.
    pub fn load_64(self, to: Register, from: Register, offset: i16) -> Self {
        self.push(LOAD_64, to, from.0, offset, 0)
    }

    /// `*(u16 *)(to + offset) = from`.
    pub fn store_16(self, to: Register, offset: i16, from: Register) -> Self {
        self.push(STORE_16, to, from.0, offset, 0)
    }

    /// `*(u32 *)(to + offset) = from`.
    pub fn store_32(self, to: Register, offset: i16, from: Register) -> Self {
        self.push(STORE_32, to, from.0, offset, 0)
    }

    /// `*(u64 *)(to + offset) = from`.
    pub fn store_64(self, to: Register, offset: i16, from: Register) -> Self {
        self.push(STORE_64, to, from.0, offset, 0)
    }

    /// `*(u32 *)(to + offset) = value`.
    pub fn store_value_32(self, to: Register, offset: i16, value: i32) -> Self {
        self.push(STORE_IMMEDIATE_32, to, 0, offset, value)
    }

    /// `to = from`.
    pub fn copy(self, to: Register, from: Register) -> Self {
        self.push(MOVE, to, from.0, 0, 0)
    }

    /// `to = value`.
    pub fn set(self, to: Register, value: i32) -> Self {
        self.push(MOVE_IMMEDIATE, to, 0, 0, value)
    }

    /// `to += value`.
    pub fn add(self, to: Register, value: i32) -> Self {
        self.push(ADD_IMMEDIATE, to, 0, 0, value)
    }

    /// `to += from`.
    pub fn add_register(self, to: Register, from: Register) -> Self {
        self.push(ADD, to, from.0, 0, 0)
    }

    /// `to -= from`.
    pub fn subtract_register(self, to: Register, from: Register) -> Self {
        self.push(SUBTRACT, to, from.0, 0, 0)
    }

    /// `to <<= bits`.
    pub fn shift_left(self, to: Register, bits: i32) -> Self {
        self.push(SHIFT_LEFT_IMMEDIATE, to, 0, 0, bits)
    }

    /// `to >>= bits`.
    pub fn shift_right(self, to: Register, bits: i32) -> Self {
        self.push(SHIFT_RIGHT_IMMEDIATE, to, 0, 0, bits)
    }

    /// Four bytes as they came from the network become a number.
    pub fn network_order_32(self, to: Register) -> Self {
        self.push(FROM_NETWORK_ORDER, to, 0, 0, 32)
    }

    /// `to &= value`.
    pub fn and(self, to: Register, value: i32) -> Self {
        self.push(AND_IMMEDIATE, to, 0, 0, value)
    }

    /// To the end if `a > b`.
    pub fn leave_if_greater(mut self, a: Register, b: Register) -> Self {
        self.to_exit.push(self.instructions.len());
        self.push(JUMP_GREATER, a, b.0, 0, 0)
    }

    /// To the end if `a` is zero.
    pub fn leave_if_zero(mut self, a: Register) -> Self {
        self.to_exit.push(self.instructions.len());
        self.push(JUMP_EQUAL_IMMEDIATE, a, 0, 0, 0)
    }

    /// To the end if `a` is not zero.
    pub fn leave_if_not_zero(mut self, a: Register) -> Self {
        self.to_exit.push(self.instructions.len());
        self.push(JUMP_NOT_EQUAL_IMMEDIATE, a, 0, 0, 0)
    }

    /// What `then` adds is done only if `a` and `bits` have a bit in common.
    pub fn if_any_of(self, a: Register, bits: i32, then: impl FnOnce(Self) -> Self) -> Self {
        let around = self.push(JUMP_IF_SET_IMMEDIATE, a, 0, 1, bits);
        let jump = around.instructions.len();
        let mut program = then(around.push(JUMP, R0, 0, 0, 0));
        program.instructions[jump].offset = (program.instructions.len() - jump - 1) as i16;
        program
    }

    /// What `then` adds is done only if `a` is `value`.
    pub fn if_equal(self, a: Register, value: i32, then: impl FnOnce(Self) -> Self) -> Self {
        let jump = self.instructions.len();
        let mut program = then(self.push(JUMP_NOT_EQUAL_IMMEDIATE, a, 0, 0, value));
        program.instructions[jump].offset = (program.instructions.len() - jump - 1) as i16;
        program
    }

    /// What `then` adds is done only if `a > b`.
    pub fn if_greater(self, a: Register, b: Register, then: impl FnOnce(Self) -> Self) -> Self {
        let jump = self.instructions.len();
        let mut program = then(self.push(JUMP_NOT_GREATER, a, b.0, 0, 0));
        program.instructions[jump].offset = (program.instructions.len() - jump - 1) as i16;
        program
    }

    /// `to = map`.
    pub fn map(self, to: Register, map: BorrowedFd<'_>) -> Self {
        self.push(LOAD_WIDE, to, MAP, 0, map.as_raw_fd()).push(0, R0, 0, 0, 0)
    }

    /// `to = &array[0]`.
    pub fn first_value(self, to: Register, array: BorrowedFd<'_>) -> Self {
        self.push(LOAD_WIDE, to, MAP_VALUE, 0, array.as_raw_fd()).push(0, R0, 0, 0, 0)
    }

    /// `r0 = helper(r1, …)`.
    pub fn call(self, helper: i32) -> Self {
        self.push(CALL, R0, 0, 0, helper)
    }

    /// `return r0`.
    pub fn leave(self) -> Self {
        self.push(EXIT, R0, 0, 0, 0)
    }

    /// `return XDP_PASS`.
    pub fn pass(self) -> Self {
        self.set(R0, XDP_PASS).leave()
    }

    /// Where every `leave_if_…` ends: `return XDP_DROP`.
    pub fn drop_packet(mut self) -> Vec<Instruction> {
        let end = self.instructions.len();
        for jump in std::mem::take(&mut self.to_exit) {
            self.instructions[jump].offset = (end - jump - 1) as i16;
        }
        self.set(R0, XDP_DROP).leave().instructions
    }
}
