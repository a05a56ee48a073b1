//! `[tls] bypass`: what becomes of clients that refuse the certificates that inspectors mint.
//!
//! A name that several clients refuse although its server is good becomes one that is passed on unopened: proposed to a
//! person, or by itself. Here is what the policy says about that; learning is the daemon's.

use serde::{Deserialize, Serialize};

use super::Bypass;
use crate::checked::Policy;

/// How often, within what time and for how long.
pub mod limits {
    /// Clients that must have refused, where nothing is said: the least, and the most.
    pub const CLIENTS: (u16, u16, u16) = (3, 2, 100);
    /// Seconds within which they must have: a day, from an hour to thirty days.
    pub const WITHIN: (u32, u32, u32) = (86_400, 3_600, 30 * 86_400);
    /// Seconds for which an approval holds: thirty days, from an hour to a year.
    pub const FOR: (u32, u32, u32) = (30 * 86_400, 3_600, 365 * 86_400);
}

/// What one file says. What it leaves out is the prefecture's to say, or else has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BypassSaid {
    /// Whether anything is learned, and what comes of it.
    pub mode: Option<Bypass>,
    /// Different clients that must have refused.
    pub clients: Option<u16>,
    /// Seconds within which they must have.
    pub within_seconds: Option<u32>,
    /// Seconds for which an approval holds.
    pub for_seconds: Option<u32>,
}

/// What holds for a municipality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BypassTerms {
    /// Whether anything is learned, and what comes of it.
    pub mode: Bypass,
    /// Different clients that must have refused.
    pub clients: u16,
    /// Seconds within which they must have.
    pub within_seconds: u32,
    /// Seconds for which an approval holds.
    pub for_seconds: u32,
}

impl Default for BypassTerms {
    fn default() -> Self {
        Self::of(BypassSaid::default(), BypassSaid::default())
    }
}

impl BypassTerms {
    /// What the prefecture says, and the municipality instead.
    pub(crate) fn of(above: BypassSaid, own: BypassSaid) -> Self {
        Self {
            mode: own.mode.or(above.mode).unwrap_or(Bypass::Off),
            clients: own.clients.or(above.clients).unwrap_or(limits::CLIENTS.0),
            within_seconds: own.within_seconds.or(above.within_seconds).unwrap_or(limits::WITHIN.0),
            for_seconds: own.for_seconds.or(above.for_seconds).unwrap_or(limits::FOR.0),
        }
    }

    /// What a policy has for a municipality; none: it has no such municipality.
    pub fn for_municipality(policy: &Policy, municipality: &str) -> Option<Self> {
        let municipality = policy.municipalities.iter().find(|it| it.id == municipality)?;
        Some(Self::of(policy.tls.bypass, municipality.tls.bypass))
    }
}
