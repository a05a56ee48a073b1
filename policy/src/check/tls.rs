//! TLS rules with their names resolved, and what can be wrong with one rule by itself.

mod across;
mod crls;
mod openings;
mod roots;
pub(super) mod unreachable;

use super::lists::Addresses;
use super::names::NameLists;
use super::ranges::Ranges;
use super::rules::{self, Home, Nobody, unite};
use super::sets::Sets;
use crate::checked::{Hosts, Service, Tls, TlsRule};
use crate::diagnostic::{Report, Span, Spanned};
use crate::parse::raw::{HostItem, List, RawTls, RawTlsRule};
use crate::tls::ClientCertificates;

pub(crate) use across::check as across;
pub(crate) use crls::read as crls;
pub(crate) use roots::read as roots;

/// `[tls]`, resolved.
#[derive(Debug)]
pub(crate) struct ResolvedTls<'r> {
    pub raw: &'r RawTls,
    pub rules: Vec<ResolvedTlsRule<'r>>,
}

/// A TLS rule, resolved.
#[derive(Debug)]
pub(crate) struct ResolvedTlsRule<'r> {
    pub raw: &'r RawTlsRule,
    from: Option<Addresses>,
    to: Option<Addresses>,
    services: Option<Vec<Service>>,
    sni: Option<Hosts>,
    /// Whether all of it could be read: only then can it be said to match nothing.
    complete: bool,
    /// Whether it has been said already that it matches nothing.
    dead: bool,
}

/// The prefecture's or a municipality's rules; `own` are the addresses of the municipality, if they are known.
pub(crate) fn resolve<'r>(
    raw: &'r RawTls,
    home: Home<'_>,
    own: Option<&Ranges>,
    sets: &mut Sets,
    names: &mut NameLists,
    report: &mut Report<'_>,
) -> ResolvedTls<'r> {
    rules::unique_names(raw.rules.iter().filter_map(|rule| rule.name.as_ref()), report);
    let rules = raw.rules.iter().map(|raw| {
        let mut rule = rule(raw, home, sets, names, report);
        if let Some(nobody) = rule.nobody(own).filter(|_| rule.complete) {
            nobody.tell(raw.at(), &raw.called(), report);
            rule.dead = true;
        }
        rule
    });
    ResolvedTls { raw, rules: rules.collect() }
}

fn rule<'r>(
    raw: &'r RawTlsRule,
    home: Home<'_>,
    sets: &mut Sets,
    names: &mut NameLists,
    report: &mut Report<'_>,
) -> ResolvedTlsRule<'r> {
    let from = raw.from.as_ref().map(|list| sets.resolve_items(list, home, report));
    let to = raw.to.as_ref().map(|list| sets.resolve_items(list, home, report));
    let services = raw.services.as_ref().map(|list| unite(list.items.iter().map(|service| service.value).collect()));
    let mut complete = [&from, &to].iter().all(|side| side.as_ref().is_none_or(|side| side.complete))
        && raw.services.as_ref().is_none_or(|list| list.complete)
        && raw.speaks.as_ref().is_none_or(|list| list.complete)
        && [&raw.ja4, &raw.alpn].iter().all(|list| list.as_ref().is_none_or(|list| list.complete));
    let sni = raw.sni.as_ref().map(|list| {
        let (sni, all) = hosts(list, sets, names, report);
        complete &= all;
        sni
    });
    ResolvedTlsRule { raw, from, to, services, sni, complete, dead: false }
}

/// Names of a server, and whether all of them could be read.
pub(super) fn hosts(
    list: &List<Spanned<HostItem>>,
    sets: &Sets,
    names: &mut NameLists,
    report: &mut Report<'_>,
) -> (Hosts, bool) {
    let mut spelled_out = Vec::new();
    let mut hosts = Hosts::default();
    let mut complete = list.complete;
    for item in &list.items {
        match &item.value {
            HostItem::Name(name) => spelled_out.push(name.as_str()),
            HostItem::None => hosts.none = true,
            HostItem::List(name) => match names.find(name, item.span, sets, report) {
                Some(list) => {
                    complete &= list.complete;
                    hosts.named.insert(name.clone(), list.names.clone());
                }
                None => complete = false,
            },
        }
    }
    hosts.spelled_out = names.spelled_out(spelled_out);
    (hosts, complete)
}

