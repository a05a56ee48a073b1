//! Stage "block sets": the prefecture's sets, in both directions.

use std::net::IpAddr;
use std::ops::ControlFlow;

use abi::{Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::packet::Packet;
use super::trace::{Stage, counted};

/// Drops what comes from, or goes to, an address of a block set. The source's set is named before the destination's.
pub(crate) fn block(x: &mut Crossing, packet: &Packet) -> ControlFlow<Exit> {
    for address in [packet.source, packet.destination] {
        if let Some(name) = set_of(x, address) {
            let exit = Exit { set: Some(name), ..Exit::new(Verdict::Drop, Reason::Blocked) };
            return x.stop(Stage::BlockSets, exit, || address.to_string());
        }
    }
    let sets = x.prefecture.block.len();
    x.pass(Stage::BlockSets, || {
        (format!("{} and {}, {}", packet.source, packet.destination, counted(sets, "set")), "in none".into())
    });
    ControlFlow::Continue(())
}

/// The first set, in the order of `[block] sets`, that holds the address.
fn set_of(x: &Crossing, address: IpAddr) -> Option<String> {
    x.prefecture.block.iter().find(|(_, set)| set.contains(address)).map(|(name, _)| name.clone())
}
