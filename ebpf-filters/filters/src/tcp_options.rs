//! What a SYN offers, and where a segment's selective acknowledgements are.

use abi::cookie::{NO_SCALE, Offer};
use aya_ebpf::bindings::xdp_md;

use crate::frame::Frame;
use crate::packet::{Packet, note, subprogram};

/// Options that are looked at: the usual ones are six, padding included.
const MOST: u32 = 10;
const END: u8 = 0;
const PADDING: u8 = 1;
const MSS: u8 = 2;
const SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
/// RFC 7323: a larger scale counts as this.
const LARGEST_SCALE: u8 = 14;

/// What a SYN offers; what it does not say is the least.
#[inline(always)]
pub fn offer(frame: Frame, packet: &mut Packet) -> Offer {
    Offer(read_offer(frame.context(), packet) as u8)
}

/// Offset of the first block of selective acknowledgements, and behind it that of the end of the last one; 0: there are none.
#[inline(always)]
pub fn sack_blocks(frame: Frame, packet: &mut Packet) -> (u32, u32) {
    let found = find_sack(frame.context(), packet);
    (found as u32, (found >> 32) as u32)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_offer(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, 0, |packet| {
        // RFC 9293, 3.7.1: what a segment may have where nobody says more.
        let (mut mss, mut scale, mut sack) = (if packet.is(note::V4) { 536 } else { 1_220 }, NO_SCALE, false);
        let frame = Frame::new(context);
        let (mut at, end) = bounds(frame, packet);
        for _ in 0..MOST {
            let Some((kind, length)) = option_at(frame, at, end) else { break };
            match kind {
                MSS if length == 4 => mss = frame.bytes::<4>(at).map_or(mss, |option| option.be16::<2>()),
                SCALE if length == 3 => {
                    let said = frame.bytes::<3>(at).map_or(NO_SCALE, |option| option.u8::<2>());
                    scale = if said > LARGEST_SCALE { LARGEST_SCALE } else { said };
                }
                SACK_PERMITTED if length == 2 => sack = true,
                _ => {}
            }
            at += length;
        }
        Offer::new(mss, scale, sack).0 as u32
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_sack(context: *mut xdp_md, packet: *mut Packet) -> u64 {
    subprogram(packet, 0, |packet| {
        let frame = Frame::new(context);
        let (mut at, end) = bounds(frame, packet);
        for _ in 0..MOST {
            let Some((kind, length)) = option_at(frame, at, end) else { break };
            if kind == SACK {
                return ((at + length) as u64) << 32 | (at + 2) as u64;
            }
            at += length;
        }
        0
    })
}

/// Offsets of the first option and of the end of the header.
#[inline(always)]
fn bounds(frame: Frame, packet: &Packet) -> (u32, u32) {
    let words = frame.bytes::<20>(packet.l4).map_or(5, |header| header.u8::<12>() >> 4);
    (packet.l4 + 20, packet.l4 + words as u32 * 4)
}

/// Kind and length of the option at an offset; `None` at the end, and where the options make no sense.
#[inline(always)]
fn option_at(frame: Frame, at: u32, end: u32) -> Option<(u8, u32)> {
    if at >= end {
        return None;
    }
    match frame.bytes::<1>(at)?.u8::<0>() {
        END => None,
        PADDING => Some((PADDING, 1)),
        kind => {
            let length = frame.bytes::<2>(at)?.u8::<1>() as u32;
            if length < 2 || at + length > end { None } else { Some((kind, length)) }
        }
    }
}
