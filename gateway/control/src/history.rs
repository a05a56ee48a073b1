//! The policies that judged: who applied them, when, why, and what became of them.

use policy::overlay::Moment;
use serde::{Deserialize, Serialize};

/// A policy that is taken back by itself unless somebody confirms it in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Until when.
    pub until: Moment,
    /// The generation whose policy comes back then.
    pub back_to: u64,
}

/// One policy that was applied, and is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRow {
    /// Its generation.
    pub generation: u64,
    /// When, RFC 3339.
    pub applied_at: String,
    /// Who.
    pub who: String,
    /// Why.
    pub because: Option<String>,
    /// Digest of its tables.
    pub digest: String,
    /// Whether it judges.
    pub in_force: bool,
    /// The generation whose policy it brought back.
    pub restores: Option<u64>,
    /// Why it was taken back.
    pub taken_back: Option<String>,
    /// Until when it waits to be confirmed.
    pub trial: Option<Trial>,
}
