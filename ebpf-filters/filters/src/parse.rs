//! Stage: Ethernet, tags, ARP, IP and the transport header. Lengths are checked against the frame before anything is
//! believed; what was read is kept in the packet, what was reached is noted in `Event::parsed`.

use abi::Reason;
use abi::limits::VLAN_DEPTH;
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, go_on, or_drop, to_code};
use crate::frame::Frame;
use crate::packet::{Packet, subprogram};

mod ipv4;
mod ipv6;
mod straight;
mod transport;

const TAG_8021Q: u16 = 0x8100;
const TAG_8021AD: u16 = 0x88a8;
const TAG_OLD_QINQ: u16 = 0x9100;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;

/// Parses the frame into the packet.
#[inline(always)]
pub fn parse(frame: Frame, packet: &mut Packet) -> Stage {
    if straight::parse(frame, packet)? {
        return go_on();
    }
    from_code(parse_frame(frame.context(), packet))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn parse_frame(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(ethernet(Frame::new(context), packet)))
}

#[inline(always)]
fn ethernet(frame: Frame, packet: &mut Packet) -> Stage {
    let length = packet.event.length;
    let header = or_drop(frame.bytes::<14>(0), Reason::Truncated)?;
    let mut ethertype = header.be16::<12>();
    let mut next = 14;
    for depth in 0..VLAN_DEPTH {
        if !is_tag(ethertype) {
            break;
        }
        let tag = or_drop(frame.bytes::<4>(next), Reason::Truncated)?;
        packet.event.vlans[depth] = tag.be16::<0>() & 0x0fff;
        packet.event.vlan_count = depth as u8 + 1;
        ethertype = tag.be16::<2>();
        next += 4;
    }
    packet.l3 = next;
    packet.ethertype = ethertype;
    let left = length.wrapping_sub(next);
    match ethertype {
        IPV4 => ipv4::parse(frame, packet, left),
        IPV6 => ipv6::parse(frame, packet, left),
        ARP => arp(frame, next, left),
        _ => drop(Reason::Unsupported),
    }
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, TAG_8021Q | TAG_8021AD | TAG_OLD_QINQ)
}

/// ARP for Ethernet and IPv4 and nothing else.
#[inline(always)]
fn arp(frame: Frame, at: u32, left: u32) -> Stage {
    if left < 28 {
        return drop(Reason::Truncated);
    }
    let header = or_drop(frame.bytes::<28>(at), Reason::Unsupported)?;
    let (hardware, protocol, lengths) = (header.be16::<0>(), header.be16::<2>(), header.be16::<4>());
    if hardware == 1 && protocol == IPV4 && lengths == 0x0604 { go_on() } else { drop(Reason::Malformed) }
}
