//! What stands behind the gateway at tc ingress of every port: carries out what the gateway asked for in the packet's
//! metadata, and drops what the gateway never saw, so that nothing is routed unjudged while it is detached.

use abi::handover::{Handover, MAGIC, TO_HOST, TO_INTERFACE, TO_NEIGHBOUR};
use aya_ebpf::bindings::{__sk_buff, TC_ACT_OK, TC_ACT_SHOT};
use aya_ebpf::helpers::{bpf_redirect, bpf_redirect_neigh};

use crate::maps::GUARD_DROPS;

/// The tc action for a packet.
#[inline(always)]
pub fn guard(skb: *mut __sk_buff) -> i32 {
    let Some(note) = note(skb) else { return refuse() };
    match note.action {
        TO_HOST => TC_ACT_OK as i32,
        // SAFETY: plain helper calls.
        TO_INTERFACE => unsafe { bpf_redirect(note.ifindex, 0) as i32 },
        // SAFETY: as above; no next hop is given, so the kernel takes it from its routes.
        TO_NEIGHBOUR => unsafe { bpf_redirect_neigh(note.ifindex, core::ptr::null_mut(), 0, 0) as i32 },
        _ => refuse(),
    }
}

#[inline(always)]
fn note(skb: *mut __sk_buff) -> Option<Handover> {
    // SAFETY: the context is the program's own.
    let (meta, data) = unsafe { ((*skb).data_meta as usize, (*skb).data as usize) };
    if meta + size_of::<Handover>() > data {
        return None;
    }
    // SAFETY: checked against the end of the metadata; metadata is aligned to four bytes.
    let note = unsafe { *(meta as *const Handover) };
    (note.magic == MAGIC).then_some(note)
}

#[inline(always)]
fn refuse() -> i32 {
    if let Some(drops) = GUARD_DROPS.get_ptr_mut(0) {
        // SAFETY: the value is this CPU's own.
        unsafe { *drops = (*drops).wrapping_add(1) };
    }
    TC_ACT_SHOT as i32
}
