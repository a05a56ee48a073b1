//! `municipalities/*.toml`.

use toml::de::DeTable;

use super::document::Document;
use super::raw::{List, RawAttachment, RawIsolation, RawMunicipality, RawRules};
use super::rule::{self, Layer};
use super::walk::{Fields, Value};
use super::{dns, flood, http, limits, nat, proxy, scalar, tls};
use crate::checked::Action;
use crate::diagnostic::{Problem, Report};

pub(crate) fn municipality<'t>(
    document: &'t Document<'t>,
    table: &'t DeTable<'t>,
    report: &mut Report<'_>,
) -> RawMunicipality {
    let mut root = Fields::root(document, table, "a municipality");
    let absent = root.span;
    let id = root.required("id", "id = \"sendai\"").and_then(|id| id.checked(scalar::slug, report));
    let name = root.required("name", "name = \"仙台市\"").and_then(|name| name.name(report));
    let attach = "attach = [{ port = \"lan0\", vlan = 101, address = [\"10.4.0.1/24\"] }]";
    let attachments = match root.required("attach", attach) {
        Some(value) => attachments(value, report),
        None => List::unreadable(absent),
    };
    let prefixes = match root.required("prefixes", "prefixes = [\"10.4.0.0/16\"]") {
        Some(value) => value.words(scalar::prefix, report),
        None => List::unreadable(absent),
    };
    let isolation = root.optional("isolated").map_or(RawIsolation::None, |value| isolation(value, report));

    let nat = root.optional("nat").and_then(|value| nat::nat(value, report));
    let nat = nat.unwrap_or_else(|| nat::absent(absent));
    let mut sections = Vec::new();
    if let Some(fields) = root.optional("sections").and_then(|value| value.fields("`[sections]`", report)) {
        for (name, value) in fields.entries() {
            if let Err(wrong) = scalar::slug(&name.value) {
                report.push(Problem::error(wrong.code, name.span, wrong.message).help(wrong.help));
            }
            sections.push((name, value.words(scalar::prefix, report)));
        }
    }
    let limits = root.optional("limits").map_or_else(Vec::new, |value| limits::limits(value, report));
    let syn_cookies = root.optional("flood").and_then(|value| flood::of_municipality(value, report));
    let dns = root.optional("dns").and_then(|value| dns::dns(value, report));
    let egress = root.optional("egress");
    let egress = rules(egress, "`[egress]`", report);
    let ingress = root.optional("ingress");
    let ingress = rules(ingress, "`[ingress]`", report);
    let tls = tls::tls(root.optional("tls"), Layer::Municipality, absent, report);
    let http = http::http(root.optional("http"), Layer::Municipality, report);
    let proxy = root.optional("proxy").and_then(|value| proxy::proxy(value, report));
    root.finish(report);
    RawMunicipality {
        file: document.file,
        id,
        name,
        attachments,
        prefixes,
        nat,
        sections,
        isolation,
        limits,
        syn_cookies,
        dns,
        egress,
        ingress,
        tls,
        http,
        proxy,
    }
}

fn attachments(value: Value<'_>, report: &mut Report<'_>) -> List<RawAttachment> {
    let list = value
        .list(|item, report| item.fields("an attachment", report).map(|fields| attachment(fields, report)), report);
    if list.items.is_empty() && list.complete {
        let problem = Problem::error("no-attachment", list.span, "this municipality is attached nowhere");
        report.push(problem.help("name the port and VLAN where its packets enter".to_owned()));
    }
    list
}

fn attachment(mut fields: Fields<'_>, report: &mut Report<'_>) -> RawAttachment {
    let span = fields.span;
    let port = fields.required("port", "port = \"lan0\"").and_then(|port| port.string(report));
    let vlans = match fields.optional("vlan") {
        Some(value) => vlans(value, report),
        None => Some(Vec::new()),
    };
    let addresses = match fields.required("address", "address = [\"10.4.0.1/24\"]") {
        Some(value) => value.words(scalar::interface_address, report),
        None => List::unreadable(span),
    };
    if addresses.items.is_empty() && addresses.complete {
        let problem = Problem::error("no-address", addresses.span, "the gateway has no address on this attachment");
        report.push(
            problem.help("give it one of the segment's addresses, with the segment's length: `10.4.0.1/24`".to_owned()),
        );
    }
    let routers = match fields.optional("router") {
        Some(value) => value.words(scalar::address, report),
        None => List::absent(span),
    };
    fields.finish(report);
    RawAttachment { span, port, vlans, addresses, routers }
}

/// `101` or `[200, 101]`.
fn vlans(value: Value<'_>, report: &mut Report<'_>) -> Option<Vec<u16>> {
    if !value.is_list() {
        return vlan(value, report).map(|vlan| vec![vlan]);
    }
    let list = value.list(vlan, report);
    let count = list.items.len();
    if list.complete && !(1..=2).contains(&count) {
        let problem = Problem::error("bad-vlan", list.span, format!("a frame carries one or two tags, not {count}"));
        report.push(
            problem.help("write `101`, or `[200, 101]` for outer and inner; leave `vlan` out for untagged".to_owned()),
        );
        return None;
    }
    list.complete.then_some(list.items)
}

fn vlan(value: Value<'_>, report: &mut Report<'_>) -> Option<u16> {
    if !value.is_integer() {
        value.wrong_type("a whole number or two of them", report);
        return None;
    }
    let vlan = value.as_integer().and_then(|vlan| u16::try_from(vlan).ok()).filter(|vlan| (1..=4094).contains(vlan));
    if vlan.is_none() {
        let problem = Problem::error("bad-vlan", value.span(), format!("`{}` is not a VLAN", value.digits()));
        report.push(problem.help("VLANs are numbered from 1 to 4094; leave `vlan` out for untagged frames".to_owned()));
    }
    vlan
}

fn isolation(value: Value<'_>, report: &mut Report<'_>) -> RawIsolation {
    match value.as_bool() {
        Some(true) => RawIsolation::All,
        Some(false) => RawIsolation::None,
        None if value.is_list() => RawIsolation::Parts(value.words(scalar::item, report)),
        None => {
            value.wrong_type("true, false, or a list of sections and addresses", report);
            RawIsolation::None
        }
    }
}

fn rules(value: Option<Value<'_>>, what: &'static str, report: &mut Report<'_>) -> RawRules {
    let mut raw = RawRules { default: Action::Deny, rules: Vec::new() };
    let Some(mut fields) = value.and_then(|value| value.fields(what, report)) else {
        return raw;
    };
    if let Some(value) = fields.optional("default")
        && let Some(action) = value.choice(&[("allow", Action::Allow), ("deny", Action::Deny)], report)
    {
        raw.default = action.value;
    }
    if let Some(value) = fields.optional("rule") {
        raw.rules = rule::rules(value, Layer::Municipality, report);
    }
    fields.finish(report);
    raw
}
