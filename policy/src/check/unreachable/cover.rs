//! What one side of a rule must be for the other to be inside: which of many unions of ranges cover which.
//!
//! One address of each union is looked for in all lists; only unions in which it is found are compared in full.

use std::collections::HashMap;

use crate::check::ranges::{Ranges, covers};

/// Ranges compared in long lists, at most, which takes a fraction of a second. Short lists are free: their number is
/// bounded by the rules'.
const EFFORT: usize = 4_000_000;
/// What is a short list.
const SHORT: usize = 16;
/// Pairs of unions that are compared, at most: a second's work.
const PAIRS: usize = 1 << 24;

/// What may still be spent on comparing.
pub(super) struct Budget {
    ranges: usize,
    pairs: usize,
    /// Whether something went uncompared.
    pub exhausted: bool,
}

impl Budget {
    pub fn new() -> Self {
        Budget { ranges: EFFORT, pairs: PAIRS, exhausted: false }
    }

    fn pairs(&mut self, pairs: usize) -> bool {
        let left = self.pairs.checked_sub(pairs);
        self.pairs = left.unwrap_or(self.pairs);
        self.exhausted |= left.is_none();
        left.is_some()
    }

    /// Whether all of a list's ranges are as they should be; none of a long one if there is nothing left to spend.
    fn all<T: Copy>(&mut self, ranges: &[T], is_good: impl Fn(T) -> bool) -> bool {
        if ranges.len() > SHORT && self.ranges == 0 {
            self.exhausted = true;
            return false;
        }
        let bad = ranges.iter().position(|&range| !is_good(range));
        if ranges.len() > SHORT {
            self.ranges = self.ranges.saturating_sub(bad.unwrap_or(ranges.len()));
        }
        bad.is_none()
    }
}

/// A union of lists; none is any address.
pub(super) type Union<'r> = Option<Vec<&'r Ranges>>;

/// For each union those that cover it, itself included, by position and ascending.
pub(super) struct Covers {
    /// All of them, one union after the other.
    outer: Vec<usize>,
    /// Where each union's begin; one more for the end of the last.
    starts: Vec<usize>,
}

impl Covers {
    pub fn of(&self, union: usize) -> &[usize] {
        &self.outer[self.starts[union]..self.starts[union + 1]]
    }

