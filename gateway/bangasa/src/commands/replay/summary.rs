//! What a replay came to, for people.

use std::collections::BTreeMap;

use control::Line;

use crate::engine::Kind;
use crate::style::{Colour, STRONG};

/// Packets by verdict and reason.
#[derive(Default)]
pub(super) struct Summary {
    packets: u64,
    by_outcome: BTreeMap<(String, String), u64>,
}

impl Summary {
    pub(super) fn count(&mut self, line: &Line) {
        self.packets += 1;
        *self.by_outcome.entry((line.verdict.clone(), line.reason.clone())).or_default() += 1;
    }

    /// The most frequent first.
    pub(super) fn lines(&self, engine: Kind, colour: Colour) -> Vec<String> {
        let engine = match engine {
            Kind::Kernel => "the program in the kernel",
            Kind::Model => "the model",
        };
        let packets = if self.packets == 1 { "1 packet".to_owned() } else { format!("{} packets", self.packets) };
        let heading = colour.paint(STRONG, &format!("{packets}, judged by {engine}"), 0);
        let mut outcomes: Vec<_> = self.by_outcome.iter().collect();
        outcomes.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let outcomes = outcomes
            .into_iter()
            .map(|((verdict, reason), packets)| format!("{packets:>11}  {} {reason}", colour.verdict(verdict, 7)));
        [String::new(), heading].into_iter().chain(outcomes).collect()
    }
}
