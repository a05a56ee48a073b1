//! `[tls]`, the prefecture's and the municipalities'.

mod bypass;

use super::names;
use super::raw::{RawTls, RawTlsRule};
use super::rule::{self, Layer};
use super::scalar;
use super::walk::{Fields, Value};
use crate::diagnostic::{Problem, Report, Span};
use crate::tls::limits::{Budget, HANDSHAKES_PER_SECOND, MEMORY_MIB, SESSIONS};
use crate::tls::{ClientCertificates, Ech, Limits, OnBadCertificate, Opening, TlsAction};

/// `absent` is where to point at if there is no such table.
pub(super) fn tls(value: Option<Value<'_>>, layer: Layer, absent: Span, report: &mut Report<'_>) -> RawTls {
    let mut raw = RawTls::absent(absent);
    let Some(mut fields) = value.and_then(|value| value.fields("`[tls]`", report)) else {
        return raw;
    };
    raw.default = fields.optional("default").and_then(|value| value.choice(TlsAction::WORDS, report));
    raw.on_bad_certificate = choice(fields.optional("on_bad_certificate"), OnBadCertificate::WORDS, report);
    raw.bypass = fields.optional("bypass").and_then(|value| bypass::bypass(value, report));
    match layer {
        Layer::Baseline => {
            if let Some(value) = fields.optional("resolvers") {
                raw.resolvers = value.words(scalar::resolver, report);
            }
            if let Some(value) = fields.optional("roots") {
                raw.roots = value.list(|item, report| item.string(report), report);
            }
            if let Some(value) = fields.optional("crls") {
                raw.crls = value.list(|item, report| item.string(report), report);
            }
        }
        Layer::Municipality => {
            if let Some(value) = fields.optional("limits") {
                raw.limits = limits(value, report);
            }
        }
    }
    if let Some(value) = fields.optional("rule") {
        raw.rules = rule::tables(value, "[[tls.rule]]", report, |fields, report| one(fields, layer, report));
    }
    fields.finish(report);
    raw
}

fn choice<T: Copy>(value: Option<Value<'_>>, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
    value.and_then(|value| value.choice(words, report)).map(|word| word.value)
}

fn one(mut fields: Fields<'_>, layer: Layer, report: &mut Report<'_>) -> RawTlsRule {
    let span = fields.span;
    let name = fields.required("name", "name = \"banks\"").and_then(|name| name.name(report));
    let from = fields.optional("from").map(|value| rule::items(value, layer, report));
    let to = fields.optional("to").map(|value| rule::items(value, layer, report));
    let services = fields.optional("ports").map(|value| value.list(rule::port, report));
    let speaks = |value: Value<'_>, report: &mut Report<'_>| {
        value.list(|item, report| item.choice(Opening::WORDS, report), report)
    };
    let speaks = fields.optional("speaks").map(|value| speaks(value, report));
    let sni = fields.optional("sni").map(|value| value.words(names::item, report));
    let ja4 = fields.optional("ja4").map(|value| value.list(|item, report| item.checked(scalar::ja4, report), report));
    let alpn =
        fields.optional("alpn").map(|value| value.list(|item, report| item.checked(scalar::alpn, report), report));
    let ech = fields.optional("ech").and_then(|value| value.choice(Ech::WORDS, report));
    let action =
        fields.required("action", "action = \"splice\"").and_then(|action| action.choice(TlsAction::WORDS, report));
    let trust_sni = fields.optional("trust_sni");
    rule::belongs_to(&trust_sni, TlsAction::Splice, &action, TlsAction::WORDS, report);
    let trust_sni = trust_sni.is_some_and(|value| yes(value, report));
    let client_certificates = fields.optional("client_certificates");
    rule::belongs_to(&client_certificates, TlsAction::Inspect, &action, TlsAction::WORDS, report);
    let client_certificates = choice(client_certificates, ClientCertificates::WORDS, report);
    fields.finish(report);
    RawTlsRule { span, name, from, to, services, speaks, sni, ja4, alpn, ech, action, trust_sni, client_certificates }
}

fn yes(value: Value<'_>, report: &mut Report<'_>) -> bool {
    let yes = value.as_bool();
    if yes.is_none() {
        value.wrong_type("true or false", report);
    }
    yes.unwrap_or(false)
}

fn limits(value: Value<'_>, report: &mut Report<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut fields) = value.fields("`limits`", report) else {
        return limits;
    };
    let budgets = [
        (SESSIONS, &mut limits.sessions),
        (HANDSHAKES_PER_SECOND, &mut limits.handshakes_per_second),
        (MEMORY_MIB, &mut limits.memory_mib),
    ];
    for (budget, limit) in budgets {
        if let Some(value) = fields.optional(budget.name)
            && let Some(number) = within(value, budget, report)
        {
            *limit = number;
        }
    }
    fields.finish(report);
    limits
}

fn within(value: Value<'_>, budget: Budget, report: &mut Report<'_>) -> Option<u32> {
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| (budget.least..=budget.most).contains(number));
    if number.is_none() {
        let Budget { name, default, least, most } = budget;
        let message = format!("`{name}` cannot be {}", value.digits());
        let problem = Problem::error("bad-limit", value.span(), message).label(format!("from {least} to {most}"));
        report.push(problem.help(format!("leave it out for {default}")));
    }
    number
}
