//! Rules → bits. A rule is one bit in the rows of its rulebook; an address class or a service class has a row in each
//! dimension, with a bit for every rule that it satisfies there. The lowest bit set in all three rows is the first rule
//! that matches.
//!
//! Rules without a list in a dimension are satisfied by every class there: they are the bits of the dimension's base row,
//! and only what a class adds to it is worked out.

mod rows;

use std::collections::HashMap;
use std::hash::Hash;

use abi::Direction;
use abi::limits::{RULEBOOK_RULES, RULES};
use abi::tables::{RULES_A_WORD, Row, Rulebook, action};
use ipnet::IpNet;

use crate::checked::{Action, Addresses, Policy, Rule, Service, WhenDown};
use crate::compile::{CapacityError, RuleDoc};
use crate::source::Location;
use rows::Rows;

pub(crate) use rows::Bits;

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

/// One dimension of one rulebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u32);

impl Place {
    /// The three dimensions of a rulebook.
    pub fn of_book(book: usize) -> [Self; 3] {
        Dimension::ALL.map(|dimension| Self(book as u32 * 3 + dimension as u32))
    }

    /// Number of the rulebook, by municipality and direction.
    pub fn book(self) -> usize {
        self.0 as usize / 3
    }

    /// 1 for ingress.
    fn direction(self) -> usize {
        self.book() % 2
    }

    /// Which dimension.
    pub fn dimension(self) -> Dimension {
        Dimension::ALL[self.0 as usize % 3]
    }
}

/// Every rulebook of a policy.
pub(crate) struct Rulebooks<'a> {
    /// Every rule once, in the order of their numbers, from 1: the baseline, then each municipality's egress and ingress.
    pub docs: Vec<RuleDoc>,
    /// The lists that `from` and `to` are made of, by number.
    pub prefixes: Lists<'a, IpNet>,
    /// The lists of services, by number.
    pub services: Lists<'a, Service>,
    /// Rules of the baseline.
    baseline: u32,
    /// By municipality and direction.
    books: Vec<BookRules<'a>>,
    /// By [`Place`]: the row of a class in no list.
    bases: Vec<Row>,
    rows: Rows,
    prefix_uses: Uses,
    service_uses: Uses,
}

struct BookRules<'a> {
    summaries: usize,
    /// The baseline and its own, those of the other direction included, which no class satisfies.
    rules: Vec<Prepared<'a>>,
    /// Number of the first own rule.
    own_rules: u32,
    default: Action,
}

/// A rule with its lists numbered: in each dimension it asks for one of them; none: it does not ask.
#[derive(Clone)]
struct Prepared<'a> {
    rule: &'a Rule,
    lists: [Option<Vec<u32>>; 3],
}

/// A rule asks for membership in a list: where, and which bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub place: Place,
    pub bit: u32,
}

/// The uses of every list.
#[derive(Default)]
struct Uses {
    /// By list: where its uses begin.
    starts: Vec<u32>,
    uses: Vec<Use>,
}

impl Uses {
    /// From uses with the number of their list.
    fn new(lists: usize, found: &[(u32, Use)]) -> Self {
        let mut starts = vec![0; lists + 1];
        for &(list, _) in found {
            starts[list as usize + 1] += 1;
        }
        for list in 0..lists {
            starts[list + 1] += starts[list];
        }
        let mut ends = starts.clone();
        let mut uses = vec![Use { place: Place(0), bit: 0 }; found.len()];
        for &(list, it) in found {
            uses[ends[list as usize] as usize] = it;
            ends[list as usize] += 1;
        }
        Self { starts, uses }
    }

    fn of(&self, list: u32) -> &[Use] {
        &self.uses[self.starts[list as usize] as usize..self.starts[list as usize + 1] as usize]
    }
}

/// Equal lists have one number, so that a list used by many rules makes one class, not many.
pub(crate) struct Lists<'a, T> {
    /// By place in memory, because rules that name the same set share its list, which may be long.
    by_place: HashMap<(*const T, usize), u32>,
    numbers: HashMap<&'a [T], u32>,
    pub lists: Vec<&'a [T]>,
}

