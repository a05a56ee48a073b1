//! The frame's bytes: the only file that touches packet memory through pointers.
//!
//! [`Frame::bytes`] checks a run of bytes against the end of the frame once; a [`Bytes`] then reads and writes at
//! offsets that the compiler checks against its length. Only the first buffer of a frame in several is reached, at least
//! the first 1,500 bytes everywhere; headers further back are `unsupported`.

use abi::Address;
use abi::handover::Handover;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_csum_diff;
use aya_ebpf::helpers::{
    bpf_xdp_adjust_head, bpf_xdp_adjust_meta, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
    bpf_xdp_store_bytes,
};
use core::arch::asm;

/// Headers begin before this offset; also what lets the verifier bound a variable one.
const FURTHEST: u32 = 0x3fff;

/// A frame, by the program's context.
#[derive(Clone, Copy)]
pub struct Frame {
    ctx: *mut xdp_md,
}

impl Frame {
    /// The frame that the program was called for.
    #[inline(always)]
    pub const fn new(ctx: *mut xdp_md) -> Self {
        Self { ctx }
    }

    /// The context, to hand on to a subprogram or a helper.
    #[inline(always)]
    pub const fn context(self) -> *mut xdp_md {
        self.ctx
    }

    /// Bytes in all buffers of the frame.
    #[inline(always)]
    pub fn length(self) -> u32 {
        // SAFETY: the context is the program's own.
        unsafe { bpf_xdp_get_buff_len(self.ctx) as u32 }
    }

    /// The interface that the frame entered by.
    #[inline(always)]
    pub fn ingress_ifindex(self) -> u32 {
        // SAFETY: the context is the program's own.
        unsafe { (*self.ctx).ingress_ifindex }
    }

    /// `N` bytes from offset `at`, if the first buffer holds them.
    #[inline(always)]
    pub fn bytes<const N: usize>(self, at: u32) -> Option<Bytes<N>> {
        if at > FURTHEST {
            return None;
        }
        let mut within = u64::from(at);
        // SAFETY: a mask that changes nothing. The compiler may keep `at` on the stack and read it twice, for the
        // comparison and for the sum; kernels before 6.8 do not see that both are one value.
        unsafe { asm!("{at} &= {most}", at = inout(reg) within, most = const FURTHEST, options(pure, nomem, nostack)) };
        // SAFETY: the context is the program's own.
        let (data, data_end) = unsafe { ((*self.ctx).data as usize, (*self.ctx).data_end as usize) };
        let start = data + within as usize;
        let mut limit = start;
        // SAFETY: an addition. In this form the compiler cannot turn `start + N > end` into a comparison of `start`, which
        // the verifier does not take as proof.
        unsafe { asm!("{limit} += {n}", limit = inout(reg) limit, n = const N, options(pure, nomem, nostack)) };
        if limit > data_end { None } else { Some(Bytes { start }) }
    }

    /// Moves the beginning of the frame by `delta` bytes; all offsets change.
    #[inline(always)]
    pub fn move_start(self, delta: i32) -> bool {
        // SAFETY: the context is the program's own.
        delta == 0 || unsafe { bpf_xdp_adjust_head(self.ctx, delta) } == 0
    }

    /// Copies bytes from offset `at` to the beginning of `to`, which has room for more; whether the frame has so many.
    #[inline(always)]
    pub fn copy_out<const ROOM: usize>(self, at: u32, to: &mut [u8; ROOM], length: u32) -> bool {
        let Some(length) = fitting::<ROOM>(length) else { return false };
        // SAFETY: `fitting` has seen to it that there is room.
        unsafe { bpf_xdp_load_bytes(self.ctx, at, to.as_mut_ptr().cast(), length) == 0 }
    }

    /// Copies the first bytes of `from`, which is longer by four, over the frame's from offset `at`: their sum, as one of
    /// words in memory, in which bytes up to the end of the last word count.
    #[inline(always)]
    pub fn copy_in<const ROOM: usize>(self, at: u32, from: &[u8; ROOM], length: u32) -> Option<u64> {
        let length = fitting::<ROOM>(length)?;
        let words = fitting::<ROOM>((length + 3) & !3)?;
        let start = from.as_ptr().cast_mut();
        // SAFETY: `fitting` has seen to it that there are as many.
        let (copied, sum) = unsafe {
            (
                bpf_xdp_store_bytes(self.ctx, at, start.cast(), length),
                bpf_csum_diff(core::ptr::null_mut(), 0, start.cast(), words & !3, 0),
            )
        };
        if copied != 0 || sum < 0 { None } else { Some(sum as u64) }
    }

    /// Ends the frame at `length` bytes, which it has.
    #[inline(always)]
    pub fn cut(self, length: u32) -> Option<()> {
        let delta = length as i32 - self.length() as i32;
        // SAFETY: the context is the program's own.
        if delta < 0 && unsafe { bpf_xdp_adjust_tail(self.ctx, delta) } != 0 { None } else { Some(()) }
    }

