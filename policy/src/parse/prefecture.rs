//! `prefecture.toml`.

use toml::de::DeTable;

use super::document::Document;
use super::raw::{Countries, List, RawHttp, RawPrefecture, RawSet, RawTls};
use super::rule::{self, Layer};
use super::walk::{Fields, Value};
use super::{flood, http, names, proxy, scalar, tls};
use crate::checked::Flood;
use crate::diagnostic::{Problem, Report, Span, Spanned};

/// The only version of the format that there is.
const SCHEMA: i64 = 1;

pub(crate) fn prefecture<'t>(
    document: &'t Document<'t>,
    table: &'t DeTable<'t>,
    report: &mut Report<'_>,
) -> RawPrefecture {
    let mut root = Fields::root(document, table, "`prefecture.toml`");
    let absent = root.span;
    let mut raw = RawPrefecture {
        file: document.file,
        id: None,
        name: None,
        uplinks: List::unreadable(absent),
        accesses: List::unreadable(absent),
        country_files: None,
        sets: Vec::new(),
        block: List::absent(absent),
        essential: List::absent(absent),
        flood: Flood::default(),
        baseline: Vec::new(),
        names: Vec::new(),
        tls: RawTls::absent(absent),
        http: RawHttp::default(),
        proxy: None,
    };
    if let Some(value) = root.required("schema", "schema = 1") {
        schema(value, report);
    }
    if let Some(mut fields) = required_table(&mut root, "prefecture", "[prefecture]", "`[prefecture]`", report) {
        raw.id = fields.required("id", "id = \"miyagi\"").and_then(|id| id.checked(scalar::slug, report));
        raw.name = fields.required("name", "name = \"宮城県\"").and_then(|name| name.name(report));
        fields.finish(report);
    }
    if let Some(mut fields) = required_table(&mut root, "ports", "[ports]", "`[ports]`", report) {
        raw.uplinks = ports(fields.required("uplink", "uplink = [\"wan0\"]"), fields.span, report);
        raw.accesses = ports(fields.required("access", "access = [\"lan0\"]"), fields.span, report);
        fields.finish(report);
    }
    if let Some(mut fields) = root.optional("countries").and_then(|value| value.fields("`[countries]`", report)) {
        raw.country_files =
            fields.optional("files").map(|value| value.list(|item, report| item.string(report), report));
        fields.finish(report);
    }
    if let Some(fields) = root.optional("sets").and_then(|value| value.fields("`[sets]`", report)) {
        raw.sets = fields.entries().map(|(name, value)| set(name, value, report)).collect();
    }
    if let Some(mut fields) = root.optional("block").and_then(|value| value.fields("`[block]`", report)) {
        if let Some(value) = fields.required("sets", "sets = [\"threats\"]") {
            raw.block = value.list(|item, report| item.string(report), report);
        }
        fields.finish(report);
    }
    if let Some(mut fields) = root.optional("isolation").and_then(|value| value.fields("`[isolation]`", report)) {
        if let Some(value) = fields.required("essential", "essential = [\"@essential\"]") {
            raw.essential = value.words(scalar::item, report);
        }
        fields.finish(report);
    }
    raw.flood = root.optional("flood").map_or_else(Flood::default, |value| flood::flood(value, report));
    if let Some(value) = root.optional("baseline") {
        raw.baseline = rule::rules(value, Layer::Baseline, report);
    }
    if let Some(fields) = root.optional("names").and_then(|value| value.fields("`[names]`", report)) {
        raw.names = fields.entries().map(|(name, value)| names::names(name, value, report)).collect();
    }
    raw.tls = tls::tls(root.optional("tls"), Layer::Baseline, absent, report);
    raw.http = http::http(root.optional("http"), Layer::Baseline, report);
    raw.proxy = root.optional("proxy").and_then(|value| proxy::proxy(value, report));
    root.finish(report);
    raw
}

fn required_table<'t>(
    root: &mut Fields<'t>,
    key: &'static str,
    example: &'static str,
    what: &'static str,
    report: &mut Report<'_>,
) -> Option<Fields<'t>> {
    root.required(key, example)?.fields(what, report)
}

fn schema(value: Value<'_>, report: &mut Report<'_>) {
    if !value.is_integer() {
        value.wrong_type("the whole number 1", report);
    } else if value.as_integer() != Some(SCHEMA) {
        let problem =
            Problem::error("unsupported-schema", value.span(), "this version of bangasa does not know this schema");
        report.push(problem.label("only 1 is known").help("write `schema = 1`, or use a newer bangasa".to_owned()));
    }
}

fn ports(value: Option<Value<'_>>, table: Span, report: &mut Report<'_>) -> List<Spanned<String>> {
    let Some(value) = value else {
        return List::unreadable(table);
    };
    let list = value.list(|item, report| item.checked(scalar::interface, report), report);
    if list.items.is_empty() && list.complete {
        let problem = Problem::error("no-port", list.span, format!("`{}` names no port", value.key));
        report.push(problem.help("name at least one network interface, as shown by `ip link`".to_owned()));
    }
    list
}

fn set(name: Spanned<String>, value: Value<'_>, report: &mut Report<'_>) -> RawSet {
    let mut set = RawSet { name, file: None, prefixes: None, countries: None, complete: true };
    if let Err(wrong) = scalar::slug(&set.name.value) {
        report.push(Problem::error(wrong.code, set.name.span, wrong.message).help(wrong.help));
    }
    let Some(mut fields) = value.fields("a set", report) else {
        set.complete = false;
        return set;
    };
    let mut parts = 0;
    if let Some(value) = fields.optional("file") {
        set.file = value.string(report);
        set.complete &= set.file.is_some();
        parts += 1;
    }
    if let Some(value) = fields.optional("prefixes") {
        let list = value.words(scalar::prefix, report);
        set.complete &= list.complete;
        set.prefixes = Some(list);
        parts += 1;
    }
    if let Some(value) = fields.optional("countries") {
        set.countries = countries(value, report);
        set.complete &= set.countries.as_ref().is_some_and(|countries| countries.codes.complete);
        parts += 1;
    }
    if parts == 0 {
        let problem = Problem::error(
            "missing-key",
            set.name.span,
            format!("nothing says what is in the set `{}`", set.name.value),
        );
        report.push(problem.help("add `file`, `prefixes` or `countries`".to_owned()));
        set.complete = false;
    }
    fields.finish(report);
    set
}

/// `["CN", "RU"]` or `{ not = ["JP"] }`.
fn countries(value: Value<'_>, report: &mut Report<'_>) -> Option<Countries> {
    let codes = |value: Value<'_>, report: &mut Report<'_>| {
        value.list(|item, report| item.checked(scalar::country, report), report)
    };
    if value.is_list() {
        return Some(Countries { codes: codes(value, report), inverted: false });
    }
    if !value.is_table() {
        value.wrong_type("a list of countries, or `{ not = [\"JP\"] }`", report);
        return None;
    }
    let mut fields = value.fields("`countries`", report)?;
    let not = fields.required("not", "not = [\"JP\"]");
    fields.finish(report);
    Some(Countries { codes: codes(not?, report), inverted: true })
}
