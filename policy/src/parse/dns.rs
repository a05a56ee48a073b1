//! `[dns]` of a municipality.

use abi::dns::{MOST_NAMES, ZONE_LABELS};

use super::names;
use super::raw::{List, RawDns};
use super::scalar::{self, Wrong};
use super::walk::{Fields, Value};
use crate::checked::{Dns, labels};
use crate::diagnostic::{Problem, Report};

/// A busy resolver of a provider's asks a municipality's servers a few times a second.
const QUERIES_PER_SOURCE: u64 = 100;
/// Within four seconds. A municipality's zone has some hundreds of names; a pulse of a flood brings thousands a second.
const ENTER: u64 = 400;
/// When nobody says `leave`: so much of `enter`.
const LEAVE_PART: u64 = 4;
/// Fewer could not be told from chance.
const FEWEST: u64 = 16;

pub(super) fn dns(value: Value<'_>, report: &mut Report<'_>) -> Option<RawDns> {
    let mut fields = value.fields("`[dns]`", report)?;
    let span = fields.span;
    let servers = match fields.required("servers", "servers = [\"203.0.113.53\"]") {
        Some(value) => value.words(scalar::address, report),
        None => List::unreadable(span),
    };
    let zones = fields.optional("zones").map_or_else(|| List::absent(span), |value| value.words(zone, report));
    let queries = number(&mut fields, "queries_per_source", 1, 1_000_000, report);
    let (mut enter, mut leave) = (None, None);
    if let Some(mut names) = fields.optional("names").and_then(|value| value.fields("`names`", report)) {
        enter = number(&mut names, "enter", FEWEST, MOST_NAMES, report);
        let below = enter.unwrap_or(ENTER) - 1;
        leave = number(&mut names, "leave", 1, below, report);
        names.finish(report);
    }
    fields.finish(report);
    let enter = enter.unwrap_or(ENTER);
    let dns = Dns {
        servers: Vec::new(),
        zones: Vec::new(),
        queries_per_source: queries.unwrap_or(QUERIES_PER_SOURCE),
        enter,
        leave: leave.unwrap_or(enter / LEAVE_PART),
    };
    Some(RawDns { servers, zones, dns })
}

fn number(fields: &mut Fields<'_>, key: &'static str, least: u64, most: u64, report: &mut Report<'_>) -> Option<u64> {
    let value = fields.optional(key)?;
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let message = format!("`{key}` cannot be {}", value.digits());
        let problem = Problem::error("bad-limit", value.span(), message).label(format!("from {least} to {most}"));
        report.push(problem.help("leave the line out for what is usual, and `[dns]` for no guard".to_owned()));
    }
    number
}

/// The name of a zone, which is everything below it as well.
fn zone(text: &str) -> Result<String, Wrong> {
    let name = names::host(text)?;
    let wrong = |message, help| Err(Wrong { code: "bad-name", message, help: Some(help) });
    if let Some(bare) = name.strip_prefix('.') {
        return wrong(
            format!("`{text}` is not the name of a zone"),
            format!("write `{bare}`: what is below a zone is in it anyway"),
        );
    }
    if labels(&name) > ZONE_LABELS {
        return wrong(
            format!("`{text}` has more than {ZONE_LABELS} labels"),
            "name the zone above it: its names are told apart all the same".to_owned(),
        );
    }
    Ok(name)
}
