//! Alternating rounds and what is said about them.

use anyhow::Result;
use serde::Serialize;

/// Figures of one thing over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// The middle one.
    pub median: f64,
    /// The smallest and the largest.
    pub spread: [f64; 2],
}

impl Figure {
    /// Of at least one figure.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        let (middle, last) = (figures.len() / 2, figures.len().saturating_sub(1));
        let median =
            if figures.len().is_multiple_of(2) { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 } else { at(middle) };
        Self { median, spread: [at(0), at(last)] }
    }
}

/// Runs every contender once a round, so that whatever the machine does meanwhile meets all of them alike. The first
/// round warms up and is not counted.
pub fn alternate<const N: usize>(
    rounds: usize,
    mut contenders: [&mut dyn FnMut() -> Result<f64>; N],
) -> Result<[Figure; N]> {
    let mut figures: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for round in 0..=rounds {
        for (contender, figures) in contenders.iter_mut().zip(&mut figures) {
            let figure = contender()?;
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    Ok(figures.map(Figure::of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread() {
        let odd = Figure::of(vec![3.0, 1.0, 2.0]);
        assert_eq!(odd, Figure { median: 2.0, spread: [1.0, 3.0] });
        assert_eq!(Figure::of(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Figure::of(Vec::new()).median.is_nan());
    }

    #[test]
    fn contenders_take_turns_and_the_first_round_does_not_count() {
        let turns = std::cell::RefCell::new(Vec::new());
        let mut a = || {
            turns.borrow_mut().push('a');
            Ok(turns.borrow().len() as f64)
        };
        let mut b = || {
            turns.borrow_mut().push('b');
            Ok(0.0)
        };
        let [first, _] = alternate(2, [&mut a, &mut b]).expect("no contender fails");
        assert_eq!(first.spread, [3.0, 5.0]);
        assert_eq!(turns.borrow().iter().collect::<String>(), "ababab");
    }
}
