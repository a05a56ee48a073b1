//! Pairs of sources and destinations → `PAIRS`, as [`abi::pairs`] describes it.
//!
//! Sources with the same row are one to a rulebook, and destinations likewise; where the pairs of these are few, what
//! each pair satisfies is worked out here, so that a packet is not compared with rules that share only parts with it.
//! Nothing depends on it: a rulebook without pairs, and a pair with too many rules, have their rows.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use abi::limits::{PAIR_WORDS, RULEBOOK_PAIRS};
use abi::pairs::{CANDIDATES, ROWS, candidate, list};
use abi::tables::{Row, Rulebook, SERVICES, service_index};

use crate::pool::{Fingerprinted, Pool};
use crate::rulebook::Rulebooks;

type Quick = BuildHasherDefault<Fingerprinted>;

/// Rules of a rulebook up to which its rows are one word each, of which no pair can save any.
const FEW_RULES: usize = 64;

/// The pairs of every rulebook.
pub(crate) struct Pairs {
    words: Pool<u64>,
    /// By rulebook, if it has pairs.
    books: Vec<Option<Book>>,
}

/// Pairs of one rulebook.
struct Book {
    begins: u32,
    destinations: u16,
    /// By name of a view: the number of its source, and of its destination in the upper half.
    numbers: HashMap<u32, u32, Quick>,
}

impl Pairs {
    /// None for any of so many rulebooks.
    pub fn none(books: usize) -> Self {
        let mut words = Pool::new("words of pairs", PAIR_WORDS);
        // No rulebook's pairs begin at 0.
        words.items.push(ROWS);
        Self { words, books: (0..books).map(|_| None).collect() }
    }

    /// Whether pairs could save a packet of this rulebook anything.
    pub fn would_help(rulebooks: &Rulebooks<'_>, book: usize) -> bool {
        rulebooks.rules_of(book) > FEW_RULES
    }

    /// The pairs of a rulebook whose classes have these views: a name, the row as source and as destination. It stays
    /// without, if they are too many.
    pub fn add(&mut self, rulebooks: &Rulebooks<'_>, book: usize, views: impl Iterator<Item = (u32, [Row; 2])>) {
        let (mut sources, mut destinations) = (Numbers::default(), Numbers::default());
        let mut numbers = HashMap::default();
        for (view, [source, destination]) in views {
            numbers.insert(view, sources.of(source) | destinations.of(destination) << 16);
            if sources.rows.len() * destinations.rows.len() > RULEBOOK_PAIRS as usize {
                return;
            }
        }
        let sources: Vec<_> = sources.rows.iter().map(|&row| rulebooks.words(book, row)).collect();
        let destinations: Vec<Vec<_>> =
            destinations.rows.iter().map(|&row| filled(rulebooks.words(book, row))).collect();
        let mut table = Vec::with_capacity(sources.len() * destinations.len());
        let mut candidates = Vec::new();
        for source in &sources {
            for destination in &destinations {
                collect(rulebooks, book, source, destination, &mut candidates);
                let entry = match candidates[..] {
                    [] => Some(0),
                    [one] => Some(one),
                    _ if candidates.len() > CANDIDATES as usize => Some(ROWS),
                    _ => self.list(&candidates),
                };
                let Some(entry) = entry else { return };
                table.push(entry);
            }
        }
        let Ok(begins) = self.words.intern(&table) else { return };
        self.books[book] = Some(Book { begins, destinations: destinations.len() as u16, numbers });
    }

    /// None: there is no room.
    fn list(&mut self, candidates: &[u64]) -> Option<u64> {
        // In one cache line, if it can be.
        let begins = self.words.intern_aligned(candidates, candidates.len().next_power_of_two().min(8)).ok()?;
        Some(list(begins, candidates.len() as u32))
    }

    /// The numbers of a view in a rulebook: source, and destination in the upper half.
    pub fn numbers(&self, book: usize, view: u32) -> u32 {
        self.books[book].as_ref().and_then(|book| book.numbers.get(&view)).copied().unwrap_or(0)
    }

    /// Tells a rulebook where its pairs are.
    pub fn place(&self, book: usize, rulebook: &mut Rulebook) {
        if let Some(book) = &self.books[book] {
            (rulebook.pairs, rulebook.destinations) = (book.begins, book.destinations);
        }
    }

    /// `PAIRS`.
    pub fn into_words(self) -> Vec<u64> {
        self.words.items
    }
}

/// Rows in the order in which they came up.
#[derive(Default)]
struct Numbers {
    numbers: HashMap<u64, u32, Quick>,
    rows: Vec<Row>,
}

impl Numbers {
    fn of(&mut self, row: Row) -> u32 {
        *self.numbers.entry(u64::from(row.base) << 32 | u64::from(row.own)).or_insert_with(|| {
            self.rows.push(row);
            self.rows.len() as u32 - 1
        })
    }
}

/// The words that are not empty, each with its place.
fn filled(words: Vec<u64>) -> Vec<(usize, u64)> {
    words.into_iter().enumerate().filter(|(_, word)| *word != 0).collect()
}

/// What both have, in the order of the rules: as far as the first rule that is for every service, or beyond the limit.
fn collect(
    rulebooks: &Rulebooks<'_>,
    book: usize,
    source: &[u64],
    destination: &[(usize, u64)],
    candidates: &mut Vec<u64>,
) {
    candidates.clear();
    for &(at, word) in destination {
        let mut both = source[at] & word;
        while both != 0 {
            let rule = at as u32 * 64 + both.trailing_zeros();
            both &= both - 1;
            match rulebooks.services_of(book, rule) {
                None => return candidates.push(candidate(rule, 0, SERVICES - 1)),
                Some(services) => candidates.extend(services.iter().map(|service| {
                    let (first, last) = service.ports.unwrap_or((0, u16::MAX));
                    let index = |port| service_index(service.protocol, port);
                    candidate(rule, index(first), index(last))
                })),
            }
            if candidates.len() > CANDIDATES as usize {
                return;
            }
        }
    }
}
