//! `[limits]`: budgets of a municipality. Rates are one number for both ways, or `{ in = …, out = … }`.

use abi::{Direction, Limit};

use super::raw::RawLimit;
use super::walk::{Fields, Value};
use crate::checked::Budget;
use crate::diagnostic::{Problem, Report};

/// A key of `[limits]`.
struct Key {
    name: &'static str,
    limit: Limit,
    ways: Ways,
    least: u64,
    most: u64,
}

/// Whether a limit differs by direction.
enum Ways {
    One,
    Each,
}

const fn key(name: &'static str, limit: Limit, ways: Ways, least: u64, most: u64) -> Key {
    Key { name, limit, ways, least, most }
}

const NEW_FLOWS: &str = "new_flows_per_second";
const PACKETS: &str = "packets_per_second";

/// The longest datagram must fit into a second of bits; the upper ends are where the arithmetic would become coarse.
const KEYS: [Key; 6] = [
    key("flows", Limit::Flows, Ways::One, 1, 4_000_000_000),
    key(NEW_FLOWS, Limit::NewFlows, Ways::Each, 1, 1_000_000_000),
    key(PACKETS, Limit::Packets, Ways::Each, 1, 1_000_000_000),
    key("bits_per_second", Limit::Bits, Ways::Each, 600_000, 1_000_000_000_000),
    key("smtp_connections_per_second", Limit::Smtp, Ways::One, 1, 1_000_000),
    key("events_per_second", Limit::Events, Ways::One, 1, 1_000_000),
];
const SOURCE: [Key; 2] = [
    key(NEW_FLOWS, Limit::SourceNewFlows, Ways::Each, 1, 1_000_000),
    key(PACKETS, Limit::SourcePackets, Ways::Each, 1, 1_000_000),
];
/// Networks of the Internet only: what comes in.
const PREFIX: [Key; 2] = [
    key(NEW_FLOWS, Limit::PrefixNewFlows, Ways::One, 1, 1_000_000),
    key(PACKETS, Limit::PrefixPackets, Ways::One, 1, 1_000_000),
];

pub(super) fn limits(value: Value<'_>, report: &mut Report<'_>) -> Vec<RawLimit> {
    let mut limits = Vec::new();
    let Some(mut fields) = value.fields("`[limits]`", report) else {
        return limits;
    };
    keys(&mut fields, &KEYS, &mut limits, report);
    for (name, what, inner) in
        [("per_source", "`[limits.per_source]`", &SOURCE), ("per_prefix", "`[limits.per_prefix]`", &PREFIX)]
    {
        if let Some(mut fields) = fields.optional(name).and_then(|value| value.fields(what, report)) {
            keys(&mut fields, inner, &mut limits, report);
            fields.finish(report);
        }
    }
    fields.finish(report);
    limits
}

fn keys(fields: &mut Fields<'_>, keys: &[Key], limits: &mut Vec<RawLimit>, report: &mut Report<'_>) {
    for key in keys {
        let Some(value) = fields.optional(key.name) else { continue };
        match key.ways {
            Ways::Each if value.is_table() => {
                let Some(mut fields) = value.fields("a limit", report) else { continue };
                for (name, direction) in [("in", Direction::Ingress), ("out", Direction::Egress)] {
                    if let Some(value) = fields.optional(name) {
                        limits.extend(one(key, value, Budget::way(key.limit, direction), report));
                    }
                }
                fields.finish(report);
            }
            Ways::Each => {
                let both = one(key, value, Budget::whole(key.limit), report);
                let each =
                    |direction| move |limit: RawLimit| RawLimit { budget: Budget::way(key.limit, direction), ..limit };
                limits.extend(Direction::ALL.into_iter().filter_map(|direction| both.map(each(direction))));
            }
            Ways::One => limits.extend(one(key, value, Budget::whole(key.limit), report)),
        }
    }
}

fn one(key: &Key, value: Value<'_>, budget: Budget, report: &mut Report<'_>) -> Option<RawLimit> {
    let Key { name, least, most, .. } = *key;
    if !value.is_integer() {
        let each = matches!(key.ways, Ways::Each) && value.key == name;
        value.wrong_type(if each { "a whole number, or `{ in = …, out = … }`" } else { "a whole number" }, report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    let Some(number) = number.filter(|number| (least..=most).contains(number)) else {
        let message = format!("`{name}` cannot be {}", value.digits());
        let problem = Problem::error("bad-limit", value.span(), message).label(format!("from {least} to {most}"));
        report.push(
            problem.help("leave the line out for no limit, or set `isolated = true` to cut everything off".to_owned()),
        );
        return None;
    };
    Some(RawLimit { budget, number, span: value.span() })
}
