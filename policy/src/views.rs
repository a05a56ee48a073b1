//! What municipalities make of addresses → `VIEW_ROOTS` and `VIEWS`.
//!
//! A view is what one municipality sees in one direction, by its rulebook. What all rulebooks together see is a number for
//! [`crate::classes`], and equal numbers mean equal sight: views are interned, leaves of sixteen views, and sights made
//! of leaves. A prefix costs what it changes, not the number of municipalities that it says nothing to.

use std::cmp::Reverse;
use std::collections::HashSet;

use abi::limits::{VIEW_BLOCKS, VIEW_ROOTS};
use abi::tables::{Row, VIEW_BLOCK, View};

use crate::blocked::Numbered;
use crate::checked::Policy;
use crate::classes::{Sight, State, Tag};
use crate::compile::{CapacityError, capacity};
use crate::pairs::Pairs;
use crate::pool::Pool;
use crate::rulebook::{Place, Rulebooks, Use};

/// Rulebooks of one leaf.
const LEAF: usize = 16;
/// Numbers of one view: source row, destination row, flags.
const FIELDS: usize = 5;
const FLAGS: usize = 4;
const BLOCK: usize = VIEW_BLOCK as usize;

/// Everything that is seen.
pub(crate) struct Views<'r, 'a> {
    rulebooks: &'r mut Rulebooks<'a>,
    books: usize,
    /// [`FIELDS`] numbers each; a view's name is where it begins.
    views: Pool<u32>,
    /// [`LEAF`] views each, likewise.
    leaves: Pool<u32>,
    /// A leaf for every [`LEAF`] rulebooks, likewise.
    sights: Pool<u32>,
    /// The views of the sight in hand, by rulebook.
    seen: Vec<u32>,
    /// The uses of the prefix in hand.
    uses: Vec<Use>,
}

impl<'r, 'a> Views<'r, 'a> {
    /// With what is seen in no prefix.
    pub fn new(rulebooks: &'r mut Rulebooks<'a>) -> Result<Self, CapacityError> {
        let books = rulebooks.books();
        let mut views = Self {
            rulebooks,
            books,
            views: Pool::new("numbers of views", u32::MAX),
            leaves: Pool::new("views in leaves", u32::MAX),
            sights: Pool::new("leaves of sights", u32::MAX),
            seen: vec![0; books.next_multiple_of(LEAF)],
            uses: Vec::new(),
        };
        for book in 0..books {
            let [source, destination, _] = Place::of_book(book).map(|place| views.rulebooks.base(place));
            let view = [source.base, source.own, destination.base, destination.own, 0];
            views.seen[book] = views.views.intern(&view)?;
        }
        views.sight_of_seen()?;
        Ok(views)
    }

    /// Numbers what is in `seen`.
    fn sight_of_seen(&mut self) -> Result<u32, CapacityError> {
        let leaves = self.seen.chunks(LEAF).map(|leaf| self.leaves.intern(leaf));
        let leaves: Vec<u32> = leaves.collect::<Result<_, _>>()?;
        self.sights.intern(&leaves)
    }

    fn leaves(&self, sight: u32) -> &[u32] {
        &self.sights.items[sight as usize..][..self.seen.len() / LEAF]
    }

    fn leaf(&self, leaf: u32) -> &[u32] {
        &self.leaves.items[leaf as usize..][..LEAF]
    }

    /// How many rulebooks see something else there than in no prefix, as far as three: a municipality has two.
    fn concerned(&self, sight: u32) -> usize {
        let pairs = self.leaves(sight).iter().zip(self.leaves(0)).filter(|(a, b)| a != b);
        pairs.flat_map(|(&a, &b)| self.leaf(a).iter().zip(self.leaf(b))).filter(|(a, b)| a != b).take(3).count() / 3
    }

    /// Classes in an order in which neighbours are alike to most municipalities: those that concern several first, then
    /// by municipality, then by what is true for everyone: where a class lies, and so a feed's lines, means nothing. Class
    /// 0 stays.
    pub fn order(&self, classes: &Numbered) -> Vec<u32> {
        let sight = |class: u32| classes.states[class as usize].sight;
        let mut order: Vec<(Reverse<usize>, u32)> =
            (1..classes.states.len() as u32).map(|class| (Reverse(self.concerned(sight(class))), class)).collect();
        let everyone = |class: u32| {
            let State { blocked, owner, flags, .. } = classes.states[class as usize];
            (blocked, owner, flags)
        };
        order.sort_unstable_by(|&(one, a), &(other, b)| {
            let different = self.leaves(sight(a)).iter().zip(self.leaves(sight(b))).find(|(a, b)| a != b);
            let views = different.map(|(&a, &b)| self.leaf(a).cmp(self.leaf(b)));
            one.cmp(&other).then(views.unwrap_or(std::cmp::Ordering::Equal)).then_with(|| everyone(a).cmp(&everyone(b)))
        });
        std::iter::once(0).chain(order.into_iter().map(|(_, class)| class)).collect()
    }

    /// Lays out both tables, for classes in their [order](Self::order), in which few blocks are different.
    ///
    /// # Errors
    /// There are more blocks, or more of them by municipality, than the tables hold.
    pub fn lay_out(self, policy: &Policy, classes: &Numbered) -> Result<Layout, CapacityError> {
        let pairs = self.pairs(classes);
        // Numbers may make blocks different that are alike without.
        self.lay_out_with(policy, classes, pairs)
            .or_else(|_| self.lay_out_with(policy, classes, Pairs::none(self.books)))
    }

