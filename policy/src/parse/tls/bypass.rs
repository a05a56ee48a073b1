//! `bypass`, of `[tls]`: a word, or a table of it and numbers.

use crate::diagnostic::{Problem, Report, Spanned};
use crate::parse::scalar;
use crate::parse::walk::Value;
use crate::tls::bypass::limits::{CLIENTS, FOR, WITHIN};
use crate::tls::{Bypass, BypassSaid};

pub(super) fn bypass(value: Value<'_>, report: &mut Report<'_>) -> Option<Spanned<BypassSaid>> {
    let mut said = BypassSaid::default();
    if value.as_str().is_some() {
        said.mode = Some(value.choice(Bypass::WORDS, report)?.value);
    } else if value.is_table() {
        let mut fields = value.fields("`bypass`", report)?;
        let mode = fields.optional("mode").and_then(|value| value.choice(Bypass::WORDS, report));
        said.mode = mode.map(|mode| mode.value);
        said.clients = fields.optional("clients").and_then(|value| clients(value, report));
        let mut span = |value: Option<Value<'_>>, (_, least, most): (u32, u32, u32)| {
            let value = value?;
            Some(value.word(|text| scalar::span(value.key, text, least, most), report)?.value)
        };
        said.within_seconds = span(fields.optional("within"), WITHIN);
        said.for_seconds = span(fields.optional("for"), FOR);
        fields.finish(report);
    } else {
        value.wrong_type("a word or a table", report);
        return None;
    }
    Some(Spanned { value: said, span: value.span() })
}

fn clients(value: Value<'_>, report: &mut Report<'_>) -> Option<u16> {
    let (default, least, most) = CLIENTS;
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u16::try_from(number).ok());
    let number = number.filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let message = format!("`clients` cannot be {}", value.digits());
        let problem = Problem::error("bad-limit", value.span(), message).label(format!("from {least} to {most}"));
        report.push(problem.help(format!("one client alone proves nothing; leave it out for {default}")));
    }
    number
}
