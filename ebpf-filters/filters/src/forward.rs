//! Carries the verdict out: out of another port, into the municipality's namespace, to the host, or nowhere.
//!
//! What the kernel must do goes up with a note that the guard reads: a neighbour to be asked for, an ICMP error to be
//! sent, ARP and ND, and inspected flows. Some outcomes only show here and change the packet's verdict or reason.

use abi::flow::flags;
use abi::handover::{Handover, MAGIC, TO_HOST, TO_INTERFACE, TO_NEIGHBOUR};
use abi::ports::{HAIRPIN, HAIRPIN_MAC, Port, ROLE_UPLINK, SlowPath};
use abi::tables::class;
use abi::{Reason, Verdict};
use aya_ebpf::bindings::{xdp_action, xdp_md};

use crate::decision::{Stage, drop, need};
use crate::envelope::Envelope;
use crate::frame::Frame;
use crate::maps::{EXITS, PORTS, SLOW_PATHS, TRUNKS};
use crate::packet::{Packet, note, subprogram};
use crate::rewrite::{HopLimit, rewrite};
use crate::route::{Answer, Route, route};
use crate::ways::Hop;
use crate::{dns_answer, flows, syn_cookies, tables, ways};

/// Carries out the packet's verdict; the XDP action.
#[inline(always)]
pub fn forward(frame: Frame, packet: &mut Packet) -> u32 {
    if packet.event.verdict == Verdict::Drop as u8 {
        // Some of what goes no further is answered in its sender's face.
        if packet.event.reason == Reason::SynCookie as u16 {
            return syn_cookies::answer_syn(frame.context(), packet);
        }
        if packet.event.reason == Reason::DnsGuard as u16 {
            return dns_answer::answer(frame, packet);
        }
        return xdp_action::XDP_DROP;
    }
    forward_packet(frame.context(), packet)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn forward_packet(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, xdp_action::XDP_DROP, |packet| match carry_out(Frame::new(context), packet) {
        Stage::Continue(action) => action,
        Stage::Break(decision) => {
            packet.event.verdict = decision.verdict();
            packet.event.reason = decision.reason();
            xdp_action::XDP_DROP
        }
    })
}

#[inline(always)]
fn carry_out(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    let forward = packet.event.verdict == Verdict::Forward as u8;
    match (forward, packet.is_egress()) {
        (true, true) => towards_uplink(frame, packet),
        (true, false) => towards_trunk(frame, packet),
        (false, _) if packet.event.verdict == Verdict::Inspect as u8 => {
            let path = slow_path(packet)?;
            into_namespace(frame, packet, path.inspect_ifindex, Some(path.inspect_mac))
        }
        (false, true) => own_gateway(frame, packet),
        (false, false) => to_host(frame),
    }
}

#[inline(always)]
fn towards_uplink(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    if packet.hop_limit <= 1 {
        return tell_sender(frame, packet, Reason::HopLimit);
    }
    if !packet.is(note::VOUCHED) && packet.destination_about.flags & class::OURS != 0 {
        return by_hairpin(frame, packet);
    }
    let flow = need(flows::at(packet.flow))?;
    let hop = match ways::recall(packet, flow) {
        Some(hop) => hop,
        None => {
            let mut way = Route::default();
            let answer = route(frame, packet, &mut way)?;
            if let Answer::TooBig = answer {
                return too_big_for_uplink(frame, packet);
            }
            let exit = or_no_route(port(way.ifindex))?;
            if exit.role != ROLE_UPLINK {
                return drop(Reason::NoRoute);
            }
            if let Answer::NoNeighbour = answer {
                Hop { unknown_on: way.ifindex, ..Hop::default() }
            } else {
                let hop = Hop { peer_mac: way.peer_mac, our_mac: way.our_mac, exit: exit.number, unknown_on: 0 };
                ways::remember(packet, flow, &hop, way.total_length);
                hop
            }
        }
    };
    rewrite(frame, packet, HopLimit::Lower)?;
    if hop.unknown_on != 0 {
        Envelope::untagged(frame)?.put(frame, packet)?;
        return hand_over(frame, TO_NEIGHBOUR, hop.unknown_on);
    }
    Envelope { destination: hop.peer_mac, source: hop.our_mac, vlans: [0; 2], count: 0 }.put(frame, packet)?;
    leave_by(hop.exit)
}

/// To an address of ours: public ones are reached by the hairpin, at whose far end the packet arrives as if from the
/// Internet. No private address is reached, and none is seen there. What the uplink would be too small for is too big here
/// as well, but nothing must be cut.
#[inline(always)]
fn by_hairpin(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    let is_public = packet.event.public_address != 0 || packet.source_about.flags & class::PUBLIC != 0;
    if packet.destination_about.flags & class::PUBLIC == 0 || !is_public {
        return drop(Reason::NoRoute);
    }
    let exit = or_no_route(EXITS.get_ifindex(HAIRPIN as u32).and_then(port))?;
    if packet.ip_length() > exit.mtu as u32 && packet.is(note::V6 | note::DONT_FRAGMENT) {
        return tell_sender(frame, packet, Reason::TooBig);
    }
    rewrite(frame, packet, HopLimit::Lower)?;
    Envelope { destination: HAIRPIN_MAC, source: exit.mac, vlans: [0; 2], count: 0 }.put(frame, packet)?;
    leave_by(HAIRPIN)
}

/// The sender is told, or, where it allows so, the host makes fragments.
#[inline(always)]
fn too_big_for_uplink(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    if packet.is(note::V6 | note::DONT_FRAGMENT) {
        return tell_sender(frame, packet, Reason::TooBig);
    }
    rewrite(frame, packet, HopLimit::Keep)?;
    Envelope::untagged(frame)?.put(frame, packet)?;
    to_host(frame)
}