    /// What pairs of sources and destinations satisfy.
    fn pairs(&self, classes: &Numbered) -> Pairs {
        let mut pairs = Pairs::none(self.books);
        for (at, first) in (0..self.books).step_by(LEAF).enumerate() {
            let books = first..self.books.min(first + LEAF);
            if !books.clone().any(|book| Pairs::would_help(self.rulebooks, book)) {
                continue;
            }
            let mut seen = HashSet::new();
            let leaves = classes.states.iter().map(|state| self.leaves(state.sight)[at]);
            let leaves: Vec<_> = leaves.filter(|leaf| seen.insert(*leaf)).collect();
            for book in books.filter(|book| Pairs::would_help(self.rulebooks, *book)) {
                let views = leaves.iter().map(|&leaf| {
                    let view = self.leaf(leaf)[book - first];
                    let [a, b, c, d, _] = fields(&self.views, view);
                    (view, [Row { base: a, own: b }, Row { base: c, own: d }])
                });
                pairs.add(self.rulebooks, book, views);
            }
        }
        pairs
    }

    fn lay_out_with(&self, policy: &Policy, classes: &Numbered, pairs: Pairs) -> Result<Layout, CapacityError> {
        let blocks = classes.states.len().div_ceil(BLOCK);
        capacity::fits("blocks of address classes times rulebooks", blocks * self.books, VIEW_ROOTS)?;
        let mut roots = vec![0; blocks * self.books];
        let mut pool = Pool::new("different views, in blocks of 64 classes", VIEW_BLOCKS * VIEW_BLOCK);
        let mut number = |book: usize, views: &[u32; BLOCK]| {
            let location = || policy.municipalities.get(book / 2).map(|it| it.location.clone());
            let views = views.map(|view| u64::from(pairs.numbers(book, view)) << 32 | u64::from(view));
            let place = pool.intern(&views).map_err(|error| CapacityError { location: location(), ..error })?;
            Ok(place / VIEW_BLOCK)
        };
        // By rulebook: the view that all of a block had last, and that block.
        let mut alike = vec![(u32::MAX, 0); self.books];
        for (block, states) in classes.states.chunks(BLOCK).enumerate() {
            for (at, first) in (0..self.books).step_by(LEAF).enumerate() {
                let mut leaves = [self.leaves(states[0].sight)[at]; BLOCK];
                leaves.iter_mut().zip(states).for_each(|(leaf, state)| *leaf = self.leaves(state.sight)[at]);
                let one_leaf = leaves.iter().all(|leaf| *leaf == leaves[0]);
                for book in first..self.books.min(first + LEAF) {
                    let view = self.leaf(leaves[0])[book - first];
                    let mut views = [view; BLOCK];
                    if !one_leaf {
                        let seen = leaves.iter().map(|&leaf| self.leaf(leaf)[book - first]);
                        views.iter_mut().zip(seen).for_each(|(view, seen)| *view = seen);
                    }
                    let root = if views.iter().all(|it| *it == view) {
                        if alike[book].0 != view {
                            alike[book] = (view, number(book, &views)?);
                        }
                        alike[book].1
                    } else {
                        number(book, &views)?
                    };
                    roots[book * blocks + block] = root;
                }
            }
        }
        let entry = |&view: &u64| {
            let [a, b, c, d, flags] = fields(&self.views, view as u32);
            View {
                source: Row { base: a, own: b },
                destination: Row { base: c, own: d },
                flags,
                source_number: (view >> 32) as u16,
                destination_number: (view >> 48) as u16,
            }
        };
        Ok(Layout { roots, views: pool.items.iter().map(entry).collect(), pairs })
    }
}

impl Sight for Views<'_, '_> {
    fn within(&mut self, around: u32, tags: &[Tag]) -> Result<u32, CapacityError> {
        self.uses.clear();
        let mut flagged = false;
        for tag in tags {
            match *tag {
                Tag::List(list) => self.uses.extend_from_slice(self.rulebooks.prefix_uses(list)),
                Tag::View(..) => flagged = true,
                Tag::Owner(_) | Tag::Essential | Tag::Inbound | Tag::Public | Tag::DnsServer => {}
            }
        }
        if self.uses.is_empty() && !flagged {
            return Ok(around);
        }
        self.uses.sort_unstable();
        let leaves = &self.sights.items[around as usize..][..self.seen.len() / LEAF];
        for (seen, &leaf) in self.seen.chunks_mut(LEAF).zip(leaves) {
            seen.copy_from_slice(&self.leaves.items[leaf as usize..][..LEAF]);
        }
        for uses in self.uses.chunk_by(|a, b| a.place.book() == b.place.book()) {
            let seen = &mut self.seen[uses[0].place.book()];
            let mut view = fields(&self.views, *seen);
            for uses in uses.chunk_by(|a, b| a.place == b.place) {
                let at = 2 * uses[0].place.dimension() as usize;
                let row = self.rulebooks.with(Row { base: view[at], own: view[at + 1] }, uses)?;
                (view[at], view[at + 1]) = (row.base, row.own);
            }
            *seen = self.views.intern(&view)?;
        }
        for tag in tags {
            if let Tag::View(position, flags) = *tag {
                for seen in &mut self.seen[2 * usize::from(position)..][..2] {
                    let mut view = fields(&self.views, *seen);
                    view[FLAGS] |= u32::from(flags);
                    *seen = self.views.intern(&view)?;
                }
            }
        }
        self.sight_of_seen()
    }
}

fn fields(views: &Pool<u32>, view: u32) -> [u32; FIELDS] {
    let mut fields = [0; FIELDS];
    fields.copy_from_slice(&views.items[view as usize..][..FIELDS]);
    fields
}

/// `VIEW_ROOTS`, by rulebook and block of classes, `VIEWS`, and the pairs that these have numbers for.
pub(crate) struct Layout {
    pub roots: Vec<u32>,
    pub views: Vec<View>,
    pub pairs: Pairs,
}
