//! Stage: SYN cookies. A service that is asked for too many new connections a second is under attack; until it is calm again,
//! SYNs to it begin no flow. They are answered with a sequence number from which the flow can be made later: by who
//! acknowledges it, and so has shown that it is where it says it is.
//!
//! The answer closes the window, so that its client waits with its data until the service itself has answered: see `proxied`.

use abi::cookie::{self, NO_SCALE, Offer, TOLD_SCALE};
use abi::flood::{self, Cell};
use abi::tables::municipality;
use abi::{Reason, Verdict, limits};
use aya_ebpf::bindings::{xdp_action, xdp_md};

use crate::atomic::exchange_if;
use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::forward;
use crate::frame::Frame;
use crate::maps::{BUDGETS, CONTROL, HASH_SEED, SYN_CELLS};
use crate::packet::{Packet, note, protocol, subprogram, tcp_flag};
use crate::rules::Ruling;
use crate::segment::{self, Segment};
use crate::tcp_options;

/// Times that another CPU may be quicker before a SYN goes uncounted.
const TRIES: u32 = 4;
/// RFC 1700's default.
const HOP_LIMIT: u8 = 64;
/// What Ethernet carries at most; the service may say no less.
const MTU: u16 = 1_500;

/// Counts a SYN that the rules have let through; where its service is under attack, it goes no further.
#[inline(always)]
pub fn syn_cookies(packet: &mut Packet, ruling: Ruling) -> Stage {
    let forwards = ruling.decision.verdict() == Verdict::Forward as u8;
    if packet.is(note::COOKIE) && ruling.decision.verdict() == Verdict::Inspect as u8 {
        // The inspector cannot step into the middle of a connection.
        packet.event.rule = ruling.rule;
        return drop(Reason::BadState);
    }
    if !forwards || !is_guarded(packet) || packet.event.tcp_flags & tcp_flag::SYN == 0 || count_syn(packet) == 0 {
        return go_on();
    }
    packet.event.rule = ruling.rule;
    drop(Reason::SynCookie)
}

/// Whether the packet is a segment from the Internet to a municipality that has its services guarded.
#[inline(always)]
fn is_guarded(packet: &Packet) -> bool {
    packet.municipality_flags & municipality::SYN_COOKIES != 0
        && !packet.is_egress()
        && packet.event.protocol == protocol::TCP
}

/// 1: the service is under attack.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn count_syn(packet: *mut Packet) -> u32 {
    subprogram(packet, 0, |packet| {
        let half = packet.half.wrapping_mul(limits::MUNICIPALITIES);
        let Some(budgets) = BUDGETS.get(half.wrapping_add(packet.event.municipality as u32)) else { return 0 };
        let Some(cell) = cell(packet) else { return 0 };
        let now_s = packet.now_s;
        let busy_s = busy_s(cell);
        let attacked = flood::is_attacked(busy_s, now_s);
        // In a flood this is all: CPUs only read what they share.
        if attacked && busy_s == now_s {
            return 1;
        }
        if !budgets.syn_cookies.are_passed(count(cell, now_s), attacked) {
            return attacked as u32;
        }
        // SAFETY: array values live as long as the program. Volatile, because other CPUs and the daemon read them.
        unsafe {
            if !attacked {
                (&raw mut (*cell).address).write_volatile(packet.event.destination);
                (&raw mut (*cell).port).write_volatile(packet.event.destination_port);
                (&raw mut (*cell).municipality).write_volatile(packet.event.municipality);
                (&raw mut (*cell).began_s).write_volatile(now_s);
            }
            (&raw mut (*cell).busy_s).write_volatile(now_s);
        }
        1
    })
}

/// Counts one more: so many came in this second.
#[inline(always)]
fn count(cell: *mut Cell, now_s: u32) -> u32 {
    // SAFETY: array values live as long as the program.
    let word = unsafe { &raw mut (*cell).window };
    let mut counted = 0;
    for _ in 0..TRIES {
        // SAFETY: a word of a map value. Volatile, because other CPUs write it.
        let window = unsafe { word.read_volatile() };
        counted = flood::counted(window, now_s);
        // SAFETY: a word of a map value, aligned.
        if unsafe { exchange_if(word, window, counted) } {
            break;
        }
    }
    counted as u32
}

