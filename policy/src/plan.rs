//! What would change between two policies, in words: `bangasa plan`, and what `apply` prints before it acts.
//!
//! Owns the list of changes and how it reads. Where a thing stands in its file is no part of it, nor is the order of
//! what has no order. An empty plan means that the tables stay the same, byte for byte.

mod compare;
mod http;
mod order;
mod rules;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;

use serde::Serialize;

use crate::checked::Policy;

/// Every change, the prefecture's first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Names, ports, sets, block list, essential services, baseline, lists of names, TLS and HTTP rules.
    pub prefecture: Vec<Change>,
    /// The municipalities that change, by id.
    pub municipalities: Vec<MunicipalityPlan>,
}

/// What changes for one municipality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MunicipalityPlan {
    /// Its id.
    pub id: String,
    /// Its name, the new one if that changes.
    pub name: String,
    /// Whether it comes, goes or stays.
    pub fate: Fate,
    /// In the order of the policy file. One that comes or goes lists what it brings or takes with it.
    pub changes: Vec<Change>,
}

/// Whether a municipality or a rule list's entry comes, goes or stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is new.
    Added,
    /// It is in the new policy no more.
    Removed,
    /// It is in both and differs.
    Changed,
}

/// One thing that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// A single value.
    Value {
        /// Which, as the policy file calls it.
        what: String,
        /// Before; none: there was no such thing.
        from: Option<String>,
        /// After; none: there is no such thing any more.
        to: Option<String>,
    },
    /// Entries of a list whose order means nothing.
    List {
        /// Which.
        what: String,
        /// New entries.
        added: Entries,
        /// Entries gone.
        removed: Entries,
    },
    /// A rule.
    Rule {
        /// `baseline`, `egress`, `ingress`, `tls` or `http`.
        list: &'static str,
        /// Its name.
        rule: String,
        /// What happens to it.
        #[serde(flatten)]
        change: RuleChange,
    },
}

/// How many entries, and the first few of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// All of them.
    pub count: usize,
    /// The first [`SHOWN`].
    pub first: Vec<String>,
}

/// Entries of a list that a plan spells out; a set may change by a million.
pub const SHOWN: usize = 4;

/// What happens to a rule. Positions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum RuleChange {
    /// It is new.
    Added {
        /// Its position.
        position: usize,
    },
    /// It goes.
    Removed,
    /// Other rules that stay now come before it, or no longer do.
    Moved {
        /// Its position before.
        from: usize,
        /// Its position after.
        to: usize,
    },
    /// It says something else.
    Changed {
        /// What.
        changes: Vec<Change>,
    },
}

/// What changes from `old` (none: nothing is installed) to `new`.
pub fn plan(old: Option<&Policy>, new: &Policy) -> Plan {
    compare::policies(old, new)
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.prefecture.is_empty() && self.municipalities.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
        if !self.prefecture.is_empty() {
            writeln!(f, "prefecture")?;
            indented(&self.prefecture, 1, f)?;
        }
        for municipality in &self.municipalities {
            write!(f, "{} ({})", municipality.id, municipality.name)?;
            match municipality.fate {
                Fate::Added => writeln!(f, ": new municipality")?,
                Fate::Removed => writeln!(f, ": municipality removed")?,
                Fate::Changed => writeln!(f)?,
            }
            indented(&municipality.changes, 1, f)?;
        }
        Ok(())
    }
}

fn indented(changes: &[Change], depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for change in changes {
        writeln!(f, "{:1$}{change}", "", depth * 2)?;
        if let Change::Rule { change: RuleChange::Changed { changes }, .. } = change {
            indented(changes, depth + 1, f)?;
        }
    }
    Ok(())
}

/// One line, without what changes inside a rule.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { what, from, to } => match (from, to) {
                (Some(from), Some(to)) => write!(f, "{what}: {from} → {to}"),
                (None, Some(to)) => write!(f, "{what}: {to} (new)"),
                (Some(from), None) => write!(f, "{what}: removed (was {from})"),
                (None, None) => write!(f, "{what}"),
            },
            Self::List { what, added, removed } => match (added.count, removed.count) {
                (_, 0) => write!(f, "{what}: {added} added"),
                (0, _) => write!(f, "{what}: {removed} removed"),
                _ => write!(f, "{what}: {added} added, {removed} removed"),
            },
            Self::Rule { list, rule, change } => {
                write!(f, "{list} rule `{rule}`: ")?;
                match change {
                    RuleChange::Added { position } => write!(f, "added at position {position}"),
                    RuleChange::Removed => write!(f, "removed"),
                    RuleChange::Moved { from, to } => write!(f, "moved from position {from} to {to}"),
                    RuleChange::Changed { .. } => write!(f, "changed"),
                }
            }
        }
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first.join(", "))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
