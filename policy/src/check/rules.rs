//! Rules with their names resolved, and what can be wrong with one rule by itself.

use std::collections::HashMap;
use std::rc::Rc;

use abi::Direction;

use super::lists::{Addresses, List as AddressList};
use super::ranges::Ranges;
use super::sets::Sets;
use super::unknown;
use crate::checked::{Action, Rule, Service};
use crate::diagnostic::{Problem, Report, Span, Spanned};
use crate::parse::raw::{Item, List, RawMunicipality, RawRule};

/// Protocol numbers.
const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Whose names a rule may use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Home<'r> {
    /// No sections there; the parser has said so.
    Prefecture,
    Municipality(&'r RawMunicipality, &'r Sections<'r>),
}

/// A municipality's sections by their names.
pub(crate) type Sections<'r> = HashMap<&'r str, Section>;

/// The addresses of a section, and whether all of them could be read.
#[derive(Debug)]
pub(crate) struct Section {
    pub list: Rc<AddressList>,
    pub complete: bool,
}

impl<'r> Home<'r> {
    /// A section by its name; reports a name that is none.
    pub fn section(self, name: &str, span: Span, sets: &mut Sets, report: &mut Report<'_>) -> Option<&'r Section> {
        let Home::Municipality(raw, sections) = self else {
            sets.touch(name);
            return None;
        };
        if let Some(section) = sections.get(name) {
            return Some(section);
        }
        if sets.has(name) {
            sets.touch(name);
            let problem = Problem::error("unknown-section", span, format!("there is no section `{name}`"));
            report.push(problem.help(format!("a set is written with `@`: `@{name}`")));
        } else if !report.may_define(raw.file, name) {
            let sections = raw.sections.iter().map(|(section, _)| section.value.as_str());
            unknown("unknown-section", "section", name, span, sections, report);
        }
        None
    }
}

/// A rule, resolved.
#[derive(Debug)]
pub(crate) struct ResolvedRule<'r> {
    pub raw: &'r RawRule,
    pub directions: Vec<Direction>,
    pub from: Option<Addresses>,
    pub to: Option<Addresses>,
    /// Sorted, ranges of ports united.
    pub services: Option<Vec<Service>>,
    /// Whether all of it could be read: only then can it be said to match nothing.
    pub complete: bool,
    /// Whether it has been said already that it matches nothing.
    pub dead: bool,
}

/// The prefecture's rules.
pub(crate) fn baseline<'r>(raw: &'r [RawRule], sets: &mut Sets, report: &mut Report<'_>) -> Vec<ResolvedRule<'r>> {
    unique_names(raw.iter().filter_map(|rule| rule.name.as_ref()), report);
    let directions = |rule: &RawRule| match rule.direction {
        Some(direction) => vec![direction],
        None => vec![Direction::Egress, Direction::Ingress],
    };
    raw.iter().map(|rule| resolve(rule, directions(rule), Home::Prefecture, sets, report)).collect()
}

/// A municipality's rules of one direction.
pub(crate) fn municipality<'r>(
    raw: &'r [RawRule],
    direction: Direction,
    home: Home<'_>,
    sets: &mut Sets,
    report: &mut Report<'_>,
) -> Vec<ResolvedRule<'r>> {
    unique_names(raw.iter().filter_map(|rule| rule.name.as_ref()), report);
    raw.iter().map(|rule| resolve(rule, vec![direction], home, sets, report)).collect()
}

fn resolve<'r>(
    raw: &'r RawRule,
    directions: Vec<Direction>,
    home: Home<'_>,
    sets: &mut Sets,
    report: &mut Report<'_>,
) -> ResolvedRule<'r> {
    let from = raw.from.as_ref().map(|list| sets.resolve_items(list, home, report));
    let to = raw.to.as_ref().map(|list| sets.resolve_items(list, home, report));
    let services = raw.services.as_ref().map(|list| unite(list.items.iter().map(|service| service.value).collect()));
    let complete = [&from, &to].iter().all(|side| side.as_ref().is_none_or(|side| side.complete))
        && raw.services.as_ref().is_none_or(|list| list.complete);
    let mut rule = ResolvedRule { raw, directions, from, to, services, complete, dead: false };
    inspects_what_can_be(&rule, report);
    matches_something(&mut rule, report);
    rule
}

