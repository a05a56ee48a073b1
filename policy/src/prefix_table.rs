//! Address → class: runs of addresses laid out as root tables, nodes and records, for both families. What their
//! entries mean is [`abi::prefixes`].
//!
//! Classes are pushed down to the leaves, so a look-up ends at the first entry that is not a pointer and nothing has to
//! be remembered on the way. Equal nodes are one, equal records too: a /24 that holds one address of a large set has
//! only 256 forms, so sets of single addresses stay small.
//!
//! An IPv4 look-up reads the root and at most one node or record. An IPv6 look-up reads the root, of which two or three
//! octets are behind, and then follows pointers whose target begins one octet further at least: so there are
//! [`abi::limits::PREFIX_STEPS`] at most, each a cache line. Prefixes as registries hand them out need two or three.

mod pool;
#[cfg(test)]
mod tests;
mod v4;
mod v6;

use abi::limits;
use abi::prefixes::Record;

use crate::compile::CapacityError;
use crate::compile::capacity::fits;
use pool::Pool;

/// Consecutive addresses of one class, other than class 0. Addresses are 128 bits, IPv4 in the highest 32, or IPv4's own
/// 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<A = u128> {
    pub first: A,
    pub last: A,
    pub class: u32,
}

/// The images of both families.
pub(crate) struct PrefixTables {
    pub v4_root: Vec<u32>,
    pub v6_root: Vec<u32>,
    pub nodes: Vec<u32>,
    pub records: Vec<Record>,
}

type Node = [u32; limits::NODE_ENTRIES as usize];

/// What both families point to.
#[derive(Default)]
struct Targets {
    nodes: Pool<Node>,
    records: Pool<Record>,
}

/// Lays out disjoint runs in ascending order.
pub(crate) fn build(v4: &[Run<u32>], v6: &[Run]) -> Result<PrefixTables, CapacityError> {
    let mut targets = Targets::default();
    let v4_root = v4::root(v4, &mut targets);
    let v6_root = v6::root(v6, &mut targets);
    fits("nodes of the prefix tables", targets.nodes.items.len(), limits::NODES)?;
    fits("records of the prefix tables", targets.records.items.len(), limits::RECORDS)?;
    Ok(PrefixTables { v4_root, v6_root, nodes: targets.nodes.items.into_flattened(), records: targets.records.items })
}
