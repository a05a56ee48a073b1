//! The state of a TCP flow, as far as the gateway follows it: handshake, both closings, and resets that are believed.

use abi::Verdict;
use abi::flow::{Flow, RST_SLACK, state};

use crate::packet::{Packet, subprogram, tcp_flag};

/// What a packet means for its flow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It fits; the state was brought forward.
    Pass,
    /// It does not fit; nothing was changed.
    Refuse,
    /// A new connection on the ports of one that has ended.
    Reopen,
}

/// Brings the flow forward by one packet. `from` is 0 for its originator, 1 for the responder.
#[inline(always)]
pub fn step(packet: &mut Packet, flow: &mut Flow, from: u32) -> Step {
    if is_steady(packet, flow) {
        advance(packet, flow, from & 1);
        return Step::Pass;
    }
    match step_flow(packet, flow, from) {
        PASS => Step::Pass,
        REOPEN => Step::Reopen,
        _ => Step::Refuse,
    }
}

/// Whether the packet carries on an open connection, which most do: it needs no call.
#[inline(always)]
fn is_steady(packet: &Packet, flow: &Flow) -> bool {
    let flags = packet.event.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK | tcp_flag::RST | tcp_flag::FIN);
    flags == tcp_flag::ACK && flow.state == state::ESTABLISHED && flow.verdict != Verdict::Inspect as u8
}

const PASS: u32 = 0;
const REFUSE: u32 = 1;
const REOPEN: u32 = 2;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn step_flow(packet: *mut Packet, flow: *mut Flow, from: u32) -> u32 {
    subprogram(packet, REFUSE, |packet| {
        subprogram(flow, REFUSE, |flow| match bring_forward(packet, flow, from & 1) {
            Step::Pass => PASS,
            Step::Refuse => REFUSE,
            Step::Reopen => REOPEN,
        })
    })
}

/// Sequence numbers beyond this far ahead are not taken for the sender's progress.
const PLAUSIBLE_AHEAD: u32 = 1 << 24;

#[inline(always)]
fn bring_forward(packet: &Packet, flow: &mut Flow, from: u32) -> Step {
    let flags = packet.event.tcp_flags;
    let (syn, ack) = (flags & tcp_flag::SYN != 0, flags & tcp_flag::ACK != 0);
    if syn && !ack && matches!(flow.state, state::CLOSING | state::CLOSED) {
        return Step::Reopen;
    }
    if flow.verdict == Verdict::Inspect as u8 {
        return inspected(flags, flow);
    }
    if flags & tcp_flag::RST != 0 {
        return reset(packet, flow, from, ack);
    }
    if flow.state == state::CLOSED {
        return Step::Refuse;
    }
    match (syn, ack) {
        (true, false) => open(packet, flow, from),
        (true, true) => answer(packet, flow, from),
        (false, true) => carry(packet, flow, from),
        (false, false) => Step::Refuse,
    }
}

/// The inspector's own kernel judges these; the program sees one side of them.
#[inline(always)]
const fn inspected(flags: u8, flow: &mut Flow) -> Step {
    if flags & tcp_flag::RST != 0 {
        flow.state = state::CLOSED;
    } else if flags & tcp_flag::FIN != 0 {
        flow.state = state::FIN_ORIGINATOR;
    }
    Step::Pass
}

/// RFC 5961 in the middle: a reset must hit the stream, or it is somebody else's.
#[inline(always)]
fn reset(packet: &Packet, flow: &mut Flow, from: u32, ack: bool) -> Step {
    let believed = match flow.state {
        state::CLOSED => true,
        state::SYN_SENT if from == 1 => ack && acknowledges_new(packet, flow),
        _ => {
            let (acked, end) = (of(&flow.acked, from), of(&flow.end, from));
            packet.sequence.wrapping_sub(acked) <= end.wrapping_sub(acked).saturating_add(RST_SLACK)
        }
    };
    if !believed {
        return Step::Refuse;
    }
    flow.state = state::CLOSED;
    Step::Pass
}