    /// Puts a note for the guard before the frame.
    #[inline(always)]
    pub fn hand_over(self, note: Handover) -> bool {
        // SAFETY: the context is the program's own.
        if unsafe { bpf_xdp_adjust_meta(self.ctx, -(size_of::<Handover>() as i32)) } != 0 {
            return false;
        }
        // SAFETY: the context is the program's own.
        let (meta, data) = unsafe { ((*self.ctx).data_meta as usize, (*self.ctx).data as usize) };
        if meta + size_of::<Handover>() > data {
            return false;
        }
        let bytes: Bytes<{ size_of::<Handover>() }> = Bytes { start: meta };
        bytes.put_u32::<0>(note.magic);
        bytes.put_u32::<4>(note.action);
        bytes.put_u32::<8>(note.ifindex);
        true
    }
}

/// A length from 1 to less than `ROOM`, a power of two, in a way that the verifier sees.
#[inline(always)]
fn fitting<const ROOM: usize>(length: u32) -> Option<u32> {
    const { assert!(ROOM.is_power_of_two()) };
    let mut length = u64::from(length);
    // SAFETY: a mask that changes nothing of a length that fits; the compiler is not to know.
    unsafe {
        asm!("{length} &= {most}", length = inout(reg) length, most = const ROOM - 1, options(pure, nomem, nostack))
    };
    if length == 0 { None } else { Some(length as u32) }
}

/// `N` bytes that are known to lie within the frame. Values are as in memory unless a name says otherwise.
#[derive(Clone, Copy)]
pub struct Bytes<const N: usize> {
    start: usize,
}

/// A load or store of one instruction at any alignment, which Rust's own types could not promise: frames put 32-bit
/// fields at odd half-words.
macro_rules! access {
    ($($load:ident, $store:ident, $type:ty, $size:literal, $word:literal;)+) => {$(
        /// Reads at `AT`.
        #[inline(always)]
        pub fn $load<const AT: usize>(self) -> $type {
            const { assert!(AT + $size <= N) };
            let value: u64;
            // SAFETY: `start..start + N` lies within the frame, and AT + the size within N.
            unsafe {
                asm!(
                    concat!("{value} = *(", $word, " *)({start} + {at})"),
                    value = out(reg) value,
                    start = in(reg) self.start,
                    at = const AT,
                    options(readonly, nostack, preserves_flags),
                );
            }
            value as $type
        }

        /// Writes at `AT`.
        #[inline(always)]
        pub fn $store<const AT: usize>(self, value: $type) {
            const { assert!(AT + $size <= N) };
            // SAFETY: as for reading; XDP programs may write the frame.
            unsafe {
                asm!(
                    concat!("*(", $word, " *)({start} + {at}) = {value}"),
                    value = in(reg) value as u64,
                    start = in(reg) self.start,
                    at = const AT,
                    options(nostack, preserves_flags),
                );
            }
        }
    )+};
}

impl<const N: usize> Bytes<N> {
    access! {
        u8, put_u8, u8, 1, "u8";
        u16, put_u16, u16, 2, "u16";
        u32, put_u32, u32, 4, "u32";
        u64, put_u64, u64, 8, "u64";
    }

    /// Reads a 16-bit number in network order.
    #[inline(always)]
    pub fn be16<const AT: usize>(self) -> u16 {
        u16::from_be(self.u16::<AT>())
    }

    /// Reads a 32-bit number in network order.
    #[inline(always)]
    pub fn be32<const AT: usize>(self) -> u32 {
        u32::from_be(self.u32::<AT>())
    }

    /// Reads an IPv4 address.
    #[inline(always)]
    pub fn v4<const AT: usize>(self) -> Address {
        Address::from_v4_word(self.u32::<AT>())
    }

    /// Reads an IPv4 address as the two halves of an [`Address`].
    #[inline(always)]
    pub fn v4_halves<const AT: usize>(self) -> [u64; 2] {
        [0, pair(0xffff_u32.to_be(), self.u32::<AT>())]
    }

    /// Reads an IPv6 address as the two halves of an [`Address`].
    #[inline(always)]
    pub fn v6_halves<const AT: usize>(self) -> [u64; 2] {
        let part = self.part::<AT, 16>();
        [part.u64::<0>(), part.u64::<8>()]
    }

    /// Reads a MAC address.
    #[inline(always)]
    pub fn mac<const AT: usize>(self) -> [u8; 6] {
        let part = self.part::<AT, 6>();
        let (a, b, c) = (part.u16::<0>().to_ne_bytes(), part.u16::<2>().to_ne_bytes(), part.u16::<4>().to_ne_bytes());
        [a[0], a[1], b[0], b[1], c[0], c[1]]
    }

    /// Reads an IPv6 address.
    #[inline(always)]
    pub fn v6<const AT: usize>(self) -> Address {
        let part = self.part::<AT, 16>();
        Address([part.u32::<0>(), part.u32::<4>(), part.u32::<8>(), part.u32::<12>()])
    }

    /// `M` of these bytes from `AT`.
    #[inline(always)]
    pub const fn part<const AT: usize, const M: usize>(self) -> Bytes<M> {
        const { assert!(AT + M <= N) };
        Bytes { start: self.start + AT }
    }
}

/// Two words as they stand in memory one after the other.
#[inline(always)]
const fn pair(first: u32, second: u32) -> u64 {
    if cfg!(target_endian = "little") {
        first as u64 | (second as u64) << 32
    } else {
        (first as u64) << 32 | second as u64
    }
}
