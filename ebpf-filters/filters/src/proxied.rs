//! Connections that began with a cookie. Their client was answered before the service knew of it, with the cookie for a
//! sequence number: the numbers of the service's stream are shifted for as long as the connection lasts.
//!
//! ```text
//! client                     gateway                       service
//!   SYN c              ─►
//!                      ◄─    SYN-ACK k (cookie), window 0
//!   ACK k+1            ─►    SYN c, as was offered     ─►           again while the service has not answered
//!                      ◄─    k, one byte, window       ◄─  SYN-ACK s
//!   ACK k+1 (data)     ─►    ACK s+1 (data)            ─►
//! ```
//! The byte has the number of the SYN, which the client has seen: an old segment, which every stack acknowledges at once
//! (RFC 9293, 3.10.7.4), as it does those that keep connections alive. That opens the service's side, also where the
//! service speaks first; and the window that comes with it lets go a client that has waited to speak.

use abi::Reason;
use abi::cookie::{NO_SCALE, Offer, TOLD_SCALE};
use abi::flow::{Flow, state};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::flows;
use crate::frame::Frame;
use crate::icmp_error::QUOTE;
use crate::packet::{Packet, note, protocol, subprogram, tcp_flag};
use crate::rewrite::Change;
use crate::segment::{self, Segment};
use crate::tcp_options;

/// RFC 2018: blocks of selective acknowledgements have two edges each, and four fit.
const EDGES: u32 = 8;
const LARGEST_WINDOW: u32 = 0xffff;
const OPENING: u8 = tcp_flag::SYN | tcp_flag::ACK;

