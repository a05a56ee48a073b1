//! Block sets over everything else: which addresses which set blocks first, and the classes that this makes of others.
//!
//! Block sets are long and change often, and all that they tell about an address is one number. So they are no part of
//! the sweep of [`crate::classes`]: they are laid over its runs, in one pass over both.

use std::collections::HashMap;

use crate::check::ranges::Ranges;
use crate::checked::Policy;
use crate::classes::{Classes, State};
use crate::prefix_table::Run;

/// Addresses of one family, in their order.
pub(crate) trait Place: Copy + Ord {
    const FIRST: Self;
    const LAST: Self;
    /// The one after, which there is.
    fn after(self) -> Self;
    /// The one before, which there is.
    fn before(self) -> Self;
}

macro_rules! place {
    ($($number:ty),*) => {$(
        impl Place for $number {
            const FIRST: Self = 0;
            const LAST: Self = Self::MAX;
            fn after(self) -> Self {
                self + 1
            }
            fn before(self) -> Self {
                self - 1
            }
        }
    )*};
}
place!(u32, u128);

/// What `combine` makes of the classes of both, class 0 outside of their runs. Nothing of both is nothing.
fn overlay<A: Place>(one: &[Run<A>], other: &[Run<A>], mut combine: impl FnMut(u32, u32) -> u32) -> Vec<Run<A>> {
    let mut runs: Vec<Run<A>> = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut at = A::FIRST;
    loop {
        while one.next_if(|run| run.last < at).is_some() {}
        while other.next_if(|run| run.last < at).is_some() {}
        if one.peek().is_none() && other.peek().is_none() {
            return runs;
        }
        let here = |run: Option<&&Run<A>>| match run {
            None => (0, A::LAST),
            Some(run) if run.first <= at => (run.class, run.last),
            Some(run) => (0, run.first.before()),
        };
        let ((a, until_a), (b, until_b)) = (here(one.peek()), here(other.peek()));
        let last = until_a.min(until_b);
        let class = if (a, b) == (0, 0) { 0 } else { combine(a, b) };
        match runs.last_mut() {
            _ if class == 0 => {}
            Some(run) if run.class == class && run.last.after() == at => run.last = last,
            _ => runs.push(Run { first: at, last, class }),
        }
        if last == A::LAST {
            return runs;
        }
        at = last.after();
    }
}

/// Runs whose class is the rank of the first block set, counted from 1.
pub(crate) struct Blocked {
    v4: Vec<Run<u32>>,
    v6: Vec<Run>,
}

impl Blocked {
    /// Of a policy's block sets.
    pub fn of(policy: &Policy) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (rank, set) in (1..).zip(policy.block.iter().map(|name| policy.sets.get(name))) {
            let ranges = Ranges::of(set.iter().flat_map(|set| &set.prefixes));
            v4.push(ranges.v4.iter().map(|&(first, last)| Run { first, last, class: rank }).collect());
            v6.push(ranges.v6.iter().map(|&(first, last)| Run { first, last, class: rank }).collect());
        }
        Self { v4: united(v4), v6: united(v6) }
    }
}

/// All of them in one, neighbours first, so that each run is copied as often as the number of lists has bits.
fn united<A: Place>(mut lists: Vec<Vec<Run<A>>>) -> Vec<Run<A>> {
    while lists.len() > 1 {
        let pair = |pair: &mut [Vec<Run<A>>]| match pair {
            [one, other] => overlay(one, other, |one, other| if one == 0 { other } else { one }),
            rest => rest.iter_mut().flat_map(std::mem::take).collect(),
        };
        lists = lists.chunks_mut(2).map(pair).collect();
    }
    lists.pop().unwrap_or_default()
}

/// Everything but block sets.
pub(crate) struct Unblocked {
    v4: Vec<Run<u32>>,
    v6: Vec<Run>,
    /// By class of these runs.
    states: Vec<State>,
    last_lists: Vec<Option<u32>>,
}

impl From<Classes> for Unblocked {
    fn from(classes: Classes) -> Self {
        let v4 = |run: &Run| Run { first: (run.first >> 96) as u32, last: (run.last >> 96) as u32, class: run.class };
        let Classes { v6, states, last_lists, .. } = classes;
        Self { v4: classes.v4.iter().map(v4).collect(), v6, states, last_lists }
    }
}

