//! What municipalities make of addresses → `VIEW_ROOTS` and `VIEWS`.
//!
//! What all municipalities together see is a number for [`crate::classes`], and equal numbers mean equal sight: views are
//! interned, leaves of sixteen municipalities' views, and sights made of leaves. A prefix costs what it changes, not
//! the number of municipalities that it says nothing to.

use std::cmp::Reverse;

use abi::Direction;
use abi::limits::{VIEW_BLOCKS, VIEW_ROOTS};
use abi::tables::{VIEW_BLOCK, View};

use crate::checked::Policy;
use crate::classes::{Classes, Sight, Tag};
use crate::compile::{CapacityError, capacity};
use crate::pool::Pool;
use crate::rulebook::{Dimension, Place, Rulebooks, Use};

/// Municipalities of one leaf.
const LEAF: usize = 16;
/// Numbers of one view: source rows and destination rows by direction, and flags.
const FIELDS: usize = 5;
const FLAGS: usize = 4;
const BLOCK: usize = VIEW_BLOCK as usize;

/// Everything that is seen.
pub(crate) struct Views<'r, 'a> {
    rulebooks: &'r mut Rulebooks<'a>,
    municipalities: usize,
    /// [`FIELDS`] numbers each; a view's name is where it begins.
    views: Pool<u32>,
    /// [`LEAF`] views each, likewise.
    leaves: Pool<u32>,
    /// A leaf for every [`LEAF`] municipalities, likewise.
    sights: Pool<u32>,
    /// The views of the sight in hand, by municipality.
    seen: Vec<u32>,
    /// The uses of the prefix in hand.
    uses: Vec<Use>,
}

