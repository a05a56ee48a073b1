//! Which inspectors serve: the one thing that a verdict depends on besides policy, packets and the clock. The program in the
//! kernel has a word for each municipality.

use std::collections::BTreeSet;

/// Whether a municipality's inspector takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InspectorState {
    /// It does.
    Serving,
    /// There is none, or it hangs, or it has not been told its rules yet.
    Down,
}

/// The municipalities whose inspector is down.
#[derive(Debug, Default)]
pub(crate) struct Down(BTreeSet<String>);

impl Down {
    pub(crate) fn set(&mut self, municipality: &str, state: InspectorState) {
        match state {
            InspectorState::Serving => self.0.remove(municipality),
            InspectorState::Down => self.0.insert(municipality.to_owned()),
        };
    }

    pub(crate) fn contains(&self, municipality: &str) -> bool {
        self.0.contains(municipality)
    }
}