/// A class, as rank of the block set and class of [`Unblocked`] → its number.
pub(crate) type Numbers = HashMap<u64, u32>;

/// Runs of classes.
pub(crate) struct Laid {
    pub v4: Vec<Run<u32>>,
    pub v6: Vec<Run>,
}

impl Unblocked {
    /// With block sets over it, and the classes that this takes.
    pub fn under(&self, blocked: &Blocked) -> (Laid, Numbered) {
        let mut numbered = Numbered {
            numbers: HashMap::from([(0, 0)]),
            states: vec![self.states[0]],
            last_lists: vec![self.last_lists[0]],
        };
        let laid = self.laid(blocked, |rank, class| {
            let next = numbered.states.len() as u32;
            let number = *numbered.numbers.entry(pair(rank, class)).or_insert(next);
            if number == next {
                let blocked = rank.checked_sub(1).map(|rank| rank as u16);
                numbered.states.push(State { blocked, ..self.states[class as usize] });
                numbered.last_lists.push(self.last_lists[class as usize]);
            }
            number
        });
        (laid, numbered)
    }

    /// The same where the classes are exactly those that are known; none otherwise.
    pub fn under_as_before(&self, blocked: &Blocked, numbers: &Numbers) -> Option<Laid> {
        let mut met = vec![false; numbers.len()];
        met[0] = true;
        let mut is_known = true;
        let laid = self.laid(blocked, |rank, class| {
            let Some(&number) = numbers.get(&pair(rank, class)) else {
                is_known = false;
                return 0;
            };
            met[number as usize] = true;
            number
        });
        (is_known && met.iter().all(|met| *met)).then_some(laid)
    }

    fn laid(&self, blocked: &Blocked, mut class: impl FnMut(u32, u32) -> u32) -> Laid {
        // Most neighbours are the same pair as one before.
        let mut last = ((0, 0), 0);
        let mut class = |rank: u32, other: u32| {
            if last.0 != (rank, other) {
                last = ((rank, other), class(rank, other));
            }
            last.1
        };
        let v4 = overlay(&blocked.v4, &self.v4, &mut class);
        Laid { v4, v6: overlay(&blocked.v6, &self.v6, &mut class) }
    }
}

fn pair(rank: u32, class: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(class)
}

/// Classes by number.
pub(crate) struct Numbered {
    pub numbers: Numbers,
    pub states: Vec<State>,
    /// By class: the last list, in the order of their numbers, without which it would not be; none: it is no list's.
    pub last_lists: Vec<Option<u32>>,
}

impl Numbered {
    /// Gives every class the number of its place in `order`, which begins with class 0.
    pub fn renumber(&mut self, order: &[u32], laid: &mut Laid) {
        let mut places = vec![0; order.len()];
        for (new, &old) in (0..).zip(order) {
            places[old as usize] = new;
        }
        laid.v4.iter_mut().for_each(|run| run.class = places[run.class as usize]);
        laid.v6.iter_mut().for_each(|run| run.class = places[run.class as usize]);
        self.numbers.values_mut().for_each(|number| *number = places[*number as usize]);
        self.states = order.iter().map(|&old| self.states[old as usize]).collect();
        self.last_lists = order.iter().map(|&old| self.last_lists[old as usize]).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::fixture::{prefecture, set};

    #[test]
    fn the_first_block_set_names_the_drop_and_neighbours_merge() {
        let mut policy = prefecture(Vec::new());
        policy.block = ["first", "second"].map(str::to_owned).into();
        policy.sets.insert("first".to_owned(), set(&["192.0.2.64/26", "::/0"]));
        policy.sets.insert("second".to_owned(), set(&["192.0.2.0/25", "192.0.2.128/25", "255.255.255.255/32"]));
        let Blocked { v4, v6 } = Blocked::of(&policy);
        let base = 0xc000_0200;
        let run = |first, last, class| Run { first, last, class };
        let expected =
            [run(base, base + 63, 2), run(base + 64, base + 127, 1), run(base + 128, base + 255, 2), run(!0, !0, 2)];
        assert_eq!(v4, expected);
        assert_eq!(v6, [Run { first: 0, last: u128::MAX, class: 1 }]);
    }
}