/// Sorted by protocol, with overlapping and touching ranges of ports united.
pub(super) fn unite(mut services: Vec<Service>) -> Vec<Service> {
    for service in &mut services {
        service.ports = service.ports.filter(|&ports| ports != (0, u16::MAX));
    }
    services.sort_unstable();
    let mut united: Vec<Service> = Vec::with_capacity(services.len());
    for service in services {
        match united.last_mut().filter(|last| last.protocol == service.protocol) {
            Some(Service { ports: None, .. }) => {}
            Some(last) => match (&mut last.ports, service.ports) {
                (Some(kept), Some(next)) if u32::from(next.0) <= u32::from(kept.1) + 1 => kept.1 = kept.1.max(next.1),
                _ => united.push(service),
            },
            None => united.push(service),
        }
    }
    for service in &mut united {
        service.ports = service.ports.filter(|&ports| ports != (0, u16::MAX));
    }
    united
}

/// Reports names that two rules of one list have.
pub(super) fn unique_names<'r>(names: impl Iterator<Item = &'r Spanned<String>>, report: &mut Report<'_>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in names {
        if let Some(&first) = seen.get(name.value.as_str()) {
            let problem =
                Problem::error("duplicate-rule", name.span, format!("there are two rules named `{}`", name.value));
            report.push(
                problem
                    .related(first, "the first one")
                    .help("events name the rule that decided: give each its own name".to_owned()),
            );
        } else {
            seen.insert(&name.value, name.span);
        }
    }
}

fn inspects_what_can_be(rule: &ResolvedRule<'_>, report: &mut Report<'_>) {
    let Some(action) = rule.raw.action.as_ref().filter(|action| action.value == Action::Inspect) else {
        return;
    };
    if rule.directions.contains(&Direction::Ingress) {
        let problem =
            Problem::error("inspect-ingress", action.span, "only connections towards the Internet can be inspected");
        let help =
            if rule.directions.len() == 2 { "add `direction = \"egress\"`" } else { "write `\"allow\"` or `\"deny\"`" };
        report.push(problem.help(help.to_owned()));
    }
    let others = rule.raw.services.iter().flat_map(|list| &list.items).filter(|service| match service.value {
        Service { protocol: TCP, .. } => false,
        Service { protocol, ports } => protocol != UDP || ports.is_none_or(|ports| ports == (0, u16::MAX)),
    });
    let help =
        "name ports, such as `ports = [\"tcp/80\", \"tcp/443\", \"udp/443\"]`, and make another rule for the rest";
    let problem = || {
        let problem = Problem::error("not-inspectable", action.span, "only TCP and QUIC can be inspected");
        problem.help(help.to_owned())
    };
    if rule.services.is_none() {
        report.push(problem().label("the rule holds for every protocol"));
    }
    for service in others {
        let why = match service.value.protocol {
            UDP => "of UDP only ports that are named: there QUIC is looked for",
            _ => "this is neither",
        };
        report.push(problem().related(service.span, why));
    }
}

/// Reports a rule that matches nothing whatever comes before it.
fn matches_something(rule: &mut ResolvedRule<'_>, report: &mut Report<'_>) {
    if !rule.complete {
        return;
    }
    let sides = [("from", &rule.from, &rule.raw.from), ("to", &rule.to, &rule.raw.to)];
    let nobody = nobody(sides).or_else(|| {
        let raw = rule.raw.services.as_ref().filter(|_| rule.services.as_ref().is_some_and(Vec::is_empty))?;
        let help = "leave `ports` and `protocols` out for any, or remove the rule".to_owned();
        Some(Nobody { span: raw.span, why: "an empty list is nothing", help })
    });
    if let Some(nobody) = nobody {
        nobody.tell(rule.raw.at(), &rule.raw.called(), report);
        rule.dead = true;
    }
}

