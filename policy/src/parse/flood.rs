//! `[flood]` of the prefecture and of a municipality.

use std::ops::RangeInclusive;

use super::walk::Value;
use crate::checked::{Flood, SynCookies};
use crate::diagnostic::{Problem, Report, Spanned};

pub(super) fn flood(value: Value<'_>, report: &mut Report<'_>) -> Flood {
    let mut flood = Flood::default();
    let Some(mut fields) = value.fields("`[flood]`", report) else {
        return flood;
    };
    if let Some(value) = fields.optional("reflection") {
        match value.as_bool() {
            Some(reflection) => flood.reflection = reflection,
            None => value.wrong_type("true or false", report),
        }
    }
    if let Some(value) = fields.optional("syn_cookies") {
        flood.syn_cookies = syn_cookies(value, report).unwrap_or_default();
    }
    fields.finish(report);
    flood
}

/// `[flood]` of a municipality: what it says in place of the prefecture's.
pub(super) fn of_municipality(value: Value<'_>, report: &mut Report<'_>) -> Option<SynCookies> {
    let mut fields = value.fields("`[flood]`", report)?;
    let own = fields.optional("syn_cookies").and_then(|value| syn_cookies(value, report));
    fields.finish(report);
    own
}

/// `{ enter = 2000, leave = 500 }`, or `false`.
fn syn_cookies(value: Value<'_>, report: &mut Report<'_>) -> Option<SynCookies> {
    if value.as_bool() == Some(false) {
        return Some(SynCookies::Off);
    }
    if !value.is_table() {
        value.wrong_type("`{ enter = 2000, leave = 500 }` or false", report);
        return None;
    }
    let mut fields = value.fields("`syn_cookies`", report)?;
    let rate = |value: Option<Value<'_>>, report: &mut Report<'_>| rate(value?, report);
    let enter = rate(fields.required("enter", "enter = 2000"), report);
    let leave = rate(fields.required("leave", "leave = 500"), report);
    fields.finish(report);
    let (enter, leave) = (enter?, leave?);
    if leave.value > enter.value {
        let message = format!("`leave` is {}, above `enter`, which is {}", leave.value, enter.value);
        let problem = Problem::error("bad-syn-cookies", leave.span, message).related(enter.span, "`enter`");
        report.push(problem.help("an attack ends at a lower rate than it begins: make `leave` smaller".to_owned()));
        return None;
    }
    Some(SynCookies::On { enter: enter.value, leave: leave.value })
}

/// SYNs a second.
const RATES: RangeInclusive<u32> = 1..=10_000_000;

fn rate(value: Value<'_>, report: &mut Report<'_>) -> Option<Spanned<u32>> {
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    let Some(number) = number.filter(|number| RATES.contains(number)) else {
        let message = format!("`{}` cannot be {}", value.key, value.digits());
        let problem = Problem::error("bad-syn-cookies", value.span(), message);
        let problem = problem.label(format!("from {} to {}", RATES.start(), RATES.end()));
        report.push(problem.help("write `syn_cookies = false` for services that never answer with cookies".to_owned()));
        return None;
    };
    Some(Spanned { value: number, span: value.span() })
}
