//! `[[nat.inbound]]` → `INBOUND`.

use abi::limits;
use abi::nat::{Inbound, inbound::place};

use super::CapacityError;
use super::capacity;
use crate::checked::Policy;

/// Whole, because what follows the last run is looked at.
pub(super) fn lay_out(policy: &Policy) -> Result<Vec<Inbound>, CapacityError> {
    let mut runs = Vec::new();
    for mapping in policy.municipalities.iter().flat_map(|municipality| &municipality.inbound) {
        let inside = u32::from_ne_bytes(mapping.inside.octets());
        runs.extend(mapping.runs().map(|(protocol, first, last)| Inbound {
            begins: place(mapping.public.to_bits(), protocol, first),
            inside,
            more: last - first,
            inside_port: mapping.inside_port.unwrap_or(first),
        }));
    }
    capacity::fits("runs of mapped ports", runs.len(), limits::INBOUND - 1)?;
    runs.sort_unstable_by_key(|run| run.begins);
    runs.resize(limits::INBOUND as usize, Inbound::default());
    Ok(runs)
}
