//! Rules, the baseline's and the municipalities'.

use abi::Direction;

use super::raw::{Item, List, RawRule};
use super::scalar::{self, Wrong};
use super::walk::{Fields, Value};
use crate::checked::{Action, Service, WhenDown};
use crate::diagnostic::{Problem, Report, Spanned};

/// Whose rules they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Baseline,
    Municipality,
}

const ACTIONS: [(&str, Action); 3] = [("allow", Action::Allow), ("deny", Action::Deny), ("inspect", Action::Inspect)];
const DIRECTIONS: [(&str, Option<Direction>); 3] =
    [("egress", Some(Direction::Egress)), ("ingress", Some(Direction::Ingress)), ("both", None)];

/// `[[baseline]]` or `[[egress.rule]]`: a list of tables.
pub(crate) fn rules(value: Value<'_>, layer: Layer, report: &mut Report<'_>) -> Vec<RawRule> {
    let brackets = if layer == Layer::Baseline { "[[baseline]]" } else { "[[egress.rule]]" };
    tables(value, brackets, report, |fields, report| rule(fields, layer, report))
}

/// A list of rules, each read by `read`; `brackets` is how one begins.
pub(super) fn tables<'t, T>(
    value: Value<'t>,
    brackets: &str,
    report: &mut Report<'_>,
    read: impl Fn(Fields<'t>, &mut Report<'_>) -> T,
) -> Vec<T> {
    if value.is_table() {
        let problem =
            Problem::error("wrong-type", value.span(), format!("`{}` must be a list of rules, not a table", value.key));
        report.push(problem.help(format!("each rule begins with double brackets, as in `{brackets}`")));
        return value.fields("a rule", report).map(|fields| read(fields, report)).into_iter().collect();
    }
    value.list(|item, report| item.fields("a rule", report).map(|fields| read(fields, report)), report).items
}

fn rule(mut fields: Fields<'_>, layer: Layer, report: &mut Report<'_>) -> RawRule {
    let span = fields.span;
    let name = fields.required("name", "name = \"web\"").and_then(|name| name.name(report));
    let mut direction = None;
    if layer == Layer::Baseline
        && let Some(value) = fields.optional("direction")
    {
        direction = value.choice(&DIRECTIONS, report).and_then(|direction| direction.value);
    }
    let from = fields.optional("from").map(|value| items(value, layer, report));
    let to = fields.optional("to").map(|value| items(value, layer, report));
    let ports = fields.optional("ports").map(|value| value.list(port, report));
    let protocols = fields.optional("protocols").map(|value| value.list(protocol, report));
    let action = fields.required("action", "action = \"allow\"").and_then(|action| action.choice(&ACTIONS, report));
    let when_down = fields.optional("when_down");
    belongs_to(&when_down, Action::Inspect, &action, &ACTIONS, report);
    let when_down = when_down.and_then(|value| value.choice(WhenDown::WORDS, report));
    let when_down = when_down.map_or(WhenDown::Closed, |when_down| when_down.value);
    fields.finish(report);
    let services = match (ports, protocols) {
        (Some(mut ports), Some(protocols)) => {
            ports.items.extend(protocols.items);
            ports.complete &= protocols.complete;
            Some(ports)
        }
        (ports, protocols) => ports.or(protocols),
    };
    RawRule { span, name, direction, from, to, services, action, when_down }
}

/// Reports a key that means nothing beside another action than `wanted`.
pub(super) fn belongs_to<T: Copy + PartialEq>(
    value: &Option<Value<'_>>,
    wanted: T,
    action: &Option<Spanned<T>>,
    words: &[(&str, T)],
    report: &mut Report<'_>,
) {
    let (Some(value), Some(action)) = (value, action) else { return };
    if action.value == wanted {
        return;
    }
    let word = |of: T| words.iter().find(|(_, value)| *value == of).map_or("", |(word, _)| word);
    let message = format!("`{}` means nothing where the action is `{}`", value.key, word(action.value));
    let problem = Problem::error("misplaced-key", value.key_span, message).related(action.span, "this is its action");
    report.push(problem.help(format!("remove it, or write `action = \"{}\"`", word(wanted))));
}

pub(super) fn items(value: Value<'_>, layer: Layer, report: &mut Report<'_>) -> List<Spanned<Item>> {
    let list = value.words(scalar::item, report);
    for item in list.items.iter().filter(|_| layer == Layer::Baseline) {
        if let Item::Section(name) = &item.value {
            let problem =
                Problem::error("section-in-baseline", item.span, "a rule of the prefecture cannot name a section");
            let help = format!("sections belong to one municipality; make a set and write `@{name}`, or a prefix");
            report.push(problem.help(help));
        }
    }
    list
}

pub(super) fn port(value: Value<'_>, report: &mut Report<'_>) -> Option<Spanned<Service>> {
    if let Some(number) = value.as_integer() {
        let problem =
            Problem::error("bad-port", value.span(), format!("`{number}` does not say of which protocol it is a port"));
        report.push(problem.help(format!("write `\"tcp/{number}\"` or `\"udp/{number}\"`")));
        return None;
    }
    value.word(scalar::port, report)
}

fn protocol(value: Value<'_>, report: &mut Report<'_>) -> Option<Spanned<Service>> {
    if !value.is_integer() {
        return value.word(scalar::protocol, report);
    }
    let number = value.as_integer().and_then(|number| u8::try_from(number).ok());
    if number.is_none() {
        let wrong = Wrong {
            code: "bad-protocol",
            message: format!("`{}` is not a protocol", value.digits()),
            help: Some("protocols are numbers from 0 to 255, such as 47 for GRE".to_owned()),
        };
        report.push(Problem::error(wrong.code, value.span(), wrong.message).help(wrong.help));
    }
    number.map(|protocol| Spanned { value: Service { protocol, ports: None }, span: value.span() })
}
