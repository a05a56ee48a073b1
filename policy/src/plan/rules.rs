//! Two lists of packet rules side by side.

use std::fmt::Display;

use abi::Direction;
use ipnet::IpNet;

use super::compare::{Changes, Compared, differences};
use super::{Change, Entries, order};
use crate::checked::{Action, Addresses, Rule, Service};

pub(super) fn compare(list: &'static str, old: &[Rule], new: &[Rule], compared: &mut Compared) -> Vec<Change> {
    order::compare(list, [old, new], |rule| &rule.name, |old, new| contents(old, new, compared))
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
    changes.value("when_down", old.when_down.name(), new.when_down.name());
    changes.0
}

pub(super) fn side(
    changes: &mut Changes,
    what: &str,
    old: &Option<Addresses>,
    new: &Option<Addresses>,
    compared: &mut Compared,
) {
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
pub(super) fn optional<T: Ord + Display>(changes: &mut Changes, what: &str, old: Option<&[T]>, new: Option<&[T]>) {
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
pub(super) fn service(service: &Service) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_read_as_in_a_policy_file() {
        let words: Vec<_> = [(6, Some((443, 443))), (17, Some((3_478, 3_481))), (1, None), (58, None), (47, None)]
            .map(|(protocol, ports)| service(&Service { protocol, ports }))
            .into();
        assert_eq!(words, ["tcp/443", "udp/3478-3481", "icmp", "icmpv6", "47"]);
    }
}
