//! The answer to a query that the DNS guard does not let through: its own question back, truncated (RFC 1035, 4.1.1; RFC
//! 2181, 9), out of the port that it came in by. A resolver asks again over TCP. It is never longer than the query, so
//! nobody gains by asking in another's name: of the records behind the question only an OPT is answered, by one without
//! options (RFC 6891, 6.1.1).
//!
//! Packets with IPv4 options or IPv6 extension headers are dropped without an answer: no resolver sends them.

use abi::dns::OPT;
use aya_ebpf::bindings::{xdp_action, xdp_md};

use crate::checksum::checksum;
use crate::dns_query::{Query, latest};
use crate::forward::leave_by;
use crate::frame::{Bytes, Frame};
use crate::packet::{Packet, note, protocol, subprogram};

/// What answers say of themselves: hop limit, and longest UDP message, as is usual since 2020.
const HOP_LIMIT: u8 = 64;
const UDP_SIZE: u16 = 1_232;
/// In the header's third octet, what an answer keeps of the query: opcode and "recursion desired".
const KEPT: u8 = 0x79;
/// What it adds: it is an answer, and truncated.
const TRUNCATED: u8 = 0x82;
/// In the fourth, what it keeps: "checking disabled".
const CHECKING_DISABLED: u8 = 0x10;
/// In an OPT's flags: DNSSEC answers are welcome. An answer repeats it (RFC 3225).
const DNSSEC_OK: u8 = 0x80;

/// Answers the query that was read last: the XDP action.
#[inline(always)]
pub fn answer(frame: Frame, packet: &mut Packet) -> u32 {
    answer_query(frame.context(), packet)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn answer_query(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, xdp_action::XDP_DROP, |packet| match answered(Frame::new(context), packet) {
        Some(action) => action,
        None => xdp_action::XDP_DROP,
    })
}

#[inline(always)]
fn answered(frame: Frame, packet: &Packet) -> Option<u32> {
    let is_v4 = packet.is(note::V4);
    if packet.l4.wrapping_sub(packet.l3) != if is_v4 { 20 } else { 40 } {
        return None;
    }
    let query = latest()?;
    let length = shape(query);
    let message_at = packet.l4 + 8;
    let sum = frame.copy_in(message_at, &query.octets, length)?;
    frame.cut(message_at + length)?;
    swap_macs(frame.bytes::<12>(0)?);
    let datagram = length + 8;
    let addresses = if is_v4 {
        back_v4(frame.bytes::<20>(packet.l3)?, datagram)
    } else {
        back_v6(frame.bytes::<40>(packet.l3)?, datagram)
    };
    let udp = frame.bytes::<8>(packet.l4)?;
    let (from, to) = (udp.u16::<0>(), udp.u16::<2>());
    let size = (datagram as u16).to_be();
    udp.put_u16::<0>(to);
    udp.put_u16::<2>(from);
    udp.put_u16::<4>(size);
    let header = from as u64 + to as u64 + 2 * size as u64 + (protocol::UDP as u16).to_be() as u64;
    // A sum of 0 would say that there is none.
    udp.put_u16::<6>(match checksum(sum + addresses + header) {
        0 => u16::MAX,
        sum => sum,
    });
    // Not `XDP_TX`: a veth whose other end has no program of its own leaves that lying.
    leave_by(packet.event.port).continue_value()
}

/// Makes the query its answer: the octets of it that count.
#[inline(always)]
fn shape(query: &mut Query) -> u32 {
    let end = query.question_end;
    let flags = query.octet(2) & KEPT | TRUNCATED;
    query.put(2, flags);
    let flags = query.octet(3) & CHECKING_DISABLED;
    query.put(3, flags);
    for count in 6..12 {
        query.put(count, 0);
    }
    let mut length = end;
    if query.has_opt != 0 {
        query.put(11, 1);
        // Behind root and type: size, extended code, version, flags, no options.
        let [high, low] = UDP_SIZE.to_be_bytes();
        let flags = query.octet(end + 7) & DNSSEC_OK;
        for (at, octet) in (3..).zip([high, low, 0, 0, flags, 0, 0, 0]) {
            query.put(end + at, octet);
        }
        length += OPT as u32;
    }
    // Checksums go by words.
    for beyond in 0..4 {
        query.put(length + beyond, 0);
    }
    length
}

#[inline(always)]
fn swap_macs(macs: Bytes<12>) {
    let halves =
        [macs.u16::<0>(), macs.u16::<2>(), macs.u16::<4>(), macs.u16::<6>(), macs.u16::<8>(), macs.u16::<10>()];
    macs.put_u16::<0>(halves[3]);
    macs.put_u16::<2>(halves[4]);
    macs.put_u16::<4>(halves[5]);
    macs.put_u16::<6>(halves[0]);
    macs.put_u16::<8>(halves[1]);
    macs.put_u16::<10>(halves[2]);
}

/// Turns an IPv4 header round; the sum of its addresses.
#[inline(always)]
fn back_v4(header: Bytes<20>, datagram: u32) -> u64 {
    let (from, to) = (header.u32::<12>(), header.u32::<16>());
    header.put_u16::<2>((20 + datagram as u16).to_be());
    header.put_u8::<8>(HOP_LIMIT);
    header.put_u16::<10>(0);
    header.put_u32::<12>(to);
    header.put_u32::<16>(from);
    let addresses = from as u64 + to as u64;
    let rest = header.u32::<0>() as u64 + header.u32::<4>() as u64 + header.u32::<8>() as u64;
    header.put_u16::<10>(checksum(addresses + rest));
    addresses
}

/// Turns an IPv6 header round; the sum of its addresses.
#[inline(always)]
fn back_v6(header: Bytes<40>, datagram: u32) -> u64 {
    let (from, to) = (header.part::<8, 16>(), header.part::<24, 16>());
    let (source, destination) = ([from.u64::<0>(), from.u64::<8>()], [to.u64::<0>(), to.u64::<8>()]);
    header.put_u16::<4>((datagram as u16).to_be());
    header.put_u8::<7>(HOP_LIMIT);
    from.put_u64::<0>(destination[0]);
    from.put_u64::<8>(destination[1]);
    to.put_u64::<0>(source[0]);
    to.put_u64::<8>(source[1]);
    let halves = |word: u64| (word & 0xffff_ffff) + (word >> 32);
    halves(source[0]) + halves(source[1]) + halves(destination[0]) + halves(destination[1])
}
