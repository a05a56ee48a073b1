//! `[nat]` of a municipality, beside its pool.

use abi::nat::UNIT_PORTS;

/// Ports are given to inside clients in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortBlocks {
    /// `block`: ports of one, a power of two of [units](UNIT_PORTS).
    pub ports: u32,
    /// `blocks_per_client`: how many a client gets at most.
    pub per_client: u32,
}

impl PortBlocks {
    /// The size of a block as tables hold it.
    pub fn shift(self) -> u32 {
        (self.ports / UNIT_PORTS).max(1).ilog2()
    }
}

impl Default for PortBlocks {
    fn default() -> Self {
        Self { ports: 512, per_client: 4 }
    }
}