impl<'a, T: Eq + Hash> Lists<'a, T> {
    fn new() -> Self {
        Self { by_place: HashMap::new(), numbers: HashMap::new(), lists: Vec::new() }
    }

    fn number(&mut self, list: &'a [T]) -> u32 {
        *self.by_place.entry((list.as_ptr(), list.len())).or_insert_with(|| {
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
            baseline: policy.baseline.len() as u32,
            books: Vec::new(),
            bases: Vec::new(),
            rows: Rows::new()?,
            prefix_uses: Uses::default(),
            service_uses: Uses::default(),
        };
        let baseline: Vec<_> = policy.baseline.iter().map(|rule| all.prepare(rule, None)).collect();
        for municipality in &policy.municipalities {
            for direction in Direction::ALL {
                let own = match direction {
                    Direction::Egress => &municipality.egress,
                    Direction::Ingress => &municipality.ingress,
                };
                let own_rules = all.docs.len() as u32 + 1;
                let mut rules = baseline.clone();
                rules.extend(own.rules.iter().map(|rule| all.prepare(rule, Some(&municipality.id))));
                let numbers = own_rules as usize + own.rules.len();
                let misfit = (RULES as usize).checked_sub(own_rules as usize).and_then(|at| own.rules.get(at));
                limit("rules", numbers - 1, RULES - 1, misfit)?;
                let what = "rules of one municipality in one direction, the baseline included";
                let misfit = rules.get(RULEBOOK_RULES as usize).map(|it| it.rule);
                limit(what, rules.len(), RULEBOOK_RULES, misfit)?;
                let summaries = rules.len().div_ceil(64 * 64);
                all.books.push(BookRules { summaries, rules, own_rules, default: own.default });
            }
        }
        all.number_uses()?;
        Ok(all)
    }

    fn prepare(&mut self, rule: &'a Rule, municipality: Option<&str>) -> Prepared<'a> {
        self.docs.push(RuleDoc {
            name: rule.name.clone(),
            municipality: municipality.map(str::to_owned),
            directions: rule.directions.clone(),
            action: rule.action,
            when_down: rule.when_down,
            location: rule.location.clone(),
        });
        let mut prefixes = |side: &'a Option<Addresses>| {
            side.as_ref().map(|side| side.lists().iter().map(|list| self.prefixes.number(list)).collect())
        };
        let (from, to) = (prefixes(&rule.from), prefixes(&rule.to));
        let lists = [from, to, rule.services.as_deref().map(|list| vec![self.services.number(list)])];
        Prepared { rule, lists }
    }

    /// Notes who uses which list, and makes the base rows of who uses none.
    fn number_uses(&mut self) -> Result<(), CapacityError> {
        let (mut prefixes, mut services) = (Vec::new(), Vec::new());
        for (number, book) in (0..).zip(&self.books) {
            for dimension in Dimension::ALL {
                let place = Place(number * 3 + dimension as u32);
                let direction = Direction::ALL[place.direction()];
                let uses = if dimension == Dimension::Service { &mut services } else { &mut prefixes };
                let mut everybody = Bits::default();
                let holds = (0..).zip(&book.rules).filter(|(_, it)| it.rule.directions.contains(&direction));
                for (bit, it) in holds {
                    match &it.lists[dimension as usize] {
                        Some(lists) => uses.extend(lists.iter().map(|&list| (list, Use { place, bit }))),
                        None => everybody.set(bit),
                    }
                }
                self.bases.push(self.rows.base(book.summaries, &everybody)?);
            }
        }
        self.prefix_uses = Uses::new(self.prefixes.lists.len(), &prefixes);
        self.service_uses = Uses::new(self.services.lists.len(), &services);
        Ok(())
    }

    /// Number of rulebooks.
    pub fn books(&self) -> usize {
        self.books.len()
    }

    /// Rules of a rulebook, those of the other direction included.
    pub fn rules_of(&self, book: usize) -> usize {
        self.books[book].rules.len()
    }

    /// The services of a rule, by its bit; none: all.
    pub fn services_of(&self, book: usize, bit: u32) -> Option<&'a [Service]> {
        self.books[book].rules[bit as usize].rule.services.as_deref()
    }

