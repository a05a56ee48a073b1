//! Map `PORTS`: which interfaces are the gateway's ports, by interface index, as the program finds them with one load.

use std::collections::BTreeSet;

use abi::limits::INTERFACES;
use abi::ports::Port;
use aya::Ebpf;

use crate::error::Error;
use crate::load;
use crate::mmap::{Mapping, bytes_of};

const WORDS: usize = size_of::<Port>() / 8;
const _: () = assert!(WORDS == 2 && std::mem::offset_of!(Port, ifindex) >= 8);

/// The map, in memory.
pub struct PortTable(Mapping);

impl PortTable {
    /// Of a loaded object.
    pub fn of(object: &Ebpf) -> Result<Self, Error> {
        Ok(Self(load::mapping(object, "PORTS")?))
    }

    /// Writes a port's entry. The second word has the index, which makes the entry a port's.
    pub fn set(&self, port: &Port) -> Result<(), Error> {
        if port.ifindex == 0 || port.ifindex >= INTERFACES {
            return Err(Error::InterfaceIndex { found: port.ifindex, limit: INTERFACES });
        }
        for (word, bytes) in bytes_of(port).chunks_exact(8).enumerate() {
            let mut value = [0; 8];
            value.copy_from_slice(bytes);
            self.0.store(at(port.ifindex) + 8 * word, u64::from_ne_bytes(value));
        }
        Ok(())
    }

    /// Empties the entries of all other interfaces.
    pub fn retain(&self, wanted: &BTreeSet<u32>) {
        for ifindex in (1..INTERFACES).filter(|ifindex| !wanted.contains(ifindex)) {
            for word in (0..WORDS).rev().filter(|word| self.0.load(at(ifindex) + 8 * word) != 0) {
                self.0.store(at(ifindex) + 8 * word, 0);
            }
        }
    }
}

fn at(ifindex: u32) -> usize {
    ifindex as usize * size_of::<Port>()
}