impl<'r> ResolvedTlsRule<'r> {
    /// Why nothing matches it, whatever comes before it.
    fn nobody(&self, own: Option<&Ranges>) -> Option<Nobody> {
        let raw = self.raw;
        let empty = |span: Option<Span>, key: &str| {
            let help = format!("leave `{key}` out for any, or remove the rule");
            span.map(|span| Nobody { span, why: "an empty list is nothing", help })
        };
        let sni = raw.sni.as_ref().filter(|_| self.sni.as_ref().is_some_and(Hosts::is_nobody));
        rules::nobody([("from", &self.from, &raw.from), ("to", &self.to, &raw.to)])
            .or_else(|| rules::stranger(&self.from, &raw.from, own))
            .or_else(|| empty(empty_list(&raw.services), "ports"))
            .or_else(|| empty(empty_list(&raw.speaks), "speaks"))
            .or_else(|| empty(sni.map(|list| list.span), "sni"))
            .or_else(|| empty(empty_list(&raw.ja4), "ja4"))
            .or_else(|| empty(empty_list(&raw.alpn), "alpn"))
            .or_else(|| self.speechless())
    }

    /// What it asks for, nobody can open a connection with.
    fn speechless(&self) -> Option<Nobody> {
        if !self.openings().is_empty() {
            return None;
        }
        let raw = self.raw;
        let hello = raw.speaks.as_ref().filter(|_| self.asks_about_hello());
        let (span, why, help) = match (hello, &raw.services) {
            (Some(speaks), _) if !self.spoken().has_hello() => (
                speaks.span,
                "none of these has a ClientHello",
                "add `tls` to `speaks`, or leave `sni`, `ja4`, `alpn` and `ech` out",
            ),
            (_, Some(services)) => (
                services.span,
                "of another protocol",
                "QUIC comes over UDP, `other` over TCP and UDP, everything else over TCP",
            ),
            _ => (raw.at(), "it contradicts itself", "remove the rule"),
        };
        Some(Nobody { span, why, help: help.to_owned() })
    }

    fn asks_about_hello(&self) -> bool {
        let raw = self.raw;
        raw.sni.is_some() || raw.ja4.is_some() || raw.alpn.is_some() || raw.ech.is_some()
    }

    /// None if a part is missing, which has been reported.
    fn finish(&self, report: &Report<'_>) -> Option<TlsRule> {
        let raw = self.raw;
        let words = |list: &Option<List<Spanned<String>>>| {
            let mut words: Vec<String> = list.as_ref()?.items.iter().map(|word| word.value.clone()).collect();
            words.sort_unstable();
            words.dedup();
            Some(words)
        };
        let mut speaks: Option<Vec<_>> =
            raw.speaks.as_ref().map(|list| list.items.iter().map(|word| word.value).collect());
        if let Some(speaks) = &mut speaks {
            speaks.sort_unstable();
            speaks.dedup();
        }
        Some(TlsRule {
            name: raw.name.as_ref()?.value.clone(),
            from: self.from.as_ref().map(Addresses::finish),
            to: self.to.as_ref().map(Addresses::finish),
            services: self.services.clone(),
            speaks,
            sni: self.sni.clone(),
            ja4: words(&raw.ja4),
            alpn: words(&raw.alpn),
            ech: raw.ech.as_ref().map(|ech| ech.value),
            action: raw.action.as_ref()?.value,
            trust_sni: raw.trust_sni,
            client_certificates: raw.client_certificates.unwrap_or(ClientCertificates::Refuse),
            location: report.location(raw.span),
        })
    }
}

pub(super) fn empty_list<T>(list: &Option<List<T>>) -> Option<Span> {
    list.as_ref().filter(|list| list.items.is_empty()).map(|list| list.span)
}

impl ResolvedTls<'_> {
    /// None if a part is missing, which has been reported.
    pub fn finish(&self, report: &Report<'_>) -> Option<Tls> {
        Some(Tls {
            default: self.raw.default.as_ref().map(|default| default.value),
            on_bad_certificate: self.raw.on_bad_certificate,
            bypass: self.raw.bypass.as_ref().map(|bypass| bypass.value).unwrap_or_default(),
            rules: self.rules.iter().map(|rule| rule.finish(report)).collect::<Option<_>>()?,
        })
    }
}

impl RawTlsRule {
    /// Where to point at.
    pub fn at(&self) -> Span {
        self.name.as_ref().map_or(self.span, |name| name.span)
    }

    /// "tls rule `banks`".
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "this rule".to_owned(), |name| format!("tls rule `{}`", name.value))
    }
}
