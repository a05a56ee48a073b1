//! Rules → bit-vector rows. A rule is one bit in the rows of its rulebook; an address class or a service class has a
//! row in each dimension, with a bit for every rule that it satisfies there. The lowest bit set in all three rows is
//! the first rule that matches.
//!
//! Most classes concern few rulebooks: row 0 of every dimension is that of a class in no list, and only what a class
//! adds to it is worked out.

use std::collections::{BTreeMap, HashMap};

use abi::Direction;
use abi::limits::{ROW_WORDS, RULEBOOK_WORDS, RULES};
use abi::tables::{RuleEntry, Rulebook, action};
use ipnet::IpNet;

use crate::checked::{Action, Addresses, Policy, Rule, Service};
use crate::compile::{CapacityError, RuleDoc, capacity};

/// What a row says about a rule: that its `from`, its `to` or its services are satisfied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Source = 0,
    Destination = 1,
    Service = 2,
}

impl Dimension {
    const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Service];
}

/// A rulebook, by the municipality's position in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    pub municipality: usize,
    pub direction: Direction,
}

/// Every rulebook of a policy.
pub(crate) struct Rulebooks<'a> {
    /// Every rule once, as [`RuleEntry::rule`] counts them: the baseline, then each municipality's egress and ingress.
    pub docs: Vec<RuleDoc>,
    /// The lists that `from` and `to` are made of, by number.
    pub prefixes: Lists<'a, IpNet>,
    /// The lists of services, by number.
    pub services: Lists<'a, Service>,
    /// By municipality and direction.
    books: Vec<BookRules<'a>>,
    /// By municipality, direction and dimension.
    rows: Vec<Rows>,
    /// By list of prefixes.
    prefix_uses: Vec<Vec<Use>>,
    /// By list of services.
    service_uses: Vec<Vec<Use>>,
}

struct BookRules<'a> {
    rules: Vec<Prepared<'a>>,
    default: Action,
}

/// A rule with its lists numbered: in each dimension it asks for one of them; none: it does not ask.
#[derive(Clone)]
struct Prepared<'a> {
    rule: &'a Rule,
    number: u32,
    baseline: bool,
    lists: [Option<Vec<u32>>; 3],
}

/// A rule asks for membership in a list: which of the [`Rulebooks::rows`], which bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    rows: u32,
    bit: u32,
}

/// Equal lists have one number, so that a list used by many rules makes one class, not many.
pub(crate) struct Lists<'a, T> {
    numbers: BTreeMap<&'a [T], u32>,
    /// By place in memory: comparing a list that thousands of rules share once is enough.
    known: HashMap<*const [T], u32>,
    pub lists: Vec<&'a [T]>,
}

impl<'a, T: Ord> Lists<'a, T> {
    fn new() -> Self {
        Self { numbers: BTreeMap::new(), known: HashMap::new(), lists: Vec::new() }
    }

    fn number(&mut self, list: &'a [T]) -> u32 {
        *self.known.entry(list).or_insert_with(|| {
            *self.numbers.entry(list).or_insert_with(|| {
                self.lists.push(list);
                self.lists.len() as u32 - 1
            })
        })
    }
}

impl<'a> Rulebooks<'a> {
    /// Collects the rules.
    ///
    /// # Errors
    /// A rulebook has more rules than a row has bits, or all together more than `RULES` holds.
    pub fn collect(policy: &'a Policy) -> Result<Self, CapacityError> {
        let mut all = Self {
            docs: Vec::new(),
            prefixes: Lists::new(),
            services: Lists::new(),
            books: Vec::new(),
            rows: Vec::new(),
            prefix_uses: Vec::new(),
            service_uses: Vec::new(),
        };
        let baseline: Vec<_> = policy.baseline.iter().map(|rule| all.prepare(rule, None)).collect();
        for municipality in &policy.municipalities {
            for direction in Direction::ALL {
                let own = match direction {
                    Direction::Egress => &municipality.egress,
                    Direction::Ingress => &municipality.ingress,
                };
                let mut rules = baseline.clone();
                rules.extend(own.rules.iter().map(|rule| all.prepare(rule, Some(&municipality.id))));
                rules.retain(|it| it.rule.directions.contains(&direction));
                all.book(BookRules { rules, default: own.default })?;
            }
        }
        capacity::fits(
            "rules, the baseline counted once a rulebook",
            all.books.iter().map(|it| it.rules.len()).sum(),
            RULES,
        )?;
        Ok(all)
    }

    fn prepare(&mut self, rule: &'a Rule, municipality: Option<&str>) -> Prepared<'a> {
        self.docs.push(RuleDoc {
            name: rule.name.clone(),
            municipality: municipality.map(str::to_owned),
            directions: rule.directions.clone(),
            action: rule.action,
            location: rule.location.clone(),
        });
        let mut prefixes = |side: &'a Option<Addresses>| {
            side.as_ref().map(|side| side.lists().iter().map(|list| self.prefixes.number(list)).collect())
        };
        let (from, to) = (prefixes(&rule.from), prefixes(&rule.to));
        let lists = [from, to, rule.services.as_deref().map(|list| vec![self.services.number(list)])];
        self.prefix_uses.resize_with(self.prefixes.lists.len(), Vec::new);
        self.service_uses.resize_with(self.services.lists.len(), Vec::new);
        Prepared { rule, number: self.docs.len() as u32, baseline: municipality.is_none(), lists }
    }

