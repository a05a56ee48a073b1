//! Two lists of rules side by side. A rule is known by its name, which is unique within its list.

use std::collections::HashMap;
use std::fmt::Display;

use abi::Direction;
use ipnet::IpNet;

use super::compare::{Changes, Compared, differences};
use super::{Change, Entries, RuleChange};
use crate::checked::{Action, Addresses, Rule, Service};

pub(super) fn compare(list: &'static str, old: &[Rule], new: &[Rule], compared: &mut Compared) -> Vec<Change> {
    let positions = |rules: &[Rule]| -> HashMap<String, usize> {
        (1..).zip(rules).map(|(position, rule)| (rule.name.clone(), position)).collect()
    };
    let (before, after) = (positions(old), positions(new));
    let kept: Vec<(usize, usize)> =
        (1..).zip(old).filter_map(|(from, rule)| Some((from, *after.get(&rule.name)?))).collect();
    let stays = longest_ascent(&kept.iter().map(|&(_, to)| to).collect::<Vec<_>>());
    let mut changes = Vec::new();
    let mut say = |rule: &Rule, change| changes.push(Change::Rule { list, rule: rule.name.clone(), change });
    for rule in old.iter().filter(|rule| !after.contains_key(&rule.name)) {
        say(rule, RuleChange::Removed);
    }
    for (position, rule) in (1..).zip(new) {
        let Some(&from) = before.get(&rule.name) else {
            say(rule, RuleChange::Added { position });
            continue;
        };
        if stays.binary_search(&position).is_err() {
            say(rule, RuleChange::Moved { from, to: position });
        }
        let changes = contents(&old[from - 1], rule, compared);
        if !changes.is_empty() {
            say(rule, RuleChange::Changed { changes });
        }
    }
    changes
}

fn contents(old: &Rule, new: &Rule, compared: &mut Compared) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.value("direction", &directions(old), &directions(new));
    side(&mut changes, "from", &old.from, &new.from, compared);
    side(&mut changes, "to", &old.to, &new.to, compared);
    let texts = |services: &Option<Vec<Service>>| {
        services.as_ref().map(|services| services.iter().map(service).collect::<Vec<_>>())
    };
    optional(&mut changes, "services", texts(&old.services).as_deref(), texts(&new.services).as_deref());
    changes.value("action", action(old.action), action(new.action));
    changes.0
}

fn side(changes: &mut Changes, what: &str, old: &Option<Addresses>, new: &Option<Addresses>, compared: &mut Compared) {
    let prefixes = |side: &Addresses| side.prefixes().copied().collect::<Vec<IpNet>>();
    let (Some(before), Some(after)) = (old, new) else {
        let [old, new] = [old, new].map(|side| side.as_ref().map(prefixes));
        return optional(changes, what, old.as_deref(), new.as_deref());
    };
    // A set that changes is one list of many, in many rules.
    let (old, new) = (before.lists(), after.lists());
    if old.len() == new.len() {
        let mut pairs: Vec<_> = old.iter().zip(new).map(|(old, new)| compared.differences(old, new)).collect();
        pairs.retain(|(removed, added)| removed.count + added.count > 0);
        match (pairs.pop(), pairs.is_empty()) {
            (None, _) => return,
            (Some(entries), true) => return changes.entries(what, entries),
            (Some(_), false) => {}
        }
    }
    // A set of another name may stand in another place.
    if old.len() == new.len() && old.iter().all(|list| new.contains(list)) {
        return;
    }
    let [old, new] = [before, after].map(prefixes);
    match differences(&old, &new) {
        (removed, added) if removed.count + added.count == 0 => {
            changes.note(&format!("{what}: the same prefixes, in other lists"))
        }
        _ => optional(changes, what, Some(&old), Some(&new)),
    }
}

/// A list that may be absent, which means any; an empty one means none.
fn optional<T: Ord + Display>(changes: &mut Changes, what: &str, old: Option<&[T]>, new: Option<&[T]>) {
    let words = |list: Option<&[T]>| match list {
        None => "any".to_owned(),
        Some([]) => "none".to_owned(),
        Some(list) => Entries::of(list).to_string(),
    };
    match (old, new) {
        (Some(old @ [_, ..]), Some(new @ [_, ..])) => changes.list(what, old, new),
        _ => changes.value(what, &words(old), &words(new)),
    }
}

fn directions(rule: &Rule) -> String {
    let names: Vec<_> =
        Direction::ALL.iter().filter(|it| rule.directions.contains(it)).map(|direction| direction.name()).collect();
    names.join(" and ")
}

pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Deny => "deny",
        Action::Allow => "allow",
        Action::Inspect => "inspect",
    }
}

/// As in a policy file: `tcp/443`, `udp/3478-3481`, `icmp`, `47`.
fn service(service: &Service) -> String {
    let protocol = match service.protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => other.to_string(),
    };
    match service.ports {
        None => protocol,
        Some((first, last)) if first == last => format!("{protocol}/{first}"),
        Some((first, last)) => format!("{protocol}/{first}-{last}"),
    }
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

    #[test]
    fn services_read_as_in_a_policy_file() {
        let words: Vec<_> = [(6, Some((443, 443))), (17, Some((3_478, 3_481))), (1, None), (58, None), (47, None)]
            .map(|(protocol, ports)| service(&Service { protocol, ports }))
            .into();
        assert_eq!(words, ["tcp/443", "udp/3478-3481", "icmp", "icmpv6", "47"]);
    }
}