#[inline(always)]
fn open(packet: &Packet, flow: &mut Flow, from: u32) -> Step {
    if flow.state == state::SYN_SENT {
        begin(packet, flow, from);
        if from == 1 {
            flow.state = state::SYN_BOTH;
        }
    }
    Step::Pass
}

#[inline(always)]
fn answer(packet: &Packet, flow: &mut Flow, from: u32) -> Step {
    match flow.state {
        state::SYN_SENT | state::SYN_RECEIVED => {
            // The same answer again is a retransmission: the originator may not have seen the first.
            let again = flow.state == state::SYN_RECEIVED && packet.acknowledgement == flow.acked[0];
            if from == 0 || !(again || acknowledges_new(packet, flow)) {
                return Step::Refuse;
            }
            begin(packet, flow, 1);
            flow.acked[0] = packet.acknowledgement;
            flow.state = state::SYN_RECEIVED;
        }
        state::SYN_BOTH => {
            set(&mut flow.acked, from ^ 1, packet.acknowledgement);
            flow.state = state::SYN_RECEIVED;
        }
        _ => {}
    }
    Step::Pass
}

#[inline(always)]
fn carry(packet: &Packet, flow: &mut Flow, from: u32) -> Step {
    let fin = packet.event.tcp_flags & tcp_flag::FIN != 0;
    match flow.state {
        // The responder may challenge a SYN that it takes for an old one.
        state::SYN_SENT => return if from == 1 && !fin { Step::Pass } else { Step::Refuse },
        state::SYN_BOTH => return Step::Refuse,
        state::SYN_RECEIVED if from == 0 => flow.state = state::ESTABLISHED,
        _ => {}
    }
    advance(packet, flow, from);
    if fin {
        flow.state = match (flow.state, from) {
            (state::ESTABLISHED, 0) => state::FIN_ORIGINATOR,
            (state::ESTABLISHED, _) => state::FIN_RESPONDER,
            (state::FIN_ORIGINATOR, 1) | (state::FIN_RESPONDER, 0) => state::CLOSING,
            (unchanged, _) => unchanged,
        };
    }
    Step::Pass
}

/// Takes the packet's numbers for its sender's progress, if they are plausible.
#[inline(always)]
fn advance(packet: &Packet, flow: &mut Flow, from: u32) {
    let end = packet.sequence.wrapping_add(packet.stream_length);
    let known_end = of(&flow.end, from);
    if is_before(known_end, end) && end.wrapping_sub(known_end) <= PLAUSIBLE_AHEAD {
        set(&mut flow.end, from, end);
    }
    let acknowledged = packet.acknowledgement;
    if is_before(of(&flow.acked, from ^ 1), acknowledged) && !is_before(of(&flow.end, from ^ 1), acknowledged) {
        set(&mut flow.acked, from ^ 1, acknowledged);
    }
}

/// A sender's first sequence numbers.
#[inline(always)]
pub fn begin(packet: &Packet, flow: &mut Flow, from: u32) {
    set(&mut flow.end, from, packet.sequence.wrapping_add(packet.stream_length));
    set(&mut flow.acked, from, packet.sequence);
}

/// Whether the responder acknowledges something of the originator's that it has not acknowledged before.
#[inline(always)]
const fn acknowledges_new(packet: &Packet, flow: &Flow) -> bool {
    is_before(flow.acked[0], packet.acknowledgement) && !is_before(flow.end[0], packet.acknowledgement)
}

/// Whether `a` comes before `b` in sequence space, which wraps.
#[inline(always)]
const fn is_before(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) as i32 > 0
}

/// A side's number, without an index that the verifier would have to bound.
#[inline(always)]
const fn of(numbers: &[u32; 2], side: u32) -> u32 {
    if side == 0 { numbers[0] } else { numbers[1] }
}

#[inline(always)]
const fn set(numbers: &mut [u32; 2], side: u32, value: u32) {
    if side == 0 {
        numbers[0] = value;
    } else {
        numbers[1] = value;
    }
}
