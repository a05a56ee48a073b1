//! `[limits]` of a municipality.

use std::collections::BTreeMap;
use std::fmt;

use abi::{Direction, Limit};

/// What a municipality may use up. What is not named is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets(pub BTreeMap<Budget, u64>);

/// One number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    /// What is limited.
    pub limit: Limit,
    /// Which way; none: what is limited has no direction, or one only.
    pub direction: Option<Direction>,
}

impl Budget {
    /// A limit that has no direction.
    pub const fn whole(limit: Limit) -> Self {
        Self { limit, direction: None }
    }

    /// A limit in one direction.
    pub const fn way(limit: Limit, direction: Direction) -> Self {
        Self { limit, direction: Some(direction) }
    }
}

impl Budgets {
    /// The number for what goes this way.
    pub fn of(&self, limit: Limit, direction: Direction) -> Option<u64> {
        let keys = [Budget::way(limit, direction), Budget::whole(limit)];
        keys.iter().find_map(|key| self.0.get(key)).copied()
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.limit.name())?;
        self.direction.map_or(Ok(()), |direction| write!(f, " {}", direction.name()))
    }
}
