//! What comes out of a municipality's namespace gets its tags back and leaves by the trunk.

use abi::ports::Trunk;
use aya_ebpf::bindings::{__sk_buff, TC_ACT_SHOT};
use aya_ebpf::helpers::{bpf_redirect, bpf_skb_vlan_push};

use crate::maps::TRUNKS;

const TAG_8021Q: u16 = 0x8100;
const TAG_8021AD: u16 = 0x88a8;

/// The tc action for a packet.
#[inline(always)]
pub fn from_namespace(skb: *mut __sk_buff) -> i32 {
    // SAFETY: the context is the program's own.
    let ifindex = unsafe { (*skb).ifindex };
    // SAFETY: the daemon changes entries only while the veth is not in use.
    let Some(trunk) = (unsafe { TRUNKS.get(ifindex) }) else { return TC_ACT_SHOT as i32 };
    let Trunk { ifindex, vlans: [outer, inner], vlan_count, .. } = *trunk;
    let pushed = match vlan_count {
        0 => true,
        1 => push(skb, TAG_8021Q, outer),
        _ => push(skb, TAG_8021Q, inner) && push(skb, TAG_8021AD, outer),
    };
    if !pushed {
        return TC_ACT_SHOT as i32;
    }
    // SAFETY: a plain helper call.
    unsafe { bpf_redirect(ifindex, 0) as i32 }
}

#[inline(always)]
fn push(skb: *mut __sk_buff, protocol: u16, vlan: u16) -> bool {
    // SAFETY: the context is the program's own.
    unsafe { bpf_skb_vlan_push(skb, protocol.to_be(), vlan) == 0 }
}
