//! Whole TCP segments, written in the place of the frame that they answer or stand for.
//!
//! Nothing of the frame is kept but its ends: no IP options, no tags, no data. The end of the frame stays where it is and its
//! beginning moves, which every driver can do.

use abi::Reason;
use abi::cookie::NO_SCALE;
use aya_ebpf::bindings::xdp_md;

use crate::checksum::checksum;
use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, note, protocol, subprogram};

const ETHERNET: u32 = 14;
const MSS_OPTION: u32 = 0x0204_0000;
/// Padding twice, then that selective acknowledgements are understood.
const SACK_PERMITTED: u32 = 0x0101_0402;
/// Padding, then a window scale.
const SCALE_OPTION: u32 = 0x0103_0300;

/// What is neither in the packet nor in its frame already.
#[derive(Clone, Copy, Default)]
pub struct Segment {
    /// TCP flags as on the wire.
    pub flags: u8,
    /// Window, as on the wire.
    pub window: u16,
    /// Largest segment size to be told; 0: no options at all.
    pub mss: u16,
    /// Window scale to be told, or [`NO_SCALE`].
    pub scale: u8,
    /// Whether to say that selective acknowledgements are understood.
    pub sack: bool,
    /// Whether it goes to whom the frame came from, by the same way.
    pub back: bool,
    /// Whether there is a byte of data, a zero.
    pub probe: bool,
}

impl Segment {
    /// As one word: subprograms pass it on without a place on the stack, which has little room left there.
    #[inline(always)]
    const fn packed(self) -> u64 {
        let Self { flags, window, mss, scale, sack, back, probe } = self;
        let said = (scale & 15) as u64 | (sack as u64) << 4 | (back as u64) << 5 | (probe as u64) << 6;
        (window as u64) << 32 | (mss as u64) << 16 | (flags as u64) << 8 | said
    }

    #[inline(always)]
    const fn of(word: u64) -> Self {
        Self {
            flags: (word >> 8) as u8,
            window: (word >> 32) as u16,
            mss: (word >> 16) as u16,
            scale: word as u8 & 15,
            sack: word >> 4 & 1 != 0,
            back: word >> 5 & 1 != 0,
            probe: word >> 6 & 1 != 0,
        }
    }
}

/// Writes it, with the packet's numbers and hop limit; the packet's offsets are the new ones afterwards.
#[inline(always)]
pub fn write(frame: Frame, packet: &mut Packet, segment: Segment) -> Stage {
    from_code(write_segment(frame.context(), packet, segment.packed()))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn write_segment(context: *mut xdp_md, packet: *mut Packet, segment: u64) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| {
        to_code(written(Frame::new(context), packet, Segment::of(segment)))
    })
}

#[inline(always)]
fn written(frame: Frame, packet: &mut Packet, segment: Segment) -> Stage {
    let (scales, sacks) = (segment.scale != NO_SCALE, segment.sack);
    let options = if segment.mss == 0 { 0 } else { 1 + scales as u32 + sacks as u32 };
    let tcp_length = 20 + 4 * options + segment.probe as u32;
    let header = if packet.is(note::V4) { 20 } else { 40 };
    let length = ETHERNET + header + tcp_length;
    let old = need(frame.bytes::<14>(0))?;
    let (destination, source) = (old.mac::<0>(), old.mac::<6>());
    // What is left of a frame in several buffers is in the first: that this fails there is no loss.
    if !frame.move_start(packet.event.length as i32 - length as i32) {
        return drop(Reason::Internal);
    }
    let ethernet = need(frame.bytes::<14>(0))?;
    let (to, from) = if segment.back { (source, destination) } else { (destination, source) };
    put_mac::<0>(ethernet, to);
    put_mac::<6>(ethernet, from);
    ethernet.put_u16::<12>(packet.ethertype.to_be());
    let pseudo = if packet.is(note::V4) {
        ipv4(need(frame.bytes::<20>(ETHERNET))?, packet, segment, tcp_length)
    } else {
        ipv6(need(frame.bytes::<40>(ETHERNET))?, packet, segment, tcp_length)
    };
    packet.l3 = ETHERNET;
    packet.l4 = ETHERNET + header;
    packet.end = length;
    tcp(frame, packet, segment, options, pseudo)
}