    /// The bits of a row of a rulebook, 64 rules each.
    pub fn words(&self, book: usize, row: Row) -> Vec<u64> {
        self.rows.words(self.books[book].summaries, row)
    }

    /// The row of a class in no list.
    pub fn base(&self, place: Place) -> Row {
        self.bases[place.0 as usize]
    }

    /// The uses of a list of prefixes, in order.
    pub fn prefix_uses(&self, list: u32) -> &[Use] {
        self.prefix_uses.of(list)
    }

    /// The uses of a list of services, in order.
    pub fn service_uses(&self, list: u32) -> &[Use] {
        self.service_uses.of(list)
    }

    /// Where the first rule stands that uses a list of prefixes.
    pub fn first_use(&self, list: u32) -> Option<Location> {
        self.prefix_uses(list).first().map(|it| self.location(it))
    }

    /// Where the rule of a use stands.
    pub fn location(&self, it: &Use) -> Location {
        self.books[it.place.book()].rules[it.bit as usize].rule.location.clone()
    }

    /// A row with the rules of these uses; all are of one place, in ascending order.
    ///
    /// # Errors
    /// The row is new, and there is no room.
    pub fn with(&mut self, row: Row, uses: &[Use]) -> Result<Row, CapacityError> {
        let Some(first) = uses.first() else { return Ok(row) };
        let summaries = self.books[first.place.book()].summaries;
        let row = self.rows.with(summaries, row, uses.iter().map(|it| it.bit));
        row.map_err(|error| CapacityError { location: Some(self.location(first)), ..error })
    }

    /// The row of a service class with these rules, to which `cause` was the last to be added, or to go.
    ///
    /// # Errors
    /// As [`Self::with`].
    pub fn beside_base(&mut self, bits: &Bits, cause: &Use) -> Result<Row, CapacityError> {
        let book = cause.place.book();
        let (summaries, base) = (self.books[book].summaries, self.base(cause.place).base);
        let destinations = self.base(Place::of_book(book)[Dimension::Destination as usize]).base;
        let row = self.rows.beside_joined(summaries, base, bits, destinations);
        row.map_err(|error| CapacityError { location: Some(self.location(cause)), ..error })
    }

    /// Lays out `ROWS` and `RULES`, once every class has its rows. The rulebooks are by municipality and direction; their
    /// service views and pairs are the caller's to place.
    pub fn lay_out(self, docs: &[RuleDoc]) -> Layout {
        let mut rules = vec![0; docs.len() / RULES_A_WORD as usize + 1];
        for (number, doc) in (1..).zip(docs) {
            rules[number / RULES_A_WORD as usize] |=
                action_number(doc.action, doc.when_down) << (number as u32 % RULES_A_WORD * 2);
        }
        let rulebooks = self.books.iter().map(|book| Rulebook {
            service_views: 0,
            baseline: self.baseline,
            own_rules: book.own_rules,
            pairs: 0,
            destinations: 0,
            summaries: book.summaries as u8,
            default_action: action_number(book.default, WhenDown::Closed) as u8,
        });
        Layout { rulebooks: rulebooks.collect(), rows: self.rows.into_words(), rules }
    }
}

/// Refuses more than `limit` rules, with the place of the first that does not fit.
fn limit(what: &'static str, needed: usize, limit: u32, misfit: Option<&Rule>) -> Result<(), CapacityError> {
    if needed <= limit as usize {
        return Ok(());
    }
    let location = misfit.map(|it| it.location.clone());
    Err(CapacityError { what, needed: needed as u64, limit: limit.into(), location })
}

/// Rulebooks, `ROWS` and `RULES`.
pub(crate) struct Layout {
    pub rulebooks: Vec<Rulebook>,
    pub rows: Vec<u64>,
    pub rules: Vec<u32>,
}

fn action_number(says: Action, when_down: WhenDown) -> u32 {
    match (says, when_down) {
        (Action::Deny, _) => action::DENY,
        (Action::Allow, _) => action::ALLOW,
        (Action::Inspect, WhenDown::Closed) => action::INSPECT,
        (Action::Inspect, WhenDown::Splice) => action::INSPECT_OR_FORWARD,
    }
}