/// Why no packet or connection can match.
pub(super) struct Nobody {
    pub span: Span,
    pub why: &'static str,
    pub help: String,
}

impl Nobody {
    pub fn tell(self, at: Span, called: &str, report: &mut Report<'_>) {
        let problem = Problem::warning("never-matches", at, format!("{called} can never match"));
        report.push(problem.related(self.span, self.why).help(self.help));
    }
}

/// A side with its key, as it is and as it was written.
pub(super) type Side<'s> = (&'static str, &'s Option<Addresses>, &'s Option<List<Spanned<Item>>>);

/// Whether the two sides leave anybody.
pub(super) fn nobody(sides: [Side<'_>; 2]) -> Option<Nobody> {
    for (key, resolved, raw) in sides {
        if let (Some(resolved), Some(raw)) = (resolved, raw)
            && resolved.is_empty()
        {
            let why = if raw.items.is_empty() { "an empty list is nobody" } else { "there is no address in this" };
            let help = format!("leave `{key}` out for any address, or remove the rule");
            return Some(Nobody { span: raw.span, why, help });
        }
    }
    let [(_, from, _), (_, to, raw)] = sides;
    let (from, to, raw) = (from.as_ref()?.families(), to.as_ref()?.families(), raw.as_ref()?);
    let help = "a packet is IPv4 or IPv6, not both: name addresses of one family on both sides".to_owned();
    let meet = from.0 && to.0 || from.1 && to.1;
    (!meet).then_some(Nobody { span: raw.span, why: "of the other family than all of `from`", help })
}

/// Whether the clients are none of a municipality's own, which alone come as far as to the inspector.
pub(super) fn stranger(
    from: &Option<Addresses>,
    raw: &Option<List<Spanned<Item>>>,
    own: Option<&Ranges>,
) -> Option<Nobody> {
    let (from, raw, own) = (from.as_ref()?, raw.as_ref()?, own?);
    let help = "`from` is the municipality's side: add these to `prefixes`, or correct them".to_owned();
    let why = "none of the municipality's own addresses";
    (!from.intersects(own)).then_some(Nobody { span: raw.span, why, help })
}

/// Reports a rule whose inside addresses are none of the municipality's, so that no packet gets as far as to it.
pub(crate) fn meets_insiders(rule: &mut ResolvedRule<'_>, own: &Ranges, report: &mut Report<'_>) {
    let egress = rule.directions.contains(&Direction::Egress);
    let (resolved, raw) = if egress { (&rule.from, &rule.raw.from) } else { (&rule.to, &rule.raw.to) };
    let (Some(resolved), Some(raw)) = (resolved, raw) else {
        return;
    };
    if rule.dead || !rule.complete || resolved.intersects(own) {
        return;
    }
    let problem = Problem::warning("never-matches", rule.raw.at(), format!("{} can never match", rule.raw.called()));
    let (why, help) = if egress {
        (
            "none of the municipality's own addresses",
            "`from` is the municipality's side of an egress rule: add these to `prefixes`, or correct them",
        )
    } else {
        (
            "none of the municipality's own addresses",
            "`to` is the municipality's side of an ingress rule: add these to `prefixes`, or correct them",
        )
    };
    report.push(problem.related(raw.span, why).help(help.to_owned()));
    rule.dead = true;
}

impl RawRule {
    /// Where to point at.
    pub fn at(&self) -> Span {
        self.name.as_ref().map_or(self.span, |name| name.span)
    }

    /// "rule `web`".
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "this rule".to_owned(), |name| format!("rule `{}`", name.value))
    }
}

impl ResolvedRule<'_> {
    /// None if a part is missing, which has been reported.
    pub fn finish(&self, report: &Report<'_>) -> Option<Rule> {
        Some(Rule {
            name: self.raw.name.as_ref()?.value.clone(),
            directions: self.directions.clone(),
            from: self.from.as_ref().map(Addresses::finish),
            to: self.to.as_ref().map(Addresses::finish),
            services: self.services.clone(),
            action: self.raw.action.as_ref()?.value,
            when_down: self.raw.when_down,
            location: report.location(self.raw.span),
        })
    }
}