#[inline(always)]
fn cell(packet: &Packet) -> Option<*mut Cell> {
    let service = &packet.event.destination;
    SYN_CELLS.get_ptr_mut(flood::cell_of(service, packet.event.destination_port, HASH_SEED.load()))
}

#[inline(always)]
fn busy_s(cell: *const Cell) -> u32 {
    // SAFETY: array values live as long as the program. Volatile, because other CPUs write it.
    unsafe { (&raw const (*cell).busy_s).read_volatile() }
}

#[inline(always)]
const fn ends(packet: &Packet) -> cookie::Ends<'_> {
    cookie::Ends {
        source: &packet.event.source,
        destination: &packet.event.destination,
        source_port: packet.event.source_port,
        destination_port: packet.event.destination_port,
    }
}

/// Whether a packet without flow may bring a cookie back.
#[inline(always)]
pub fn is_acknowledgement(packet: &Packet) -> bool {
    let flags = packet.event.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST);
    is_guarded(packet) && flags == tcp_flag::ACK && !packet.is(note::FIRST_FRAGMENT)
}

/// Looks at the cookie: with a good one the packet stands for the SYN that its client once sent.
#[inline(always)]
pub fn redeem(packet: &mut Packet) -> Stage {
    from_code(redeem_cookie(packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn redeem_cookie(packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(redeemed(packet)))
}

#[inline(always)]
fn redeemed(packet: &mut Packet) -> Stage {
    let cell = need(cell(packet))?;
    if !flood::is_remembered(busy_s(cell), packet.now_s) {
        return drop(Reason::BadState);
    }
    let cookie = packet.acknowledgement.wrapping_sub(1);
    let Some(start) = cookie::start_of(need(key())?, ends(packet), cookie, packet.sequence, packet.now_s) else {
        return drop(Reason::BadCookie);
    };
    packet.sequence = start;
    packet.stream_length = 1;
    packet.notes |= note::PROXIED | note::COOKIE;
    go_on()
}

#[inline(always)]
fn key() -> Option<[u64; 2]> {
    // SAFETY: the entry lives as long as the program; the key was written before the first policy.
    CONTROL.get_ptr(0).map(|control| unsafe { (&raw const (*control).cookie_key).read_volatile() })
}

/// Answers a SYN in its sender's face; the XDP action.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn answer_syn(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, xdp_action::XDP_DROP, |packet| match answered(Frame::new(context), packet) {
        Stage::Continue(action) => action,
        Stage::Break(_) => xdp_action::XDP_DROP,
    })
}

#[inline(always)]
fn answered(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    let offer = tcp_options::offer(frame, packet);
    let mtu = forward::port(frame.ingress_ifindex()).map_or(MTU, |port| port.mtu);
    let headers = if packet.is(note::V4) { 40 } else { 60 };
    let cookie = cookie::cookie(need(key())?, ends(packet), packet.sequence, packet.now_s, offer);
    packet.acknowledgement = packet.sequence.wrapping_add(1);
    packet.sequence = cookie;
    packet.hop_limit = HOP_LIMIT;
    let segment = Segment {
        flags: tcp_flag::SYN | tcp_flag::ACK,
        window: 0,
        mss: if mtu < MTU { mtu - headers } else { MTU - headers },
        scale: told_scale(offer),
        sack: offer.sack(),
        back: true,
        probe: false,
    };
    segment::write(frame, packet, segment)?;
    // Not XDP_TX: a veth wakes its other end for that only if a program is attached there too.
    forward::leave_by(packet.event.port)
}

#[inline(always)]
const fn told_scale(offer: Offer) -> u8 {
    if offer.scale() == NO_SCALE { NO_SCALE } else { TOLD_SCALE }
}
