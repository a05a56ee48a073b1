//! The gateway's programs. One XDP program judges every frame of every port; the stages are files named after them, and
//! only this file knows the kernel's entry points.
//!
//! ```text
//! parse → sanity → municipality ─┬► spoofing → isolation → block → proxy → flow ─┬► decided
//!                                │       inbound → rules → SYN cookies → dns → limits → create ► decided
//!                                └► (vouched for) flow ► decided
//! decided ► forward ► account
//! ```
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
// Compare-and-exchange and unaligned loads are written as instructions; there is no other way on this target.
#![expect(unstable_features, reason = "the target needs a nightly's features anyway, to build core")]

mod account;
mod atomic;
mod block;
mod checksum;
mod create;
mod decision;
mod dns;
mod dns_answer;
mod dns_query;
mod dns_zone;
mod envelope;
mod flow;
mod flows;
mod forward;
mod fragments;
mod frame;
mod from_namespace;
mod guard;
mod icmp_error;
mod inbound;
mod isolation;
mod limits;
mod maps;
mod municipality;
mod nat;
mod packet;
mod parse;
mod proxied;
mod proxy;
mod reflection;
mod rewrite;
mod route;
mod rules;
mod sanity;
mod segment;
mod sources;
mod spoofing;
mod syn_cookies;
mod tables;
mod tcp;
mod tcp_options;
mod vouch;
mod ways;

use abi::ports::{ROLE_HAIRPIN, ROLE_INSPECTOR, ROLE_UPLINK};
use abi::{Direction, Reason, Verdict};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};

use crate::decision::{Decision, Stage, drop, go_on, need};
use crate::frame::Frame;
use crate::maps::{CONTROL, REPLAY, SCRATCH};
use crate::packet::Packet;

/// Judges a frame on one of the gateway's ports, and forwards it.
#[xdp(frags)]
pub fn gateway(context: XdpContext) -> u32 {
    let frame = Frame::new(context.ctx);
    let Some(packet) = SCRATCH.get_ptr_mut(0) else { return xdp_action::XDP_DROP };
    // SAFETY: the value is this CPU's own, and no program of ours runs within another.
    let packet = unsafe { &mut *packet };
    *packet = Packet { flow: flows::NONE, ..Packet::default() };
    let decision = match judge(frame, packet) {
        Stage::Break(decision) => decision,
        // `create` always decides.
        Stage::Continue(()) => Decision::new(Verdict::Drop, Reason::Internal),
    };
    packet.event.verdict = decision.verdict();
    packet.event.reason = decision.reason();
    let action = if REPLAY.load() == 0 {
        forward::forward(frame, packet)
    } else if decision.is_drop() {
        xdp_action::XDP_DROP
    } else {
        xdp_action::XDP_PASS
    };
    account::account(packet);
    action
}

/// Carries out at tc ingress what the gateway noted, and drops frames that it has not seen.
#[classifier]
pub fn guard(context: TcContext) -> i32 {
    guard::guard(context.skb.skb)
}

/// Sends what comes out of a municipality's namespace to its trunk.
#[classifier]
pub fn from_namespace(context: TcContext) -> i32 {
    from_namespace::from_namespace(context.skb.skb)
}

/// The stages in order; the first that breaks decides.
#[inline(always)]
fn judge(frame: Frame, packet: &mut Packet) -> Stage {
    arrive(frame, packet)?;
    parse::parse(frame, packet)?;
    sanity_of(packet)?;
    municipality::municipality(packet)?;
    if vouch::is_candidate(packet) {
        flow::flow(frame, packet)?;
    }
    municipality::views(packet)?;
    spoofing::spoofing(packet)?;
    isolation::isolation(packet)?;
    block::block(packet)?;
    proxy::proxy(packet)?;
    packet.notes |= packet::note::PASSED;
    flow::flow(frame, packet)?;
    reflection::reflection(packet)?;
    inbound::inbound(packet)?;
    let ruling = rules::rules(packet);
    syn_cookies::syn_cookies(packet, ruling)?;
    create::create(frame, packet, ruling)
}

/// ARP and neighbour discovery use addresses that nothing else may.
#[inline(always)]
fn sanity_of(packet: &Packet) -> Stage {
    if packet.is(packet::note::NEIGHBOUR_DISCOVERY) || !packet.is(packet::note::V4 | packet::note::V6) {
        return go_on();
    }
    sanity::sanity(packet)
}

/// The clock, the port, and the generation, which is read here and nowhere else.
#[inline(always)]
fn arrive(frame: Frame, packet: &mut Packet) -> Stage {
    packet.event.length = frame.length();
    let control = need(CONTROL.get_ptr(0))?;
    // SAFETY: the entry lives as long as the program. Volatile, because user space stores to it at any time.
    let generation = unsafe { (&raw const (*control).generation).read_volatile() };
    packet.event.time_ns = if REPLAY.load() != 0 {
        // SAFETY: as above.
        unsafe { (&raw const (*control).replay_clock_ns).read_volatile() }
    } else {
        // SAFETY: a plain helper call.
        unsafe { bpf_ktime_get_coarse_ns() }
    };
    packet.now_s = (packet.event.time_ns / 1_000_000_000) as u32;
    packet.event.generation = generation as u32;
    packet.half = generation as u32 & 1;
    let port = need(forward::port(frame.ingress_ifindex()))?;
    packet.event.port = port.number;
    let from_outside = port.role == ROLE_UPLINK || port.role == ROLE_HAIRPIN;
    packet.event.direction = if from_outside { Direction::Ingress as u8 } else { Direction::Egress as u8 };
    if port.role == ROLE_HAIRPIN {
        packet.notes |= packet::note::HAIRPIN;
    }
    if generation == 0 {
        return drop(Reason::NoPolicy);
    }
    if port.role == ROLE_INSPECTOR {
        packet.notes |= packet::note::INSPECTOR;
        packet.event.municipality = port.municipality;
    }
    go_on()
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
