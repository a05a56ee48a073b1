//! Stage: a packet that the rules let through begins a flow; an IPv4 one from a municipality with a pool gets its public
//! address and port here. One from the Internet that [`crate::inbound`] has found a server for has both.

use abi::flow::{Flow, flags, slot, state};
use abi::{Address, Reason, Verdict, event};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Decision, Stage, drop, from_code, go_on, to_code};
use crate::flow::{key, learn};
use crate::flows::{self, Key};
use crate::frame::Frame;
use crate::packet::{Packet, note, protocol, subprogram};
use crate::rules::Ruling;
use crate::{dns, fragments, limits, nat, tcp};

/// Makes the ruling final: a flow that is let through must be in the table before its first packet leaves.
#[inline(always)]
pub fn create(frame: Frame, packet: &mut Packet, ruling: Ruling) -> Stage {
    packet.event.rule = ruling.rule;
    if !ruling.decision.is_drop() {
        dns::guard(frame, packet)?;
        limits::admit(packet)?;
        nat::choose(packet, ruling.decision)?;
        from_code(create_flow(frame.context(), packet, ruling.decision.code()))?;
    }
    Stage::Break(ruling.decision)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn create_flow(context: *mut xdp_md, packet: *mut Packet, decision: u32) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| {
        to_code(insert(Frame::new(context), packet, Decision::from_code(decision)))
    })
}

#[inline(always)]
fn insert(frame: Frame, packet: &mut Packet, decision: Decision) -> Stage {
    let mut key = key(packet);
    let mut public = key;
    if packet.server != 0 {
        key.move_inside(Address::from_v4_word(packet.server), packet.server_port);
    }
    let translated = packet.public_address != 0;
    let index = flows::claim(&key, packet.now_s);
    let Some(flow) = flows::at(index) else { return drop(Reason::FlowTableFull) };
    // Entries are reused: every field is written.
    fill(flow, &key, packet);
    flow.state = first_state(&key, decision);
    flow.rule = packet.event.rule;
    flow.generation = packet.event.generation;
    flow.origin = packet.event.direction;
    flow.verdict = decision.verdict();
    if packet.is(note::INSPECTOR) {
        flow.flags = flags::INSPECTOR;
    }
    flow.bytes = packet.event.length as u64;
    if key.ends().protocol() == protocol::TCP {
        tcp::begin(packet, flow, 0);
    }
    if packet.is(note::COOKIE) {
        flow.flags |= flags::PROXIED;
        flow.end[1] = packet.acknowledgement;
    }
    learn(frame, packet, flow)?;
    if translated {
        flow.public_address = packet.public_address;
        flow.public_port = packet.public_port;
        public.move_inside(Address::from_v4_word(packet.public_address), packet.public_port);
        flow.other = flows::claim(&public, packet.now_s);
        let Some(alias) = flows::at(flow.other) else {
            flows::publish(flow, slot::FREE);
            return drop(Reason::FlowTableFull);
        };
        fill(alias, &public, packet);
        alias.other = index;
        alias.rule = packet.cell;
        // The flow first: an alias without one does not exist.
        flows::publish_flow(flow);
        flows::publish(alias, slot::ALIAS);
        packet.event.public_address = flow.public_address;
        packet.event.public_port = flow.public_port;
    } else {
        flows::publish_flow(flow);
    }
    packet.flow = index;
    packet.event.flags |= event::NEW_FLOW;
    if packet.is(note::FIRST_FRAGMENT) {
        fragments::remember(packet, flow, index);
    }
    go_on()
}

/// Writes a claimed entry's key and clears everything else but its slot word. Field by field: as one value it would be
/// put together on the stack first, which has no room for it.
#[inline(always)]
fn fill(flow: &mut Flow, key: &Key, packet: &Packet) {
    flow.last_seen_s = packet.now_s;
    flow.inside = key.inside;
    flow.outside = key.outside;
    flow.inside_port = key.ends().inside_port();
    flow.outside_port = key.ends().outside_port();
    flow.municipality = key.ends().municipality();
    flow.protocol = key.ends().protocol();
    flow.state = 0;
    flow.generation = 0;
    flow.rule = 0;
    flow.origin = 0;
    flow.verdict = 0;
    flow.way = 0;
    flow.flags = 0;
    flow.public_address = 0;
    flow.public_port = 0;
    flow.port = 0;
    flow.vlan_count = 0;
    flow.vlans = [0; 2];
    flow.peer_mac = [0; 6];
    flow.our_mac = [0; 6];
    flow.other = 0;
    flow.end = [0; 2];
    flow.acked = [0; 2];
    flow.created_s = packet.now_s;
    flow.vouched = 0;
    flow.bytes = 0;
    flow.shift = 0;
    flow.windows = 0;
}

/// Of what is inspected, answers come from the inspector, and do not pass here.
#[inline(always)]
const fn first_state(key: &Key, decision: Decision) -> u8 {
    let is_inspected = decision.verdict() == Verdict::Inspect as u8;
    match (key.ends().protocol() == protocol::TCP, is_inspected) {
        (true, true) => state::ESTABLISHED,
        (true, false) => state::SYN_SENT,
        (false, true) => state::TWO_WAY,
        (false, false) => state::ONE_WAY,
    }
}
