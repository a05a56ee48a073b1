//! HTTP rules with their names resolved, and what can be wrong with one rule by itself.

mod unreachable;

pub(crate) use unreachable::check as unreachable;

use super::lists::Addresses;
use super::names::NameLists;
use super::ranges::Ranges;
use super::rules::{self, Home, Nobody};
use super::sets::Sets;
use super::tls::{empty_list, hosts};
use crate::checked::{Hosts, Http, HttpRule};
use crate::diagnostic::{Problem, Report, Span, Spanned};
use crate::http::{MicrosoftTenants, limits};
use crate::parse::raw::{List, RawHttp, RawHttpRule};

/// `[http]`, resolved.
#[derive(Debug)]
pub(crate) struct ResolvedHttp<'r> {
    pub raw: &'r RawHttp,
    pub rules: Vec<ResolvedHttpRule<'r>>,
}

/// An HTTP rule, resolved.
#[derive(Debug)]
pub(crate) struct ResolvedHttpRule<'r> {
    pub raw: &'r RawHttpRule,
    from: Option<Addresses>,
    host: Option<Hosts>,
    /// Whether all of it could be read: only then can it be said to match nothing.
    complete: bool,
    /// Whether it has been said already that it matches nothing.
    dead: bool,
}

/// The prefecture's or a municipality's rules; `own` are the addresses of the municipality, if they are known.
pub(crate) fn resolve<'r>(
    raw: &'r RawHttp,
    home: Home<'_>,
    own: Option<&Ranges>,
    sets: &mut Sets,
    names: &mut NameLists,
    report: &mut Report<'_>,
) -> ResolvedHttp<'r> {
    rules::unique_names(raw.rules.iter().filter_map(|rule| rule.name.as_ref()), report);
    capacity(raw, report);
    let rules = raw.rules.iter().map(|raw| {
        let from = raw.from.as_ref().map(|list| sets.resolve_items(list, home, report));
        let mut complete = from.as_ref().is_none_or(|from| from.complete)
            && [&raw.path, &raw.methods].iter().all(|list| list.as_ref().is_none_or(|list| list.complete))
            && raw.types.as_ref().is_none_or(|list| list.complete);
        let host = raw.host.as_ref().map(|list| {
            let (host, all) = hosts(list, sets, names, report);
            complete &= all;
            host
        });
        let mut rule = ResolvedHttpRule { raw, from, host, complete, dead: false };
        if let Some(nobody) = rule.nobody(own).filter(|_| complete) {
            nobody.tell(raw.at(), &raw.called(), report);
            rule.dead = true;
        }
        rule
    });
    ResolvedHttp { raw, rules: rules.collect() }
}

fn capacity(raw: &RawHttp, report: &mut Report<'_>) {
    let mut too_many = |span: Span, count: usize, what: &str, most: usize, help: &str| {
        if count > most {
            let problem = Problem::error("capacity", span, format!("{count} {what} are more than there can be"));
            report.push(problem.label(format!("room for {most}")).help(help.to_owned()));
        }
    };
    if let Some(first) = raw.rules.get(limits::RULES) {
        let help = "unite rules that differ only in names, and put the names into a list";
        too_many(first.at(), raw.rules.len(), "HTTP rules in one place", limits::RULES, help);
    }
    for rule in &raw.rules {
        for list in [&rule.path, &rule.methods].into_iter().flatten() {
            too_many(
                list.span,
                list.items.len(),
                "words in one rule",
                limits::WORDS,
                "divide them among several rules",
            );
        }
    }
    if let Some(tenants) = &raw.microsoft {
        let allowed = &tenants.allowed;
        too_many(
            allowed.span,
            allowed.items.len(),
            "tenants",
            limits::TENANTS,
            "name those that clients do sign in to",
        );
    }
}

impl ResolvedHttpRule<'_> {
    /// Why nothing matches it, whatever comes before it.
    fn nobody(&self, own: Option<&Ranges>) -> Option<Nobody> {
        let raw = self.raw;
        let empty = |span: Option<Span>, key: &str| {
            let help = format!("leave `{key}` out for any, or remove the rule");
            span.map(|span| Nobody { span, why: "an empty list is nothing", help })
        };
        let host = raw.host.as_ref().filter(|_| self.host.as_ref().is_some_and(Hosts::is_nobody));
        rules::nobody([("from", &self.from, &raw.from), ("to", &None, &None)])
            .or_else(|| rules::stranger(&self.from, &raw.from, own))
            .or_else(|| empty(host.map(|list| list.span), "host"))
            .or_else(|| empty(empty_list(&raw.path), "path"))
            .or_else(|| empty(empty_list(&raw.methods), "methods"))
            .or_else(|| empty(empty_list(&raw.types), "types"))
    }

    /// None if a part is missing, which has been reported.
    fn finish(&self, report: &Report<'_>) -> Option<HttpRule> {
        let raw = self.raw;
        Some(HttpRule {
            name: raw.name.as_ref()?.value.clone(),
            from: self.from.as_ref().map(Addresses::finish),
            host: self.host.clone(),
            path: sorted(&raw.path),
            methods: sorted(&raw.methods),
            types: sorted(&raw.types),
            upload_limit: raw.upload_limit,
            action: raw.action.as_ref()?.value,
            location: report.location(raw.span),
        })
    }
}

fn sorted<T: Clone + Ord>(list: &Option<List<Spanned<T>>>) -> Option<Vec<T>> {
    let mut items: Vec<T> = list.as_ref()?.items.iter().map(|item| item.value.clone()).collect();
    items.sort_unstable();
    items.dedup();
    Some(items)
}

impl ResolvedHttp<'_> {
    /// None if a part is missing, which has been reported.
    pub fn finish(&self, report: &Report<'_>) -> Option<Http> {
        let microsoft = match &self.raw.microsoft {
            Some(raw) => Some(MicrosoftTenants {
                allowed: raw.allowed.items.iter().map(|tenant| tenant.value.clone()).collect(),
                context: raw.context.as_ref()?.value.clone(),
            }),
            None => None,
        };
        let rules = self.rules.iter().map(|rule| rule.finish(report)).collect::<Option<_>>()?;
        Some(Http { rules, microsoft })
    }
}

impl RawHttpRule {
    /// Where to point at.
    pub fn at(&self) -> Span {
        self.name.as_ref().map_or(self.span, |name| name.span)
    }

    /// "http rule `uploads`".
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "this rule".to_owned(), |name| format!("http rule `{}`", name.value))
    }
}
