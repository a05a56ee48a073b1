//! Guards of published DNS servers.

use abi::dns::Guard;
use abi::limits;

use crate::checked::Policy;
use crate::numbering::Numbering;

/// By municipality number.
pub(super) fn lay_out(policy: &Policy, numbering: &Numbering) -> Vec<Guard> {
    let mut all = vec![Guard::default(); limits::MUNICIPALITIES as usize];
    for municipality in &policy.municipalities {
        if let Some(dns) = &municipality.dns {
            all[usize::from(numbering.municipalities[&municipality.id])] = dns.guard();
        }
    }
    all
}