/// Returns the sum of what the TCP checksum covers of it.
#[inline(always)]
fn ipv4(header: Bytes<20>, packet: &Packet, segment: Segment, tcp_length: u32) -> u64 {
    let (source, destination) = ends(packet, segment.back);
    let (source, destination) = (source.v4_word(), destination.v4_word());
    let first = (0x4500_0000 | (20 + tcp_length)).to_be();
    let fragment = 0x4000_u32.to_be();
    let rest = ((packet.hop_limit as u32) << 24 | (protocol::TCP as u32) << 16).to_be();
    let addresses = source as u64 + destination as u64;
    header.put_u32::<0>(first);
    header.put_u32::<4>(fragment);
    header.put_u32::<8>(rest);
    header.put_u32::<12>(source);
    header.put_u32::<16>(destination);
    header.put_u16::<10>(checksum(addresses + first as u64 + fragment as u64 + rest as u64));
    addresses + ((protocol::TCP as u32) << 16 | tcp_length).to_be() as u64
}

#[inline(always)]
fn ipv6(header: Bytes<40>, packet: &Packet, segment: Segment, tcp_length: u32) -> u64 {
    let (source, destination) = ends(packet, segment.back);
    header.put_u32::<0>(0x6000_0000_u32.to_be());
    header.put_u32::<4>((tcp_length << 16 | (protocol::TCP as u32) << 8 | packet.hop_limit as u32).to_be());
    let ([a, b, c, d], [e, f, g, h]) = (source.0, destination.0);
    header.put_u32::<8>(a);
    header.put_u32::<12>(b);
    header.put_u32::<16>(c);
    header.put_u32::<20>(d);
    header.put_u32::<24>(e);
    header.put_u32::<28>(f);
    header.put_u32::<32>(g);
    header.put_u32::<36>(h);
    let addresses = a as u64 + b as u64 + c as u64 + d as u64 + e as u64 + f as u64 + g as u64 + h as u64;
    addresses + ((protocol::TCP as u32) << 16 | tcp_length).to_be() as u64
}

#[inline(always)]
fn tcp(frame: Frame, packet: &Packet, segment: Segment, options: u32, pseudo: u64) -> Stage {
    let at = packet.l4;
    let (mut source, mut destination) = (packet.event.source_port as u32, packet.event.destination_port as u32);
    if segment.back {
        (source, destination) = (destination, source);
    }
    let words = [
        (source << 16 | destination).to_be(),
        packet.sequence.to_be(),
        packet.acknowledgement.to_be(),
        ((5 + options) << 28 | (segment.flags as u32) << 16 | segment.window as u32).to_be(),
    ];
    let header = need(frame.bytes::<20>(at))?;
    header.put_u32::<0>(words[0]);
    header.put_u32::<4>(words[1]);
    header.put_u32::<8>(words[2]);
    header.put_u32::<12>(words[3]);
    header.put_u32::<16>(0);
    let mut sum = pseudo + words[0] as u64 + words[1] as u64 + words[2] as u64 + words[3] as u64;
    let mut next = at + 20;
    if segment.mss != 0 {
        sum += put_option(frame, &mut next, MSS_OPTION | segment.mss as u32)?;
        if segment.sack {
            sum += put_option(frame, &mut next, SACK_PERMITTED)?;
        }
        if segment.scale != NO_SCALE {
            sum += put_option(frame, &mut next, SCALE_OPTION | segment.scale as u32)?;
        }
    }
    if segment.probe {
        // Zero, which adds nothing to the sum.
        need(frame.bytes::<1>(next))?.put_u8::<0>(0);
    }
    need(frame.bytes::<20>(at))?.put_u16::<16>(checksum(sum));
    go_on()
}

#[inline(always)]
fn put_option(frame: Frame, next: &mut u32, word: u32) -> Stage<u64> {
    need(frame.bytes::<4>(*next))?.put_u32::<0>(word.to_be());
    *next += 4;
    Stage::Continue(word.to_be() as u64)
}

/// Source and destination of the segment.
#[inline(always)]
const fn ends(packet: &Packet, back: bool) -> (abi::Address, abi::Address) {
    if back { (packet.event.destination, packet.event.source) } else { (packet.event.source, packet.event.destination) }
}

#[inline(always)]
fn put_mac<const AT: usize>(header: Bytes<14>, [a, b, c, d, e, f]: [u8; 6]) {
    let part = header.part::<AT, 6>();
    part.put_u32::<0>(u32::from_ne_bytes([a, b, c, d]));
    part.put_u16::<4>(u16::from_ne_bytes([e, f]));
}
