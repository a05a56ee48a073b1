//! What overlays have to do with a packet, in words, for `explain`.

use std::net::IpAddr;

use super::{Origin, Overlays, Target};
use crate::check::ranges::Ranges;
use crate::checked::Policy;

impl Overlays {
    /// Every indicator and isolation that concerns a packet between these two, which is of this municipality.
    pub fn about(&self, policy: &Policy, municipality: Option<&str>, ends: [IpAddr; 2]) -> Vec<String> {
        let mut told = Vec::new();
        for batch in &self.indicators {
            let met = batch.prefixes.iter().find(|prefix| ends.iter().any(|end| prefix.contains(end)));
            told.extend(met.map(|prefix| format!("indicator {prefix}: {}", batch.origin)));
        }
        let Some(id) = municipality else { return told };
        for isolation in self.isolations.iter().filter(|it| it.target.is_about(id)) {
            let is_met = match &isolation.target {
                Target::All | Target::Municipality { .. } => true,
                target => {
                    let parts = Ranges::of(target.prefixes(policy).iter().chain(&isolation.held));
                    ends.iter().any(|end| parts.contains(*end))
                }
            };
            if is_met {
                told.push(format!("isolation of {}: {}", isolation.target, isolation.origin));
            }
        }
        told
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "since {} by {}", self.since, self.who)?;
        if let Some(until) = self.until {
            write!(f, ", until {until}")?;
        }
        write!(f, ", because: {}", self.because)
    }
}