/// Makes the packet's numbers the service's own, before anybody compares them. Where it stands for the client's SYN once
/// more, it is noted to be the [`note::COOKIE`], and says nothing of the connection's state.
#[inline(always)]
pub fn read(packet: &mut Packet, flow: &mut Flow) -> Stage {
    from_code(read_numbers(packet, flow))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_numbers(packet: *mut Packet, flow: *mut Flow) -> u32 {
    let internal = to_code(drop(Reason::Internal));
    subprogram(packet, internal, |packet| subprogram(flow, internal, |flow| to_code(numbers(packet, flow))))
}

#[inline(always)]
fn numbers(packet: &mut Packet, flow: &mut Flow) -> Stage {
    packet.notes |= note::PROXIED;
    let flags = packet.event.tcp_flags;
    let waits = flow.state == state::SYN_SENT;
    if packet.is_egress() {
        if waits {
            // What answers the SYN: a SYN, in the cookie's place, or a reset, after it.
            let place = match flags & (OPENING | tcp_flag::RST) {
                OPENING => flow.end[1].wrapping_sub(1),
                kind if kind & tcp_flag::RST != 0 => flow.end[1],
                _ => return drop(Reason::BadState),
            };
            flow.shift = place.wrapping_sub(packet.sequence);
        }
        return go_on();
    }
    if !waits {
        packet.acknowledgement = packet.acknowledgement.wrapping_sub(flow.shift);
        return go_on();
    }
    if flags & tcp_flag::RST != 0 {
        return go_on();
    }
    if flags & tcp_flag::SYN != 0 || packet.acknowledgement != flow.end[1] {
        return drop(Reason::BadState);
    }
    packet.notes |= note::COOKIE;
    go_on()
}

/// Writes the packet as the side that it goes to knows the connection.
#[inline(always)]
pub fn adapt(frame: Frame, packet: &mut Packet) -> Stage {
    from_code(adapt_packet(frame.context(), packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn adapt_packet(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(adapted(Frame::new(context), packet)))
}

#[inline(always)]
fn adapted(frame: Frame, packet: &mut Packet) -> Stage {
    let flow = need(flows::at(packet.flow))?;
    if packet.is(note::ICMP_ERROR) {
        return quote(frame, packet, flow);
    }
    let header = need(frame.bytes::<20>(packet.l4))?;
    let window = header.be16::<14>() as u32;
    if packet.is(note::COOKIE) {
        return open(frame, packet, flow, window);
    }
    if packet.is_egress() {
        if packet.event.tcp_flags & OPENING == OPENING {
            return tell(frame, packet, flow, window);
        }
        let sequence = packet.sequence.wrapping_add(flow.shift).to_be();
        let mut change = Change::NONE;
        change.word(header.u32::<4>(), sequence);
        header.put_u32::<4>(sequence);
        let shown = (Windows(flow.windows).to_client(window) as u16).to_be();
        change.half(header.u16::<14>(), shown);
        header.put_u16::<14>(shown);
        header.put_u16::<16>(change.applied(header.u16::<16>()));
        return go_on();
    }
    let mut change = Change(shift_sack(frame.context(), packet, flow.shift));
    let header = need(frame.bytes::<20>(packet.l4))?;
    let acknowledgement = packet.acknowledgement.to_be();
    change.word(header.u32::<8>(), acknowledgement);
    header.put_u32::<8>(acknowledgement);
    let shown = (Windows(flow.windows).to_service(window) as u16).to_be();
    change.half(header.u16::<14>(), shown);
    header.put_u16::<14>(shown);
    header.put_u16::<16>(change.applied(header.u16::<16>()));
    go_on()
}

/// The client's SYN, as its cookie says that it was.
#[inline(always)]
fn open(frame: Frame, packet: &mut Packet, flow: &Flow, window: u32) -> Stage {
    let offer = Offer(packet.acknowledgement.wrapping_sub(1) as u8);
    let scale = if offer.scale() == NO_SCALE { 0 } else { offer.scale() };
    packet.sequence = flow.acked[0];
    packet.acknowledgement = 0;
    let segment = Segment {
        flags: tcp_flag::SYN,
        window: bounded(window << scale) as u16,
        mss: offer.mss(),
        scale: offer.scale(),
        sack: offer.sack(),
        ..Segment::default()
    };
    segment::write(frame, packet, segment)
}

/// The service's answer, for a client that was answered already.
#[inline(always)]
fn tell(frame: Frame, packet: &mut Packet, flow: &mut Flow, window: u32) -> Stage {
    let cookie = packet.sequence.wrapping_add(flow.shift);
    let windows = Windows::between(Offer(cookie as u8), tcp_options::offer(frame, packet));
    flow.windows = windows.0;
    packet.sequence = cookie;
    let segment =
        Segment { flags: tcp_flag::ACK, window: windows.first(window) as u16, probe: true, ..Segment::default() };
    segment::write(frame, packet, segment)
}

/// An error from the Internet about what the service sent quotes the client's numbers.
#[inline(always)]
fn quote(frame: Frame, packet: &Packet, flow: &Flow) -> Stage {
    let at = packet.l4 + QUOTE;
    let first = need(frame.bytes::<8>(at))?;
    let length = if packet.is(note::V4) {
        (first.u8::<0>() & 15) as u32 * 4
    } else if first.u8::<6>() == protocol::TCP {
        40
    } else {
        // A fragment's header, the only other one that is followed.
        48
    };
    let quoted = need(frame.bytes::<8>(at + length))?;
    let sequence = quoted.be32::<4>().wrapping_sub(flow.shift).to_be();
    let mut change = Change::NONE;
    change.word(quoted.u32::<4>(), sequence);
    quoted.put_u32::<4>(sequence);
    let icmp = need(frame.bytes::<8>(packet.l4))?;
    icmp.put_u16::<2>(change.applied(icmp.u16::<2>()));
    go_on()
}

/// Takes the shift out of selective acknowledgements; what that does to the checksum.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn shift_sack(context: *mut xdp_md, packet: *mut Packet, shift: u32) -> u64 {
    subprogram(packet, 0, |packet| {
        let frame = Frame::new(context);
        let mut change = Change::NONE;
        let (mut at, end) = tcp_options::sack_blocks(frame, packet);
        // Options may begin at an odd byte, where a word's bytes count for the halves beside those that they stand in.
        let turn = if at.wrapping_sub(packet.l4) & 1 == 0 { 0 } else { 8 };
        for _ in 0..EDGES {
            if at == 0 || at + 4 > end {
                break;
            }
            let Some(edge) = frame.bytes::<4>(at) else { break };
            let old = edge.u32::<0>();
            let new = u32::from_be(old).wrapping_sub(shift).to_be();
            edge.put_u32::<0>(new);
            change.word(old.rotate_left(turn), new.rotate_left(turn));
            at += 4;
        }
        change.0
    })
}

/// How windows are told on, as [`Flow::windows`] keeps it: three numbers of bits, by which the service's are multiplied and
/// then divided, and by which the client's are multiplied. The client was told a scale before the service chose its own.
#[derive(Clone, Copy)]
struct Windows(u32);

impl Windows {
    #[inline(always)]
    const fn between(client: Offer, service: Offer) -> Self {
        match (client.scale(), service.scale()) {
            (NO_SCALE, _) => Self(0),
            // A service that does not scale takes the client not to do so either.
            (client, NO_SCALE) => Self((TOLD_SCALE as u32) << 8 | (client as u32) << 16),
            (_, service) => Self(service as u32 | (TOLD_SCALE as u32) << 8),
        }
    }

    /// That of the service's SYN-ACK, which no scale applies to.
    #[inline(always)]
    const fn first(self, window: u32) -> u32 {
        window >> (self.0 >> 8 & 15)
    }

    #[inline(always)]
    const fn to_client(self, window: u32) -> u32 {
        bounded(window << (self.0 & 15) >> (self.0 >> 8 & 15))
    }

    #[inline(always)]
    const fn to_service(self, window: u32) -> u32 {
        bounded(window << (self.0 >> 16 & 15))
    }
}

#[inline(always)]
const fn bounded(window: u32) -> u32 {
    if window > LARGEST_WINDOW { LARGEST_WINDOW } else { window }
}
