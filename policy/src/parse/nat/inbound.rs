//! `[[nat.inbound]]`.

use crate::diagnostic::{Problem, Report, Spanned};
use crate::parse::raw::{List, RawInbound};
use crate::parse::rule;
use crate::parse::scalar;
use crate::parse::walk::{Fields, Value};

pub(super) fn inbound(value: Value<'_>, report: &mut Report<'_>) -> Vec<RawInbound> {
    let one = |fields: Option<Fields<'_>>, report: &mut Report<'_>| fields.map(|fields| mapping(fields, report));
    if value.is_table() {
        let problem = Problem::error("wrong-type", value.span(), "`inbound` must be a list of tables, not a table");
        report.push(problem.help("each mapping begins with double brackets: `[[nat.inbound]]`".to_owned()));
        return one(value.fields("a mapping", report), report).into_iter().collect();
    }
    value.list(|item, report| one(item.fields("a mapping", report), report), report).items
}

fn mapping(mut fields: Fields<'_>, report: &mut Report<'_>) -> RawInbound {
    let name = fields.required("name", "name = \"city-site\"").and_then(|name| name.name(report));
    let public = fields.required("public", "public = \"203.0.113.12\"");
    let public = public.and_then(|value| value.word(scalar::public, report));
    let ports = fields.required("ports", "ports = [\"tcp/443\"]");
    let services = match ports {
        Some(value) => value.list(rule::port, report),
        None => List::unreadable(fields.span),
    };
    if services.items.is_empty() && services.complete {
        let problem = Problem::error("bad-inbound", services.span, "a mapping of no port maps nothing");
        report.push(problem.help("name the ports that the Internet calls: `ports = [\"tcp/443\"]`".to_owned()));
    }
    let to = fields.required("to", "to = \"10.4.1.10\"").and_then(|value| value.word(scalar::server, report));
    fields.finish(report);
    if let Some(Spanned { value: (_, Some(port)), .. }) = to {
        for range in services.items.iter().filter(|it| it.value.ports.is_none_or(|(first, last)| first != last)) {
            let message = format!("a run of ports cannot become the single port {port}");
            let problem = Problem::error("bad-inbound", range.span, message);
            report.push(problem.help(
                "name single ports here, or leave the port out of `to`: a run of ports keeps its own".to_owned(),
            ));
        }
    }
    RawInbound { name, public, services, to }
}