    fn book(&mut self, book: BookRules<'a>) -> Result<(), CapacityError> {
        let room = RULEBOOK_WORDS as usize * 64;
        if let Some(misfit) = book.rules.get(room) {
            return Err(CapacityError {
                what: "rules of one municipality in one direction, the baseline included",
                needed: book.rules.len() as u64,
                limit: room as u64,
                location: Some(misfit.rule.location.clone()),
            });
        }
        for dimension in Dimension::ALL {
            let mut rows = Rows::new(book.rules.len().div_ceil(64));
            for (bit, rule) in (0..).zip(&book.rules) {
                let uses = match dimension {
                    Dimension::Service => &mut self.service_uses,
                    _ => &mut self.prefix_uses,
                };
                match &rule.lists[dimension as usize] {
                    Some(lists) => lists
                        .iter()
                        .for_each(|&list| uses[list as usize].push(Use { rows: self.rows.len() as u32, bit })),
                    None => set(&mut rows.rows, bit),
                }
            }
            rows.remember_first();
            self.rows.push(rows);
        }
        self.books.push(book);
        Ok(())
    }

    /// The uses of a list of prefixes, for [`Self::number_rows`].
    pub fn prefix_uses(&self, list: u32) -> &[Use] {
        &self.prefix_uses[list as usize]
    }

    /// The uses of a list of services, for [`Self::number_rows`].
    pub fn service_uses(&self, list: u32) -> &[Use] {
        &self.service_uses[list as usize]
    }

    /// Numbers the rows of a class that is in the lists with these uses, wherever that may be another than row 0.
    ///
    /// # Errors
    /// A dimension of a rulebook has more rows than a row number can tell apart.
    pub fn number_rows(
        &mut self,
        uses: &mut [Use],
        mut number: impl FnMut(Book, Dimension, u16),
    ) -> Result<(), CapacityError> {
        uses.sort_unstable();
        for uses in uses.chunk_by(|a, b| a.rows == b.rows) {
            let rows = uses[0].rows as usize;
            let row = self.rows[rows].number(uses.iter().map(|it| it.bit))?;
            let direction = Direction::ALL[rows / 3 % 2];
            number(Book { municipality: rows / 6, direction }, Dimension::ALL[rows % 3], row);
        }
        Ok(())
    }

    /// Lays out `ROWS` and `RULES`, once every class has its rows. The rulebooks are by municipality and direction;
    /// their service views are the caller's to place.
    ///
    /// # Errors
    /// There are more words than `ROWS` holds.
    pub fn lay_out(self) -> Result<Layout, CapacityError> {
        let words = self.rows.iter().map(|it| it.rows.len()).sum();
        capacity::fits("words of rule rows", words, ROW_WORDS)?;
        let mut layout = Layout { rulebooks: Vec::new(), rows: Vec::with_capacity(words), rules: Vec::new() };
        for (book, rows) in self.books.iter().zip(self.rows.chunks_exact(3)) {
            let mut place = |dimension: Dimension| {
                let start = layout.rows.len() as u32;
                layout.rows.extend_from_slice(&rows[dimension as usize].rows);
                start
            };
            layout.rulebooks.push(Rulebook {
                words: rows[0].words as u32,
                source_rows: place(Dimension::Source),
                destination_rows: place(Dimension::Destination),
                service_rows: place(Dimension::Service),
                service_views: 0,
                rules: layout.rules.len() as u32,
                default_action: u32::from(action_number(book.default)),
            });
            layout.rules.extend(book.rules.iter().map(|it| RuleEntry {
                rule: it.number,
                action: action_number(it.rule.action),
                baseline: u16::from(it.baseline),
            }));
        }
        Ok(layout)
    }
}

/// Rulebooks, `ROWS` and `RULES`.
pub(crate) struct Layout {
    pub rulebooks: Vec<Rulebook>,
    pub rows: Vec<u64>,
    pub rules: Vec<RuleEntry>,
}

fn action_number(says: Action) -> u16 {
    match says {
        Action::Deny => action::DENY,
        Action::Allow => action::ALLOW,
        Action::Inspect => action::INSPECT,
    }
}

/// The distinct rows of one dimension of one rulebook.
struct Rows {
    words: usize,
    rows: Vec<u64>,
    numbers: HashMap<Box<[u64]>, u16>,
}

impl Rows {
    /// With an empty row 0.
    fn new(words: usize) -> Self {
        Self { words, rows: vec![0; words], numbers: HashMap::new() }
    }

    fn remember_first(&mut self) {
        self.numbers.insert(self.rows.as_slice().into(), 0);
    }

    /// The number of row 0 with these bits added.
    fn number(&mut self, bits: impl Iterator<Item = u32>) -> Result<u16, CapacityError> {
        let mut row: Box<[u64]> = self.rows[..self.words].into();
        bits.for_each(|bit| set(&mut row, bit));
        if let Some(&number) = self.numbers.get(&row) {
            return Ok(number);
        }
        let number = u16::try_from(self.numbers.len()).map_err(|_| CapacityError {
            what: "combinations of rules that an address or service can satisfy in one municipality and direction",
            needed: self.numbers.len() as u64 + 1,
            limit: 1 << 16,
            location: None,
        })?;
        self.rows.extend_from_slice(&row);
        self.numbers.insert(row, number);
        Ok(number)
    }
}

fn set(row: &mut [u64], bit: u32) {
    row[bit as usize / 64] |= 1 << (bit % 64);
}
