//! Asks the host's routes where a packet for the Internet leaves.

use abi::Reason;
use aya_ebpf::bindings::{BPF_FIB_LKUP_RET_FRAG_NEEDED, BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS, xdp_md};
use aya_ebpf::helpers::bpf_fib_lookup;

use crate::decision::{Stage, drop};
use crate::frame::Frame;
use crate::packet::{Packet, note, subprogram};

/// `struct bpf_fib_lookup`, its unions resolved to what is used here.
#[repr(C)]
#[derive(Default)]
pub struct Route {
    family: u8,
    protocol: u8,
    ports: [u16; 2],
    /// In: bytes of the datagram. Out: the MTU.
    pub total_length: u16,
    /// In: where the packet entered. Out: where it leaves.
    pub ifindex: u32,
    tos: u8,
    reserved: [u8; 3],
    source: [u32; 4],
    destination: [u32; 4],
    vlan: [u16; 2],
    /// Out: our MAC address there.
    pub our_mac: [u8; 6],
    /// Out: the next hop's.
    pub peer_mac: [u8; 6],
}
const _: () = assert!(size_of::<Route>() == 64);

/// The kernel's answer.
pub enum Answer {
    /// The route is complete.
    Complete,
    /// The next hop's MAC address must be asked for first.
    NoNeighbour,
    /// The datagram is larger than the next link's MTU.
    TooBig,
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Looks the route up as if the packet were translated already.
#[inline(always)]
pub fn route(frame: Frame, packet: &mut Packet, route: &mut Route) -> Stage<Answer> {
    match look_up(frame.context(), packet, route) {
        BPF_FIB_LKUP_RET_SUCCESS => Stage::Continue(Answer::Complete),
        BPF_FIB_LKUP_RET_NO_NEIGH => Stage::Continue(Answer::NoNeighbour),
        BPF_FIB_LKUP_RET_FRAG_NEEDED => Stage::Continue(Answer::TooBig),
        _ => drop(Reason::NoRoute),
    }
}

const FAILED: u32 = u32::MAX;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn look_up(context: *mut xdp_md, packet: *mut Packet, route: *mut Route) -> u32 {
    subprogram(packet, FAILED, |packet| {
        subprogram(route, FAILED, |route| {
            route.protocol = packet.event.protocol;
            route.total_length = packet.ip_length() as u16;
            route.ifindex = Frame::new(context).ingress_ifindex();
            if packet.is(note::V4) {
                route.family = AF_INET;
                let public = packet.event.public_address;
                route.source[0] = if public == 0 { packet.event.source.v4_word() } else { public };
                route.destination[0] = packet.event.destination.v4_word();
            } else {
                route.family = AF_INET6;
                route.source = packet.event.source.0;
                route.destination = packet.event.destination.0;
            }
            let parameters: *mut Route = route;
            // SAFETY: the layout is the kernel's, asserted by size; the context is the program's own.
            unsafe { bpf_fib_lookup(context.cast(), parameters.cast(), size_of::<Route>() as i32, 0) as u32 }
        })
    })
}
