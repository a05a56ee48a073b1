//! Ends flows whose time is over. To the programs an expired flow does not exist, but it counts against its municipality's
//! budget until its entry is overwritten or somebody looks: that is here, by the protocol of any CPU (`filters::flows`).

use std::mem::{offset_of, size_of};

use abi::budget::Pool;
use abi::flow::{Flow, REUSE_GRACE_S, slot, timeout_s};

use crate::mmap::Mapping;

/// How long after its end a flow is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// At once: where nobody else writes the table.
    None,
    /// When no CPU can still be busy with it.
    Reuse,
}

/// Live flows by municipality number, as counted on the way: a walk through the whole table, a few milliseconds for each
/// 100,000 entries. Only entries that hold something are read beyond their first line.
pub fn sweep(flows: &Mapping, pools: &Mapping, now_s: u32, grace: Grace) -> Vec<u64> {
    let mut counts = vec![0; abi::limits::MUNICIPALITIES as usize];
    let grace_s = if grace == Grace::Reuse { REUSE_GRACE_S } else { 0 };
    for index in 0..flows.len() / size_of::<Flow>() {
        let at = index * size_of::<Flow>();
        if flows.get::<u32>(at) != slot::FLOW {
            continue;
        }
        let flow: Flow = flows.get(at);
        if age(&flow, now_s) > timeout_s(flow.protocol, flow.state) + grace_s {
            end(flows, pools, at, now_s, grace_s);
        } else if age(&flow, now_s) <= timeout_s(flow.protocol, flow.state)
            && let Some(count) = counts.get_mut(usize::from(flow.municipality))
        {
            *count += 1;
        }
    }
    pools.store(offset_of!(Pool, swept_s), now_s.into());
    counts
}

fn end(flows: &Mapping, pools: &Mapping, at: usize, now_s: u32, grace_s: u32) {
    let slot_at = at + offset_of!(Flow, slot);
    if !flows.exchange_half_if(slot_at, slot::FLOW, slot::CLAIMED) {
        return;
    }
    // Between the look and the claim a CPU may have made another flow of it.
    let flow: Flow = flows.get(at);
    if age(&flow, now_s) <= timeout_s(flow.protocol, flow.state) + grace_s {
        flows.exchange_half_if(slot_at, slot::CLAIMED, slot::FLOW);
        return;
    }
    pools.add(usize::from(flow.municipality) * size_of::<Pool>() + offset_of!(Pool, flows), -1);
    flows.exchange_half_if(slot_at, slot::CLAIMED, slot::FREE);
}

fn age(flow: &Flow, now_s: u32) -> u32 {
    now_s.saturating_sub(flow.last_seen_s)
}