impl<'r, 'a> Views<'r, 'a> {
    /// With what is seen in no prefix.
    pub fn new(policy: &Policy, rulebooks: &'r mut Rulebooks<'a>) -> Result<Self, CapacityError> {
        let municipalities = policy.municipalities.len();
        let mut views = Self {
            rulebooks,
            municipalities,
            views: Pool::new("numbers of views", u32::MAX),
            leaves: Pool::new("views in leaves", u32::MAX),
            sights: Pool::new("leaves of sights", u32::MAX),
            seen: vec![0; municipalities.next_multiple_of(LEAF)],
            uses: Vec::new(),
        };
        for position in 0..municipalities {
            let mut view = [0; FIELDS];
            for dimension in [Dimension::Source, Dimension::Destination] {
                for direction in Direction::ALL {
                    let place = Place::new(position, direction, dimension);
                    view[field(place)] = views.rulebooks.base(place);
                }
            }
            views.seen[position] = views.views.intern(&view)?;
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

    /// How many municipalities see something else there than in no prefix, as far as two.
    fn concerned(&self, sight: u32) -> usize {
        let pairs = self.leaves(sight).iter().zip(self.leaves(0)).filter(|(a, b)| a != b);
        pairs.flat_map(|(&a, &b)| self.leaf(a).iter().zip(self.leaf(b))).filter(|(a, b)| a != b).take(2).count()
    }

    /// Classes in an order in which neighbours are alike to most municipalities: those that concern several first, then
    /// by municipality. Class 0 stays.
    fn order(&self, classes: &Classes) -> Vec<u32> {
        let sight = |class: u32| classes.states[class as usize].sight;
        let mut order: Vec<(Reverse<usize>, u32)> =
            (1..classes.states.len() as u32).map(|class| (Reverse(self.concerned(sight(class))), class)).collect();
        order.sort_unstable_by(|&(one, a), &(other, b)| {
            let different = self.leaves(sight(a)).iter().zip(self.leaves(sight(b))).find(|(a, b)| a != b);
            let views = different.map(|(&a, &b)| self.leaf(a).cmp(self.leaf(b)));
            one.cmp(&other).then(views.unwrap_or(std::cmp::Ordering::Equal)).then(a.cmp(&b))
        });
        std::iter::once(0).chain(order.into_iter().map(|(_, class)| class)).collect()
    }

    /// Lays out both tables, and renumbers the classes so that few blocks are different.
    ///
    /// # Errors
    /// There are more blocks, or more of them by municipality, than the tables hold.
    pub fn lay_out(mut self, policy: &Policy, classes: &mut Classes) -> Result<Layout, CapacityError> {
        classes.renumber(&self.order(classes));
        let blocks = classes.states.len().div_ceil(BLOCK);
        capacity::fits("blocks of address classes times municipalities", blocks * self.municipalities, VIEW_ROOTS)?;
        let mut roots = vec![0; blocks * self.municipalities];
        let mut pool = Pool::new("different views, in blocks of 64 classes", VIEW_BLOCKS * VIEW_BLOCK);
        let mut number = |position: usize, views: &[u32; BLOCK]| {
            let location = || policy.municipalities.get(position).map(|it| it.location.clone());
            let place = pool.intern(views).map_err(|error| CapacityError { location: location(), ..error })?;
            Ok(place / VIEW_BLOCK)
        };
        // By municipality: the view that all of a block had last, and that block.
        let mut alike = vec![(u32::MAX, 0); self.municipalities];
        for (block, states) in classes.states.chunks(BLOCK).enumerate() {
            for (at, first) in (0..self.municipalities).step_by(LEAF).enumerate() {
                let mut leaves = [self.leaves(states[0].sight)[at]; BLOCK];
                leaves.iter_mut().zip(states).for_each(|(leaf, state)| *leaf = self.leaves(state.sight)[at]);
                let one_leaf = leaves.iter().all(|leaf| *leaf == leaves[0]);
                for position in first..self.municipalities.min(first + LEAF) {
                    let view = self.leaf(leaves[0])[position - first];
                    let mut views = [view; BLOCK];
                    if !one_leaf {
                        let seen = leaves.iter().map(|&leaf| self.leaf(leaf)[position - first]);
                        views.iter_mut().zip(seen).for_each(|(view, seen)| *view = seen);
                    }
                    let root = if views.iter().all(|it| *it == view) {
                        if alike[position].0 != view {
                            alike[position] = (view, number(position, &views)?);
                        }
                        alike[position].1
                    } else {
                        number(position, &views)?
                    };
                    roots[position * blocks + block] = root;
                }
            }
        }
        self.seen.clear();
        let entry = |view: &u32| {
            let fields = &self.views.items[*view as usize..][..FIELDS];
            View {
                source_row: [fields[0], fields[1]],
                destination_row: [fields[2], fields[3]],
                flags: fields[FLAGS],
                reserved: 0,
            }
        };
        Ok(Layout { roots, views: pool.items.iter().map(entry).collect() })
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
                Tag::Owner(_) | Tag::Blocked(_) | Tag::Essential => {}
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
        for uses in self.uses.chunk_by(|a, b| a.place.municipality() == b.place.municipality()) {
            let seen = &mut self.seen[uses[0].place.municipality()];
            let mut view = fields(&self.views, *seen);
            for uses in uses.chunk_by(|a, b| a.place == b.place) {
                let row = &mut view[field(uses[0].place)];
                *row = self.rulebooks.changed(*row, uses, |word, bit| word | bit)?;
            }
            *seen = self.views.intern(&view)?;
        }
        for tag in tags {
            if let Tag::View(position, flags) = *tag {
                let seen = &mut self.seen[usize::from(position)];
                let mut view = fields(&self.views, *seen);
                view[FLAGS] |= u32::from(flags);
                *seen = self.views.intern(&view)?;
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

/// Which number of a view a place of rows is.
fn field(place: Place) -> usize {
    2 * place.dimension() as usize + place.direction()
}

/// `VIEW_ROOTS`, by municipality's position and block of classes, and `VIEWS`.
pub(crate) struct Layout {
    pub roots: Vec<u32>,
    pub views: Vec<View>,
}
