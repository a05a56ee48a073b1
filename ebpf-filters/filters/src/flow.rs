//! Stage: packets of a flow that was passed before are decided here; others go on if they may begin one.

use abi::flow::{Flow, flags, state};
use abi::tables::view;
use abi::{Direction, Reason, Verdict};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Decision, Stage, drop, from_code, go_on, need, to_code};
use crate::flows::{self, Ends, Key, NONE, search};
use crate::frame::Frame;
use crate::municipality::is_attached;
use crate::packet::{Packet, note, protocol, subprogram, tcp_flag};
use crate::rules::Ruling;
use crate::tcp::{self, Step};
use crate::{
    dns, forward, fragments, icmp_error, isolation, limits, nat, proxied, rules, syn_cookies, tables, vouch, ways,
};

/// Matches the packet to its flow: before it has passed the other stages only to one that is vouched for.
#[inline(always)]
pub fn flow(frame: Frame, packet: &mut Packet) -> Stage {
    from_code(match_flow(frame.context(), packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_flow(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(matched(Frame::new(context), packet)))
}

#[inline(always)]
fn matched(frame: Frame, packet: &mut Packet) -> Stage {
    if !packet.is(note::PASSED) && !vouch::look(packet) {
        return go_on();
    }
    let (index, reason) = if packet.is(note::ICMP_ERROR) {
        (icmp_error::quoted_flow(frame, packet)?, Reason::Related)
    } else if packet.is(note::LATER_FRAGMENT) {
        (fragments::owner(packet)?, Reason::Fragment)
    } else {
        (packet.flow, Reason::Established)
    };
    if index == NONE {
        return begins_flow(packet);
    }
    let flow = need(flows::at(index))?;
    if !is_senders(packet, flow) {
        return drop(Reason::BadState);
    }
    let vouched = packet.is(note::VOUCHED);
    let before = flow.state;
    if flow.public_address != 0 && !vouched {
        isolation::translated(packet, &flow.inside)?;
    }
    if reason == Reason::Established && !bring_forward(packet, flow)? {
        flows::end(flow, index, packet.now_s);
        // A translated flow may have hidden one of the very addresses, which is over as well: a key has one flow.
        let hidden = flows::find(&mut key(packet), packet.now_s, search::FLOWS);
        if let Some(flow) = flows::at(hidden) {
            flows::end(flow, hidden, packet.now_s);
        }
        packet.flow = NONE;
        return begins_flow(packet);
    }
    if !vouched {
        if flow.generation != packet.event.generation {
            judge_again(packet, flow, index)?;
        }
        vouch::vouch(packet, flow);
    }
    packet.event.rule = flow.rule;
    // Before the budgets: a packet has moved its flow's state, and is its latest sign of life, also if it goes no further.
    if reason != Reason::Related {
        nat::keep(flow, before, packet.now_s);
        ways::enter_second(flow, packet.now_s);
    }
    if flow.origin == Direction::Ingress as u8 {
        dns::guard(frame, packet)?;
    }
    limits::meter(packet)?;
    if reason != Reason::Related {
        learn(frame, packet, flow)?;
    }
    flow.bytes = flow.bytes.wrapping_add(packet.event.length as u64);
    packet.flow = index;
    packet.event.public_address = flow.public_address;
    packet.event.public_port = flow.public_port;
    if packet.is(note::FIRST_FRAGMENT) {
        fragments::remember(packet, flow, index);
    }
    Stage::Break(Decision::from_numbers(flow.verdict, reason as u16))
}

/// Whether who sent the packet may send on the flow: an inspector on its own, a client on any other, and the Internet on
/// all of them. Addresses that change hands with a policy may make keys of both the same.
#[inline(always)]
pub const fn is_senders(packet: &Packet, flow: &Flow) -> bool {
    !packet.is_egress() || (flow.flags & flags::INSPECTOR != 0) == packet.is(note::INSPECTOR)
}

/// The flow that the packet belongs to by its addresses and ports, or [`NONE`].
#[inline(always)]
pub fn find(packet: &Packet) -> u32 {
    flows::find_in_place(&mut key(packet), packet.now_s, wanted(packet))
}

/// The key of the flow that the packet would begin, or belongs to.
#[inline(always)]
pub fn key(packet: &Packet) -> Key {
    let (inside_port, outside_port) = if packet.is(note::ECHO_REQUEST | note::ECHO_REPLY) {
        (packet.echo, 0)
    } else if !has_ports(packet.event.protocol) {
        (0, 0)
    } else if packet.is_egress() {
        (packet.event.source_port, packet.event.destination_port)
    } else {
        (packet.event.destination_port, packet.event.source_port)
    };
    let ends = Ends::new(inside_port, outside_port, packet.event.municipality, packet.event.protocol);
    Key::new(packet.inside(), packet.outside(), ends)
}

/// Whether flows of a protocol have ports.
#[inline(always)]
pub const fn has_ports(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP)
}

/// What to search for: translated flows are IPv4 and seen by their public side from the uplink.
#[inline(always)]
pub const fn wanted(packet: &Packet) -> u32 {
    if packet.is_egress() || !packet.is(note::V4) { search::FLOWS } else { search::BOTH }
}

/// Only some packets may begin a flow.
#[inline(always)]
fn begins_flow(packet: &mut Packet) -> Stage {
    let tcp = packet.event.protocol == protocol::TCP;
    if tcp && syn_cookies::is_acknowledgement(packet) {
        return syn_cookies::redeem(packet);
    }
    let begins = !tcp || packet.event.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN;
    if begins && !packet.is(note::ECHO_REPLY) { go_on() } else { drop(Reason::BadState) }
}

/// Brings the flow's state forward; `false` if the flow has ended and the packet begins another.
#[inline(always)]
fn bring_forward(packet: &mut Packet, flow: &mut Flow) -> Stage<bool> {
    let from_responder = flow.origin != packet.event.direction;
    if packet.event.protocol == protocol::TCP {
        if flow.flags & flags::PROXIED != 0 {
            proxied::read(packet, flow)?;
            if packet.is(note::COOKIE) {
                return Stage::Continue(true);
            }
        }
        return match tcp::step(packet, flow, from_responder as u32) {
            Step::Pass => Stage::Continue(true),
            Step::Reopen => Stage::Continue(false),
            Step::Refuse => drop(Reason::BadState),
        };
    }
    let answers_itself = packet.is(note::ECHO_REPLY) && !from_responder;
    let asks_back = packet.is(note::ECHO_REQUEST) && from_responder;
    if answers_itself || asks_back {
        return drop(Reason::BadState);
    }
    if from_responder && flow.state == state::ONE_WAY {
        flow.state = state::TWO_WAY;
    }
    Stage::Continue(true)
}

/// A flow of an older generation: the rules of today decide whether it lives on.
#[inline(always)]
fn judge_again(packet: &mut Packet, flow: &mut Flow, index: u32) -> Stage {
    let ruling =
        if flow.flags & flags::INSPECTOR != 0 { inspectors_again(packet, flow)? } else { rules::again(packet, flow) };
    let verdict = ruling.decision.verdict();
    if ruling.decision.is_drop() {
        packet.event.rule = ruling.rule;
        flows::end(flow, index, packet.now_s);
        return Stage::Break(ruling.decision);
    }
    if verdict == Verdict::Inspect as u8 && flow.verdict != Verdict::Inspect as u8 {
        // The inspector cannot step into the middle of a connection.
        flows::end(flow, index, packet.now_s);
        return drop(Reason::BadState);
    }
    flow.rule = ruling.rule;
    flow.generation = packet.event.generation;
    let known = flow.flags & flags::L2_KNOWN != 0;
    if known && !is_attached(packet.half, flow.municipality, flow.port, flow.vlans, flow.vlan_count)? {
        // The VLAN is somebody else's now, or nobody's: the municipality's namespace knows the new way.
        flow.flags &= !flags::L2_KNOWN;
    }
    go_on()
}

/// An inspector's flow lives on for as long as the gateway has its address; no rule is asked.
#[inline(always)]
fn inspectors_again(packet: &Packet, flow: &Flow) -> Stage<Ruling> {
    let inside = tables::class_of(packet.half, &flow.inside);
    let is_ours = tables::view(packet.half, packet.views, inside)?.flags & view::GATEWAY != 0;
    Stage::Continue(if is_ours {
        rules::OF_INSPECTOR
    } else {
        Ruling { decision: Decision::new(Verdict::Drop, Reason::BadState), rule: 0 }
    })
}

/// Remembers how the municipality's side was last seen to be reached.
#[inline(always)]
pub fn learn(frame: Frame, packet: &Packet, flow: &mut Flow) -> Stage {
    // An inspector's side is the namespace, which no trunk leads to.
    if !packet.is_egress() || packet.is(note::INSPECTOR) {
        return go_on();
    }
    let mac = need(frame.bytes::<14>(0))?.mac::<6>();
    let count = packet.tags();
    let vlans = packet.event.vlans;
    let known = flow.flags & flags::L2_KNOWN != 0
        && flow.port == packet.event.port
        && flow.vlan_count == count
        && flow.vlans[0] == vlans[0]
        && flow.vlans[1] == vlans[1]
        && as_number(flow.peer_mac) == as_number(mac);
    if !known {
        flow.port = packet.event.port;
        flow.vlan_count = count;
        flow.vlans = vlans;
        flow.peer_mac = mac;
        flow.our_mac = need(forward::port(frame.ingress_ifindex()))?.mac;
        flow.flags |= flags::L2_KNOWN;
    }
    go_on()
}

#[inline(always)]
const fn as_number(mac: [u8; 6]) -> u64 {
    u64::from_ne_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], 0, 0])
}
