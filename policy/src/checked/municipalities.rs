//! The municipalities of a policy, which a policy that differs elsewhere shares.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Municipality;

/// Municipalities; a clone is another name for the same ones, until somebody changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Municipalities(Arc<Vec<Municipality>>);

impl Municipalities {
    /// Whether both are the same ones, not only equal ones.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Municipalities {
    type Target = Vec<Municipality>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Municipalities {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Vec<Municipality>> for Municipalities {
    fn from(municipalities: Vec<Municipality>) -> Self {
        Self(Arc::new(municipalities))
    }
}

impl<'a> IntoIterator for &'a Municipalities {
    type Item = &'a Municipality;
    type IntoIter = std::slice::Iter<'a, Municipality>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Municipalities {
    type Item = &'a mut Municipality;
    type IntoIter = std::slice::IterMut<'a, Municipality>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
