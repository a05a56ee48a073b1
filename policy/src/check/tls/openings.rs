//! Which openings a rule can match, all that it asks for considered.

use super::ResolvedTlsRule;
use crate::tls::Opening;

/// A set of openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Openings(u8);

impl Openings {
    fn those(is_in: impl Fn(Opening) -> bool) -> Self {
        let all = (0..).zip(Opening::WORDS);
        Self(all.filter(|(_, (_, opening))| is_in(*opening)).fold(0, |set, (bit, _)| set | 1 << bit))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether there is one with a ClientHello among them.
    pub fn has_hello(self) -> bool {
        self.0 & Self::those(Opening::has_hello).0 != 0
    }
}

impl ResolvedTlsRule<'_> {
    /// By `speaks` alone.
    pub(super) fn spoken(&self) -> Openings {
        let speaks = self.raw.speaks.as_ref();
        Openings::those(|opening| speaks.is_none_or(|list| list.items.iter().any(|word| word.value == opening)))
    }

    /// By everything.
    pub(super) fn openings(&self) -> Openings {
        let carried = |opening: Opening| {
            let carries = |protocol| opening.transports().iter().any(|transport| transport.protocol() == protocol);
            self.services.as_ref().is_none_or(|services| services.iter().any(|service| carries(service.protocol)))
        };
        let possible = Openings::those(|opening| carried(opening) && (opening.has_hello() || !self.asks_about_hello()));
        Openings(possible.0 & self.spoken().0)
    }
}
