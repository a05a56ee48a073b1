//! Which lists a name is in: a hash of every name of every list, asked once for the name and once for each dot in it,
//! however many lists and rules there are.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::limits;
use super::names::{NAME_BYTES, Names};

/// Lists that a view may have: named ones, and one for each TLS or HTTP rule that spells names out.
pub(super) const LISTS: usize = limits::NAME_LISTS + 2 * limits::RULES + 2 * crate::http::limits::RULES;
const WORD_BITS: usize = u64::BITS as usize;
/// No further list has the name.
const END: u32 = u32::MAX;

/// Lists by number.
pub(crate) struct Lists([u64; LISTS.div_ceil(WORD_BITS)]);

impl Lists {
    pub const fn none() -> Self {
        Self([0; LISTS.div_ceil(WORD_BITS)])
    }

    fn add(&mut self, list: u32) {
        let list = list as usize;
        if let Some(word) = self.0.get_mut(list / WORD_BITS) {
            *word |= 1 << (list % WORD_BITS);
        }
    }

    pub fn contains(&self, list: u32) -> bool {
        let list = list as usize;
        self.0.get(list / WORD_BITS).is_some_and(|word| word >> (list % WORD_BITS) & 1 == 1)
    }
}

/// The index. Names stay where they are, in their lists: a million of them take 22 MB beside.
#[derive(Debug)]
pub(crate) struct Lookup {
    lists: Vec<Names>,
    places: Vec<Place>,
    /// By name, its last place.
    table: HashTable<u32>,
    /// Keyed anew in every process, so that nobody can write lists whose names collide.
    hasher: RandomState,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    list: u32,
    /// In the list's text.
    start: u32,
    /// The place of the same name in another list.
    next: u32,
}

impl Lookup {
    /// Of the lists that are used; no other is ever found.
    pub fn new(lists: &[Names], used: impl Iterator<Item = u32>) -> Self {
        let used: BTreeSet<usize> = used.map(|list| list as usize).filter(|&list| list < lists.len()).collect();
        let count = used.iter().map(|&list| lists[list].len()).sum();
        let mut lookup = Self {
            lists: lists.to_vec(),
            places: Vec::with_capacity(count),
            table: HashTable::with_capacity(count),
            hasher: RandomState::new(),
        };
        used.into_iter().for_each(|list| lookup.add(list));
        lookup
    }

    fn add(&mut self, list: usize) {
        let Self { lists, places, table, hasher } = self;
        // Texts are at most as long as all files of a policy, a quarter of a GiB.
        let number = |at: usize| u32::try_from(at).unwrap_or(END);
        let mut start = 0;
        for name in lists[list].iter() {
            let at = number(places.len());
            let hash = |name: &str| hasher.hash_one(name);
            let entry = table.entry(
                hash(name),
                |&other| name_at(lists, places[other as usize]) == name,
                |&other| hash(name_at(lists, places[other as usize])),
            );
            let next = match entry {
                Entry::Occupied(mut last) => std::mem::replace(last.get_mut(), at),
                Entry::Vacant(vacant) => {
                    vacant.insert(at);
                    END
                }
            };
            places.push(Place { list: number(list), start: number(start), next });
            start += name.len() + 1;
        }
    }

    /// The lists that have a canonical name, by itself or with everything below a part of it.
    pub fn find(&self, name: &str) -> Lists {
        let mut found = Lists::none();
        let mut buffer = [b'.'; NAME_BYTES + 1];
        let Some(space) = buffer.get_mut(1..=name.len()) else { return found };
        space.copy_from_slice(name.as_bytes());
        let Ok(dotted) = std::str::from_utf8(&buffer[..=name.len()]) else { return found };
        self.find_key(name, &mut found);
        for (at, _) in dotted.match_indices('.') {
            self.find_key(&dotted[at..], &mut found);
        }
        found
    }

    fn find_key(&self, key: &str, found: &mut Lists) {
        let is_it = |&place: &u32| name_at(&self.lists, self.places[place as usize]) == key;
        let mut next = self.table.find(self.hasher.hash_one(key), is_it).copied();
        while let Some(place) = next.and_then(|at| self.places.get(at as usize)) {
            found.add(place.list);
            next = Some(place.next);
        }
    }
}

fn name_at(lists: &[Names], place: Place) -> &str {
    let rest = &lists[place.list as usize].text()[place.start as usize..];
    rest.split('\n').next().unwrap_or(rest)
}
