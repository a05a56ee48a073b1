//! The kernel's events in words.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use abi::event::{Event, NEW_FLOW};
use control::Line;
use policy::Glossary;

use crate::time::rfc3339;

/// Names for the numbers in events, those of a few generations back included: an event may still be on its way when
/// the policy changes.
#[derive(Clone, Debug, Default)]
pub struct Words {
    latest: Arc<Glossary>,
    by_generation: BTreeMap<u32, Arc<Glossary>>,
}

/// Generations whose rules are remembered.
const GENERATIONS: usize = 8;

impl Words {
    /// The same and a new policy's.
    #[must_use]
    pub fn with(&self, generation: u64, glossary: Arc<Glossary>) -> Self {
        let mut by_generation = self.by_generation.clone();
        by_generation.insert(generation as u32, Arc::clone(&glossary));
        while by_generation.len() > GENERATIONS {
            by_generation.pop_first();
        }
        Self { latest: glossary, by_generation }
    }

    /// The names of municipalities, sets and ports, those of earlier policies included.
    pub fn latest(&self) -> &Glossary {
        &self.latest
    }

    /// An event as a line. `monotonic_to_wall` turns the event's clock into time since 1970.
    pub fn line(&self, event: &Event, monotonic_to_wall: Duration) -> Line {
        let rule = self.by_generation.get(&event.generation).and_then(|glossary| glossary.rule(event.rule));
        let mut judgement = self.latest.describe(event);
        judgement.rule = rule.map(|rule| rule.name.clone());
        let is_translated = event.public_address != 0;
        Line {
            time: Some(rfc3339(monotonic_to_wall + Duration::from_nanos(event.time_ns))),
            rule_location: rule.map(|rule| format!("{}:{}", rule.location.file, rule.location.line)),
            port: self.latest.port_name(event.port).map(str::to_owned),
            bytes: Some(event.length),
            new_flow: Some(event.flags & NEW_FLOW != 0),
            // The word is in network order, as its octets are.
            public_address: is_translated.then(|| Ipv4Addr::from(event.public_address.to_ne_bytes()).to_string()),
            public_port: is_translated.then_some(event.public_port),
            ..Line::of(&judgement)
        }
    }
}
