//! Two ordered lists side by side: what comes, goes, moves and changes. An entry is known by its name, which is unique
//! within its list.

use std::collections::HashMap;

use super::{Change, RuleChange};

/// Rules of one list; `contents` tells what differs between two of one name.
pub(super) fn compare<R>(
    list: &'static str,
    [old, new]: [&[R]; 2],
    name: impl Fn(&R) -> &str,
    mut contents: impl FnMut(&R, &R) -> Vec<Change>,
) -> Vec<Change> {
    let positions = |rules: &[R]| -> HashMap<String, usize> {
        (1..).zip(rules).map(|(position, rule)| (name(rule).to_owned(), position)).collect()
    };
    let (before, after) = (positions(old), positions(new));
    let kept: Vec<(usize, usize)> =
        (1..).zip(old).filter_map(|(from, rule)| Some((from, *after.get(name(rule))?))).collect();
    let stays = longest_ascent(&kept.iter().map(|&(_, to)| to).collect::<Vec<_>>());
    let mut changes = Vec::new();
    let mut say = |rule: &R, change| changes.push(Change::Rule { list, rule: name(rule).to_owned(), change });
    for rule in old.iter().filter(|rule| !after.contains_key(name(rule))) {
        say(rule, RuleChange::Removed);
    }
    for (position, rule) in (1..).zip(new) {
        let Some(&from) = before.get(name(rule)) else {
            say(rule, RuleChange::Added { position });
            continue;
        };
        if stays.binary_search(&position).is_err() {
            say(rule, RuleChange::Moved { from, to: position });
        }
        let changes = contents(&old[from - 1], rule);
        if !changes.is_empty() {
            say(rule, RuleChange::Changed { changes });
        }
    }
    changes
}

/// A longest ascending subsequence of distinct numbers: the rules that need not be called moved.
fn longest_ascent(numbers: &[usize]) -> Vec<usize> {
    // For each length, the index of the smallest number that ends an ascent of it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|&end| numbers[end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut ascent: Vec<usize> =
        std::iter::successors(ends.last().copied(), |&index| before[index]).map(|index| numbers[index]).collect();
    ascent.reverse();
    ascent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_ascent_is_found() {
        assert!(longest_ascent(&[]).is_empty());
        assert_eq!(longest_ascent(&[3]), [3]);
        assert_eq!(longest_ascent(&[5, 1, 2, 3, 4]), [1, 2, 3, 4]);
        assert_eq!(longest_ascent(&[1, 4, 2, 3, 5]), [1, 2, 3, 5]);
        assert_eq!(longest_ascent(&[3, 2, 1]).len(), 1);
    }
}
