//! The lab's VLAN switch: what a switch with a trunk port does, for kernels without 802.1Q devices.
//!
//! `tag` stands at tc ingress of every municipality's link and sends what comes out of the trunk, tagged; `untag` stands
//! at tc ingress of the trunk's other end and sends frames to the link of their tags, untagged.
#![no_std]
#![no_main]

use abi::limits;
use abi::ports::Trunk;
use aya_ebpf::bindings::{__sk_buff, TC_ACT_SHOT};
use aya_ebpf::btf_maps::HashMap;
use aya_ebpf::helpers::{bpf_redirect, bpf_skb_vlan_pop, bpf_skb_vlan_push};
use aya_ebpf::macros::{btf_map, classifier};
use aya_ebpf::programs::TcContext;

/// By the interface index of a link: the trunk and the tags.
#[btf_map]
static SWITCH_TAGS: HashMap<u32, Trunk, { limits::ATTACHMENTS as usize }> = HashMap::new();
/// By outer and inner tag, 0 for none: the interface index of the link.
#[btf_map]
static SWITCH_LINKS: HashMap<[u16; 2], u32, { limits::ATTACHMENTS as usize }> = HashMap::new();

const TAG_8021Q: u16 = 0x8100;
const TAG_8021AD: u16 = 0x88a8;
const VID: u32 = 0x0fff;

/// From a link to the trunk.
#[classifier]
pub fn tag(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    // SAFETY: the context is the program's own.
    let ifindex = unsafe { (*skb).ifindex };
    // SAFETY: the lab fills the map before traffic.
    let Some(trunk) = (unsafe { SWITCH_TAGS.get(ifindex) }) else { return TC_ACT_SHOT as i32 };
    let Trunk { ifindex, vlans: [outer, inner], vlan_count, .. } = *trunk;
    let pushed = match vlan_count {
        0 => true,
        1 => push(skb, TAG_8021Q, outer),
        _ => push(skb, TAG_8021Q, inner) && push(skb, TAG_8021AD, outer),
    };
    if pushed { redirect(ifindex) } else { TC_ACT_SHOT as i32 }
}

/// From the trunk to a link.
#[classifier]
pub fn untag(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    // Popping the first tag brings a second one, which lies in the frame, to where the first was.
    let tags = [pop(skb), pop(skb)];
    // SAFETY: the lab fills the map before traffic.
    match unsafe { SWITCH_LINKS.get(tags) } {
        Some(ifindex) => redirect(*ifindex),
        None => TC_ACT_SHOT as i32,
    }
}

/// Takes the outermost tag off; 0 if there is none.
#[inline(always)]
fn pop(skb: *mut __sk_buff) -> u16 {
    // SAFETY: the context is the program's own.
    let (present, tci) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci) };
    // SAFETY: as above.
    if present == 0 || unsafe { bpf_skb_vlan_pop(skb) } != 0 {
        return 0;
    }
    (tci & VID) as u16
}

#[inline(always)]
fn push(skb: *mut __sk_buff, protocol: u16, vlan: u16) -> bool {
    // SAFETY: the context is the program's own.
    unsafe { bpf_skb_vlan_push(skb, protocol.to_be(), vlan) == 0 }
}

#[inline(always)]
fn redirect(ifindex: u32) -> i32 {
    // SAFETY: a plain helper call.
    unsafe { bpf_redirect(ifindex, 0) as i32 }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
