//! What a client calls the server, and the lists that have it.

use super::lookup::{Lists, Lookup};
use super::{HostLists, canonical};

/// A name, looked up.
pub(crate) struct Heard {
    kind: Kind,
    lists: Lists,
}

enum Kind {
    None,
    /// No host name, or none that anybody could have: neither a rule for names nor one for `none` matches.
    Unreadable,
    Readable,
}

impl Heard {
    pub fn new(name: Option<&str>, names: &Lookup) -> Self {
        let empty = |kind| Self { kind, lists: Lists::none() };
        match name.filter(|name| !name.is_empty()) {
            None => empty(Kind::None),
            // Only lists have names that begin with a dot.
            Some(name) if name.starts_with('.') => empty(Kind::Unreadable),
            Some(name) => match canonical(name) {
                Ok(name) => Self { kind: Kind::Readable, lists: names.find(&name) },
                Err(_) => empty(Kind::Unreadable),
            },
        }
    }

    /// Whether a rule for these names matches.
    pub fn is_in(&self, hosts: &HostLists) -> bool {
        match self.kind {
            Kind::None => hosts.none,
            Kind::Unreadable => false,
            Kind::Readable => hosts.lists.iter().any(|&list| self.lists.contains(list)),
        }
    }
}
