//! What does not fit: the only way in which a checked policy can fail to compile.

use crate::source::Location;

/// A policy needs more of something than the maps hold. Nothing is cut short: this is reported before anything changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {needed} needed, {limit} fit")]
pub struct CapacityError {
    /// What there is too much of, in the plural.
    pub what: &'static str,
    /// How many the policy needs.
    pub needed: u64,
    /// How many fit.
    pub limit: u64,
    /// The first thing that does not fit, where it stands in the policy.
    pub location: Option<Location>,
}

/// Refuses more than `limit` of something that has no place in the text.
pub(crate) fn fits(what: &'static str, needed: usize, limit: u32) -> Result<(), CapacityError> {
    let (needed, limit) = (needed as u64, u64::from(limit));
    if needed <= limit { Ok(()) } else { Err(CapacityError { what, needed, limit, location: None }) }
}
