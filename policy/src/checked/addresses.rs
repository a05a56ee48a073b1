//! Addresses as rules name them: lists of prefixes that exist once, however many rules name them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Prefixes that many share; a clone is another name for the same list. From [`crate::check`] they are sorted, disjoint
/// and aggregated.
#[derive(Clone, Default)]
pub struct Prefixes(Arc<[IpNet]>);

impl Prefixes {
    /// Whether both are one list, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Prefixes {
    type Target = [IpNet];

    fn deref(&self) -> &[IpNet] {
        &self.0
    }
}

impl From<Vec<IpNet>> for Prefixes {
    fn from(prefixes: Vec<IpNet>) -> Self {
        Self(prefixes.into())
    }
}

impl FromIterator<IpNet> for Prefixes {
    fn from_iter<I: IntoIterator<Item = IpNet>>(prefixes: I) -> Self {
        Self(prefixes.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Prefixes {
    type Item = &'a IpNet;
    type IntoIter = std::slice::Iter<'a, IpNet>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Prefixes {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl Eq for Prefixes {}

impl Serialize for Prefixes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Prefixes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One side of a rule: the union of some lists, none of which is empty. No list at all is nobody.
///
/// Sets and sections are lists of their own, which rules share; what a rule spells out is one more, and comes first.
/// A union worked out for each rule would repeat a set of 100,000 prefixes in every rule that names one address more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses(Box<[Prefixes]>);

impl Addresses {
    /// The lists. They may overlap.
    pub fn lists(&self) -> &[Prefixes] {
        &self.0
    }

    /// The prefixes of all lists, one list after the other.
    pub fn prefixes(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter().flatten()
    }
}

impl FromIterator<Prefixes> for Addresses {
    fn from_iter<I: IntoIterator<Item = Prefixes>>(lists: I) -> Self {
        Self(lists.into_iter().filter(|list| !list.is_empty()).collect())
    }
}

impl From<Vec<IpNet>> for Addresses {
    fn from(prefixes: Vec<IpNet>) -> Self {
        std::iter::once(Prefixes::from(prefixes)).collect()
    }
}
