//! Alternating rounds and what is said about them.

use anyhow::Result;

/// Figures of one thing over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// Those who take turns.
#[derive(Default)]
pub struct Turns<'t>(Vec<Box<dyn FnMut() -> Result<f64> + 't>>);

/// Which of the figures is whose.
#[derive(Clone, Copy, Debug)]
pub struct Turn(usize);

/// What all turns came to.
pub struct Figures(Vec<Figure>);

impl<'t> Turns<'t> {
    /// One more, after the others in every round.
    pub fn add(&mut self, contender: impl FnMut() -> Result<f64> + 't) -> Turn {
        self.0.push(Box::new(contender));
        Turn(self.0.len() - 1)
    }

    /// Runs every contender once a round, so that whatever the machine does meanwhile meets all of them alike. The first
    /// round warms up and is not counted.
    pub fn run(mut self, rounds: usize) -> Result<Figures> {
        let mut figures = vec![Vec::with_capacity(rounds); self.0.len()];
        for round in 0..=rounds {
            for (contender, figures) in self.0.iter_mut().zip(&mut figures) {
                let figure = contender()?;
                if round > 0 {
                    figures.push(figure);
                }
            }
        }
        Ok(Figures(figures.into_iter().map(Figure::of).collect()))
    }
}

impl std::ops::Index<Turn> for Figures {
    type Output = Figure;

    fn index(&self, Turn(number): Turn) -> &Figure {
        &self.0[number]
    }
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
        let seen = std::cell::RefCell::new(String::new());
        let mut turns = Turns::default();
        let first = turns.add(|| {
            seen.borrow_mut().push('a');
            Ok(seen.borrow().len() as f64)
        });
        turns.add(|| {
            seen.borrow_mut().push('b');
            Ok(0.0)
        });
        let figures = turns.run(2).expect("no contender fails");
        assert_eq!(figures[first].spread, [3.0, 5.0]);
        assert_eq!(*seen.borrow(), "ababab");
    }
}
