//! `[http]`, the prefecture's and the municipalities'.

use super::names;
use super::raw::{List, RawHttp, RawHttpRule, RawTenants};
use super::rule::{self, Layer};
use super::scalar;
use super::walk::{Fields, Value};
use crate::diagnostic::{Problem, Report};
use crate::http::{FileType, HttpAction};

pub(super) fn http(value: Option<Value<'_>>, layer: Layer, report: &mut Report<'_>) -> RawHttp {
    let mut raw = RawHttp::default();
    let Some(mut fields) = value.and_then(|value| value.fields("`[http]`", report)) else {
        return raw;
    };
    if let Some(value) = fields.optional("rule") {
        raw.rules = rule::tables(value, "[[http.rule]]", report, |fields, report| one(fields, layer, report));
    }
    if let Some(mut tenants) = fields.optional("tenants").and_then(|it| it.fields("`[http.tenants]`", report)) {
        raw.microsoft = tenants.optional("microsoft").and_then(|value| microsoft(value, report));
        tenants.finish(report);
    }
    fields.finish(report);
    raw
}

fn one(mut fields: Fields<'_>, layer: Layer, report: &mut Report<'_>) -> RawHttpRule {
    let span = fields.span;
    let name = fields.required("name", "name = \"no-uploads\"").and_then(|name| name.name(report));
    let from = fields.optional("from").map(|value| rule::items(value, layer, report));
    let host = fields.optional("host").map(|value| value.words(names::item, report));
    let path = fields.optional("path").map(|value| value.words(scalar::path, report));
    let methods =
        fields.optional("methods").map(|it| it.list(|item, report| item.checked(scalar::method, report), report));
    let types = fields.optional("types").map(|it| it.list(|item, report| item.choice(FileType::WORDS, report), report));
    let action =
        fields.required("action", "action = \"block\"").and_then(|action| action.choice(HttpAction::WORDS, report));
    let limit = fields.optional("upload_limit");
    if let (Some(limit), Some(action)) = (limit, action.as_ref().filter(|it| it.value == HttpAction::Block)) {
        let message = "`upload_limit` means nothing where the action is `block`";
        let problem =
            Problem::error("misplaced-key", limit.key_span, message).related(action.span, "this is its action");
        report.push(
            problem.help("remove it, or allow what stays below it and block the rest in another rule".to_owned()),
        );
    }
    let upload_limit = limit.and_then(|value| value.word(scalar::size, report)).map(|size| size.value);
    fields.finish(report);
    RawHttpRule { span, name, from, host, path, methods, types, upload_limit, action }
}

fn microsoft(value: Value<'_>, report: &mut Report<'_>) -> Option<RawTenants> {
    let span = value.span();
    let mut fields = value.fields("`microsoft`", report)?;
    let allowed = fields.required("allowed", "allowed = [\"contoso.example\"]");
    let allowed = allowed.map_or(List::unreadable(span), |it| it.words(scalar::tenant, report));
    let context =
        fields.required("context", "context = \"72f988bf-86f1-41af-91ab-2d7cd011db47\", your own directory id");
    let context = context.and_then(|value| value.word(scalar::directory, report));
    fields.finish(report);
    if allowed.items.is_empty() && allowed.complete {
        let problem = Problem::error("bad-tenant", allowed.span, "nobody could sign in anywhere");
        let help = "name the tenants of the municipality, or block the login servers by a rule".to_owned();
        report.push(problem.help(help));
    }
    Some(RawTenants { allowed, context })
}