#[inline(always)]
fn towards_trunk(frame: Frame, packet: &mut Packet) -> Stage<u32> {
    let flow = need(flows::at(packet.flow))?;
    // At the inspector, whose socket is in the namespace: no trunk, and no further hop.
    let has_arrived = flow.flags & flags::INSPECTOR != 0;
    if packet.hop_limit <= 1 && !has_arrived {
        leave_to_gateway(packet, Reason::HopLimit);
        return to_host(frame);
    }
    let fits = if flow.flags & flags::L2_KNOWN == 0 {
        has_arrived || fits_segment(packet)?
    } else {
        fits(packet, EXITS.get_ifindex(flow.port as u32).and_then(port), flow.vlan_count)
    };
    if !fits && packet.is(note::V6 | note::DONT_FRAGMENT) {
        leave_to_gateway(packet, Reason::TooBig);
        return to_host(frame);
    }
    if flow.flags & flags::L2_KNOWN == 0 || !fits {
        // The municipality's namespace finds the neighbour, makes fragments and lowers the hop limit.
        let path = slow_path(packet)?;
        rewrite(frame, packet, HopLimit::Keep)?;
        return into_namespace(frame, packet, path.vlan_ifindex, Some(path.vlan_mac));
    }
    rewrite(frame, packet, HopLimit::Lower)?;
    let (destination, source, vlans) = (flow.peer_mac, flow.our_mac, flow.vlans);
    Envelope { destination, source, vlans, count: flow.vlan_count }.put(frame, packet)?;
    leave_by(flow.port)
}

/// The MTU that no port is below: IPv6 demands it of every link.
const LEAST_MTU: u32 = 1_280;

/// Whether the datagram fits the trunk's MTU. The kernel grants a frame one tag beyond it; a second one takes room.
#[inline(always)]
fn fits(packet: &Packet, trunk: Option<&Port>, tags: u8) -> bool {
    let length = packet.ip_length();
    if length <= LEAST_MTU {
        return true;
    }
    let second_tag = if tags > 1 { 4 } else { 0 };
    trunk.is_none_or(|port| length + second_tag <= port.mtu as u32)
}

/// Likewise while nobody of the flow has been heard yet, so that the way leads over the municipality's own segment.
#[inline(always)]
fn fits_segment(packet: &Packet) -> Stage<bool> {
    let path = slow_path(packet)?;
    // SAFETY: the daemon changes entries only while the veth is not in use.
    let trunk = unsafe { TRUNKS.get(path.vlan_ifindex) };
    Stage::Continue(trunk.is_none_or(|trunk| fits(packet, port(trunk.ifindex), trunk.vlan_count)))
}

#[inline(always)]
pub fn port(ifindex: u32) -> Option<&'static Port> {
    // The daemon replaces a port's entry only with the same port's, and removes it after the program.
    PORTS.get(ifindex).filter(|port| port.ifindex == ifindex)
}

#[inline(always)]
fn or_no_route<T>(there: Option<T>) -> Stage<T> {
    crate::decision::or_drop(there, Reason::NoRoute)
}

#[inline(always)]
fn slow_path(packet: &Packet) -> Stage<&'static SlowPath> {
    let attachment = if packet.is_egress() {
        packet.attachment
    } else {
        tables::municipality(packet.half, packet.event.municipality)?.attachment
    };
    need(SLOW_PATHS.get(attachment))
}

/// The sender of a packet that cannot go on is told by its gateway. An inspector sends from the gateway's own address,
/// from which no kernel takes a packet back; its routes keep it from sending what is too big.
#[inline(always)]
fn tell_sender(frame: Frame, packet: &mut Packet, reason: Reason) -> Stage<u32> {
    if packet.is(note::INSPECTOR) {
        return drop(reason);
    }
    leave_to_gateway(packet, reason);
    own_gateway(frame, packet)
}

/// The gateway's end of the municipality's segment answers.
#[inline(always)]
fn leave_to_gateway(packet: &mut Packet, reason: Reason) {
    packet.event.verdict = Verdict::Local as u8;
    packet.event.reason = reason as u16;
}

/// Into the namespace as it came, tags taken off: there the gateway's addresses are.
#[inline(always)]
fn own_gateway(frame: Frame, packet: &Packet) -> Stage<u32> {
    let path = slow_path(packet)?;
    into_namespace(frame, packet, path.vlan_ifindex, None)
}

#[inline(always)]
fn into_namespace(frame: Frame, packet: &Packet, ifindex: u32, mac: Option<[u8; 6]>) -> Stage<u32> {
    if ifindex == 0 {
        return drop(Reason::Internal);
    }
    let mut envelope = Envelope::untagged(frame)?;
    if let Some(mac) = mac {
        envelope.destination = mac;
    }
    envelope.put(frame, packet)?;
    hand_over(frame, TO_INTERFACE, ifindex)
}

#[inline(always)]
fn to_host(frame: Frame) -> Stage<u32> {
    hand_over(frame, TO_HOST, 0)
}

#[inline(always)]
fn hand_over(frame: Frame, action: u32, ifindex: u32) -> Stage<u32> {
    if frame.hand_over(Handover { magic: MAGIC, action, ifindex }) {
        Stage::Continue(xdp_action::XDP_PASS)
    } else {
        drop(Reason::Internal)
    }
}

/// Out of the port with this number.
#[inline(always)]
pub fn leave_by(number: u8) -> Stage<u32> {
    match EXITS.redirect(number as u32, 0) {
        Ok(action) => Stage::Continue(action),
        Err(_) => drop(Reason::Internal),
    }
}