    /// How many unions there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// Finds out which unions cover which.
pub(super) fn covering(unions: &[Union<'_>], budget: &mut Budget) -> Covers {
    let anything = unions.iter().position(Option::is_none);
    let mut numbers: HashMap<*const Ranges, usize> = HashMap::new();
    // The lists with the unions that they are part of, in an order that is the same in every run.
    let mut members: Vec<(&Ranges, Vec<usize>)> = Vec::new();
    let mut probes = Probes::default();
    for (union, lists) in unions.iter().enumerate() {
        let Some(lists) = lists else { continue };
        for &list in lists {
            let number = *numbers.entry(list).or_insert(members.len());
            if number == members.len() {
                members.push((list, Vec::with_capacity(1)));
            }
            members[number].1.push(union);
        }
        probes.add(union, lists);
    }
    probes.sort();
    // Inner and outer.
    let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(2 * unions.len());
    for (list, outer) in &members {
        probes.within(list, |inner| {
            if budget.pairs(outer.len()) {
                pairs.extend(outer.iter().filter(|&&outer| outer != inner).map(|&outer| (inner, outer)));
            }
        });
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs.retain(|&(inner, outer)| match (&unions[inner], &unions[outer]) {
        (Some(lists), Some(others)) => covered(lists, others, budget),
        _ => false,
    });
    for (union, lists) in unions.iter().enumerate() {
        pairs.push((union, union));
        pairs.extend(lists.as_ref().and(anything).map(|anything| (union, anything)));
    }
    pairs.sort_unstable();
    let starts = (0..=unions.len()).map(|union| pairs.partition_point(|&(inner, _)| inner < union)).collect();
    Covers { outer: pairs.into_iter().map(|(_, outer)| outer).collect(), starts }
}

/// Whether every range of the inner lists is inside of the outer lists' union.
fn covered(inner: &[&Ranges], outer: &[&Ranges], budget: &mut Budget) -> bool {
    let mut others: Vec<&Ranges> =
        inner.iter().filter(|&&list| !outer.iter().any(|&outer| std::ptr::eq(list, outer))).copied().collect();
    // A short list tells sooner that it is not.
    others.sort_by_key(|list| list.len());
    let v4: Vec<&[(u32, u32)]> = outer.iter().map(|outer| outer.v4.as_slice()).collect();
    let v6: Vec<&[(u128, u128)]> = outer.iter().map(|outer| outer.v6.as_slice()).collect();
    others.into_iter().all(|list| {
        budget.all(&list.v4, |range| piecewise(range, &v4, |last| last.checked_add(1)))
            && budget.all(&list.v6, |range| piecewise(range, &v6, |last| last.checked_add(1)))
    })
}

/// Whether a range is inside of several lists' union: it may take ranges of more than one.
fn piecewise<T: Copy + Ord>(range: (T, T), lists: &[&[(T, T)]], after: impl Fn(T) -> Option<T>) -> bool {
    let (mut first, last) = range;
    loop {
        let end = |list: &&[(T, T)]| {
            let at = list.partition_point(|range| range.0 <= first).checked_sub(1)?;
            (list[at].1 >= first).then_some(list[at].1)
        };
        match lists.iter().filter_map(end).max() {
            None => return false,
            Some(end) if end >= last => return true,
            Some(end) => match after(end) {
                Some(next) => first = next,
                None => return true,
            },
        }
    }
}

/// One address of each union, ascending.
#[derive(Default)]
struct Probes {
    v4: Vec<(u32, usize)>,
    v6: Vec<(u128, usize)>,
}

impl Probes {
    /// Takes an address that few others are likely to have: one of the shortest list.
    fn add(&mut self, union: usize, lists: &[&Ranges]) {
        let Some(list) = lists.iter().min_by_key(|list| list.len()) else {
            return;
        };
        match (list.v4.first(), list.v6.first()) {
            (Some(&(first, _)), _) => self.v4.push((first, union)),
            (None, Some(&(first, _))) => self.v6.push((first, union)),
            (None, None) => {}
        }
    }

    fn sort(&mut self) {
        self.v4.sort_unstable();
        self.v6.sort_unstable();
    }

    /// Calls for every union whose address is in the list.
    fn within(&self, list: &Ranges, mut call: impl FnMut(usize)) {
        within(&self.v4, &list.v4, &mut call);
        within(&self.v6, &list.v6, &mut call);
    }
}

/// Looks for the fewer among the more.
fn within<T: Copy + Ord>(probes: &[(T, usize)], ranges: &[(T, T)], call: &mut impl FnMut(usize)) {
    if probes.len() < ranges.len() {
        for &(address, union) in probes {
            if covers(ranges, &[(address, address)]) {
                call(union);
            }
        }
        return;
    }
    for &(first, last) in ranges {
        let from = probes.partition_point(|&(address, _)| address < first);
        for &(_, union) in probes[from..].iter().take_while(|&&(address, _)| address <= last) {
            call(union);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::ranges::tests::Dice;

    /// Against every pair compared in full.
    #[test]
    fn finds_what_comparing_all_pairs_finds() {
        let mut dice = Dice(3);
        let (mut found, mut in_pieces) = (0, 0);
        for round in 0..300 {
            let lists: Vec<Ranges> = (0..6).map(|_| Ranges::of(&dice.prefixes())).filter(|it| !it.is_empty()).collect();
            let mut unions: Vec<Union<'_>> = Vec::new();
            for _ in 0..8 {
                let count = 1 + dice.roll(3);
                let some: Vec<_> = (0..count).filter_map(|_| lists.get(dice.roll(6) as usize)).collect();
                unions.push(if some.is_empty() { None } else { Some(some) });
            }
            let united = |union: &[&Ranges]| {
                let mut all = Ranges::default();
                union.iter().for_each(|list| all.extend(list));
                all.normalize();
                all
            };
            let covering = covering(&unions, &mut Budget::new());
            for (inner, lists) in unions.iter().enumerate() {
                for (outer, others) in unions.iter().enumerate() {
                    let expected = match (lists, others) {
                        _ if inner == outer => true,
                        (_, None) => outer == unions.iter().position(Option::is_none).unwrap_or(outer),
                        (None, Some(_)) => false,
                        (Some(lists), Some(others)) => united(others).covers(&united(lists)),
                    };
                    let is_found = covering.of(inner).contains(&outer);
                    if lists.is_some() || inner == outer {
                        assert_eq!(is_found, expected, "round {round}: {lists:?} in {others:?}");
                    }
                    if let (Some(lists), Some(others)) = (lists, others)
                        && inner != outer
                        && expected
                    {
                        found += 1;
                        let alone = |list: &Ranges| others.iter().any(|other| other.covers(list));
                        in_pieces += usize::from(!lists.iter().all(|list| alone(list)));
                    }
                }
            }
        }
        assert!(found > 500 && in_pieces > 20, "the rounds are about something: {found}, {in_pieces}");
    }
}
