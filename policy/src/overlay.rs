//! What operators lay over the installed policy when there is no time for a change of policy: who is cut off
//! (isolations), and what is blocked for everybody (indicators). The tables are made of both, so that one generation
//! holds policy and overlays, and the model, `explain` and the kernel say the same of them. Pure: times are given.

mod about;
mod isolations;
mod list;
mod moment;
mod objections;
mod target;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::check::ranges::Ranges;
use crate::checked::{Isolation as Cut, Municipality, Policy, Set};
use crate::source::Location;

pub use list::prefixes as read_list;
pub use moment::{BadMoment, Moment, span};
pub use objections::{Objection, objections};
pub use target::{BadTarget, Target};

/// The block set that indicators are. No set of a policy can be called so.
pub const INDICATORS: &str = "+indicators";
/// Prefixes that may be indicators at one time.
pub const MOST_INDICATORS: usize = 1 << 18;
/// Isolations at one time.
pub const MOST_ISOLATIONS: usize = 4_096;

/// Everything that lies over the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlays {
    /// Who is cut off, in the order of time.
    pub isolations: Vec<Isolation>,
    /// What is blocked, in the order of time; a prefix may be in several and is blocked while it is in any.
    pub indicators: Vec<Indicators>,
}

/// Who, when, why, and until when; none: until it is taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who, as people read it.
    pub who: String,
    /// When.
    pub since: Moment,
    /// Why, in the operator's words.
    pub because: String,
    /// When it ends by itself.
    pub until: Option<Moment>,
}

/// Somebody who is cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// Whom the operator named.
    pub target: Target,
    /// What a section held since: it stays cut off even where the policy later has less of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<IpNet>,
    /// Who did it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Prefixes that were blocked together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indicators {
    /// As they were given, each once.
    pub prefixes: Vec<IpNet>,
    /// Who did it.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Why a change cannot be made. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing of that name is cut off.
    #[error("`{target}` is not isolated by a command{hint}")]
    NotIsolated {
        /// As asked for.
        target: String,
        /// What is, or that the policy isolates it.
        hint: String,
    },
    /// Prefixes that are no indicators.
    #[error(
        "{count} of these prefixes {are} not blocked by a command, such as `{first}`; see `bangasa block list`; nothing was changed",
        are = if *.count == 1 { "is" } else { "are" }
    )]
    NotBlocked {
        /// How many.
        count: usize,
        /// One of them.
        first: IpNet,
    },
    /// There is no room.
    #[error("there would be {needed} {what}, and there is room for {most}; remove some first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there would be.
        needed: usize,
        /// How many there may be.
        most: usize,
    },
}

impl Overlays {
    /// The policy that the tables are made of.
    pub fn over(&self, policy: &Policy) -> Policy {
        let mut laid = policy.clone();
        // There even when it is empty, so that the first indicator changes no more than the thousandth.
        laid.block.insert(0, INDICATORS.to_owned());
        let location = Location { file: INDICATORS.to_owned(), line: 1, column: 1 };
        laid.sets.insert(INDICATORS.to_owned(), Set { prefixes: self.blocked().prefixes().into(), location });
        if !self.isolations.is_empty() {
            laid.municipalities.iter_mut().for_each(|town| town.isolation = self.cut(town));
        }
        laid
    }

    fn blocked(&self) -> Ranges {
        Ranges::of(self.indicators.iter().flat_map(|batch| &batch.prefixes))
    }

    /// A municipality's isolation: the policy's own and every one that was ordered.
    fn cut(&self, town: &Municipality) -> Cut {
        let mut parts = match &town.isolation {
            Cut::All => return Cut::All,
            Cut::Parts(parts) => Ranges::of(parts),
            Cut::None => Ranges::default(),
        };
        for isolation in self.isolations.iter().filter(|it| it.target.is_about(&town.id)) {
            match &isolation.target {
                Target::All | Target::Municipality { .. } => return Cut::All,
                Target::Section { section, .. } => {
                    parts.extend(&Ranges::of(&isolation.held));
                    parts.extend(&Ranges::of(town.sections.get(section).into_iter().flatten()));
                }
                Target::Part { prefix, .. } => parts.add_prefix(*prefix),
            }
        }
        parts.normalize();
        if parts.is_empty() { Cut::None } else { Cut::Parts(parts.prefixes()) }
    }

    /// Blocks prefixes for everybody; answers how many of them were not blocked by a command before.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn block(&mut self, mut prefixes: Vec<IpNet>, origin: Origin) -> Result<usize, Refused> {
        prefixes.sort_unstable();
        prefixes.dedup();
        let known: std::collections::HashSet<IpNet> =
            self.indicators.iter().flat_map(|it| &it.prefixes).copied().collect();
        let new = prefixes.iter().filter(|prefix| !known.contains(prefix)).count();
        let needed = self.indicator_count() + prefixes.len();
        if needed > MOST_INDICATORS {
            return Err(Refused::TooMany { what: "indicators", needed, most: MOST_INDICATORS });
        }
        self.indicators.push(Indicators { prefixes, origin });
        Ok(new)
    }

    /// Takes prefixes back, whoever has blocked them.
    ///
    /// # Errors
    /// One of them is not blocked by a command.
    pub fn unblock(&mut self, prefixes: &[IpNet]) -> Result<(), Refused> {
        let wanted: std::collections::HashSet<&IpNet> = prefixes.iter().collect();
        let known: std::collections::HashSet<IpNet> =
            self.indicators.iter().flat_map(|it| &it.prefixes).copied().collect();
        let mut missing = prefixes.iter().filter(|prefix| !known.contains(prefix));
        if let Some(first) = missing.next().copied() {
            return Err(Refused::NotBlocked { count: 1 + missing.count(), first });
        }
        self.indicators.iter_mut().for_each(|batch| batch.prefixes.retain(|prefix| !wanted.contains(prefix)));
        self.indicators.retain(|batch| !batch.prefixes.is_empty());
        Ok(())
    }

    /// Indicators, one for each time that it was given.
    pub fn indicator_count(&self) -> usize {
        self.indicators.iter().map(|batch| batch.prefixes.len()).sum()
    }

    /// Takes away what has ended, and says what that was.
    pub fn expire(&mut self, now: Moment) -> Expired {
        let has_ended = |origin: &Origin| origin.until.is_some_and(|until| until <= now);
        Expired {
            isolations: self.isolations.extract_if(.., |it| has_ended(&it.origin)).collect(),
            indicators: self.indicators.extract_if(.., |it| has_ended(&it.origin)).collect(),
        }
    }

    /// When the next of them ends by itself.
    pub fn next_end(&self) -> Option<Moment> {
        let origins = self.isolations.iter().map(|it| &it.origin).chain(self.indicators.iter().map(|it| &it.origin));
        origins.filter_map(|origin| origin.until).min()
    }
}

/// What has ended by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Who is no longer cut off.
    pub isolations: Vec<Isolation>,
    /// What is no longer blocked.
    pub indicators: Vec<Indicators>,
}

impl Expired {
    /// Whether nothing has.
    pub fn is_empty(&self) -> bool {
        self.isolations.is_empty() && self.indicators.is_empty()
    }
}

#[cfg(test)]
mod tests;
