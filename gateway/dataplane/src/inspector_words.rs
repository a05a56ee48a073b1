//! The words by which the program knows whether a municipality's inspector serves: map `INSPECTORS`, of no generation.
//! They stay as they are when the daemon goes.

use aya::Ebpf;
use policy::model::InspectorState;

use crate::error::Error;
use crate::load;
use crate::mmap::Mapping;

/// All of them.
#[derive(Debug)]
pub struct InspectorWords(Mapping);

impl InspectorWords {
    /// Of a loaded object.
    pub(crate) fn of(object: &Ebpf) -> Result<Self, Error> {
        load::mapping(object, "INSPECTORS").map(Self)
    }

    /// What new connections of the municipality with this number meet from now on.
    pub fn set(&self, municipality: u16, state: InspectorState) {
        self.0.store(offset(municipality), u64::from(state == InspectorState::Serving));
    }

    /// What they meet now.
    pub fn get(&self, municipality: u16) -> InspectorState {
        if self.0.load(offset(municipality)) == 0 { InspectorState::Down } else { InspectorState::Serving }
    }
}

fn offset(municipality: u16) -> usize {
    usize::from(municipality) * size_of::<u64>()
}
