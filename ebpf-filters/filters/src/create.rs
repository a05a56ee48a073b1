//! Stage: a packet that the rules let through begins a flow; an IPv4 one from a municipality with a pool gets its public
//! address and port here.

use abi::flow::{Flow, flags, slot, state};
use abi::tables::view;
use abi::{Address, Reason, Verdict, event, nat};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Decision, Stage, drop, from_code, go_on, to_code};
use crate::flow::{key, learn};
use crate::flows::{self, Key, NONE, search};
use crate::frame::Frame;
use crate::packet::{Packet, note, protocol, subprogram};
use crate::rules::Ruling;
use crate::{fragments, limits, tables, tcp};

/// Makes the ruling final: a flow that is let through must be in the table before its first packet leaves.
#[inline(always)]
pub fn create(frame: Frame, packet: &mut Packet, ruling: Ruling) -> Stage {
    packet.event.rule = ruling.rule;
    if !ruling.decision.is_drop() {
        limits::admit(packet)?;
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
    let key = key(packet);
    let mut public = key;
    let translated = is_translated(packet, decision)?;
    if translated {
        choose(packet, &mut public)?;
    }
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
    flow.bytes[0] = packet.event.length as u64;
    if key.ends().protocol() == protocol::TCP {
        tcp::begin(packet, flow, 0);
    }
    learn(frame, packet, flow)?;
    if translated {
        flow.public_address = public.inside.v4_word();
        flow.public_port = public.ends().inside_port();
        flow.other = flows::claim(&public, packet.now_s);
        let Some(alias) = flows::at(flow.other) else {
            flows::publish(flow, slot::FREE);
            return drop(Reason::FlowTableFull);
        };
        fill(alias, &public, packet);
        alias.other = index;
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

/// The inspector's kernel translates what it sends itself, so only forwarded flows are translated here.
#[inline(always)]
fn is_translated(packet: &Packet, decision: Decision) -> Stage<bool> {
    if !packet.is_egress() || !packet.is(note::V4) || decision.verdict() != Verdict::Forward as u8 {
        return Stage::Continue(false);
    }
    let pool_size = tables::municipality(packet.half, packet.event.municipality)?.pool_size;
    let source = tables::view(packet.half, packet.views, packet.source_class)?;
    Stage::Continue(pool_size > 0 && source.flags & view::PUBLISHED == 0)
}

/// Turns a flow's key into a free alias for it.
#[inline(always)]
fn choose(packet: &mut Packet, public: &mut Key) -> Stage {
    from_code(choose_public(packet, public))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn choose_public(packet: *mut Packet, public: *mut Key) -> u32 {
    let internal = to_code(drop(Reason::Internal));
    subprogram(packet, internal, |packet| subprogram(public, internal, |public| to_code(candidates(packet, public))))
}

#[inline(always)]
fn candidates(packet: &Packet, public: &mut Key) -> Stage {
    let municipality = tables::municipality(packet.half, packet.event.municipality)?;
    let (pool, pool_size) = (municipality.pool, municipality.pool_size);
    let client = u32::from_be(public.inside.v4_word());
    let client_port = public.ends().inside_port();
    // Of ICMP only echo begins flows, and its identifier is translated like a port.
    let has_ports = matches!(public.ends().protocol(), protocol::TCP | protocol::UDP | protocol::ICMP);
    for n in 0..nat::CANDIDATES {
        let (index, port) = nat::candidate(client, client_port, has_ports, n, pool_size);
        public.move_inside(Address::from_v4_word(tables::pool_address(packet.half, pool.wrapping_add(index))), port);
        if flows::find(public, packet.now_s, search::BOTH) == NONE {
            return go_on();
        }
    }
    drop(Reason::NatExhausted)
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
    flow.bytes = [0; 2];
}

#[inline(always)]
const fn first_state(key: &Key, decision: Decision) -> u8 {
    if key.ends().protocol() != protocol::TCP {
        state::ONE_WAY
    } else if decision.verdict() == Verdict::Inspect as u8 {
        state::ESTABLISHED
    } else {
        state::SYN_SENT
    }
}
