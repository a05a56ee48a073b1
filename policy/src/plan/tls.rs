//! The TLS parts of two policies side by side.

use std::fmt::Display;

use super::compare::{Changes, Compared, differences};
use super::rules::{optional, service, side};
use super::{Change, order};
use crate::checked::{Hosts, Municipality, Policy, Tls, TlsRule};
use crate::span;
use crate::tls::{Bypass, Ech, Limits, Names, OnBadCertificate, Opening, TlsAction};

/// What is the prefecture's alone, and its rules.
pub(super) fn prefecture(changes: &mut Changes, old: &Policy, new: &Policy, compared: &mut Compared) {
    changes.names("lists of names", &old.names, &new.names);
    for (name, list) in &new.names {
        let before = old.names.get(name).map(|list| &list.names);
        changes.entries(&format!("names of list `{name}`"), names(before, Some(&list.names)));
    }
    changes.list("tls resolvers", &old.resolvers, &new.resolvers);
    let files = |policy: &Policy| policy.roots.iter().map(|root| root.file.clone()).collect::<Vec<_>>();
    changes.list("tls roots", &files(old), &files(new));
    for root in &new.roots {
        if old.roots.iter().any(|before| before.file == root.file && before.pem != root.pem) {
            changes.note(&format!("tls roots: other certificates in {}", root.file));
        }
    }
    let files = |policy: &Policy| policy.crls.iter().map(|lists| lists.file.clone()).collect::<Vec<_>>();
    changes.list("tls crls", &files(old), &files(new));
    for lists in &new.crls {
        if old.crls.iter().any(|before| before.file == lists.file && before.pem != lists.pem) {
            changes.note(&format!("tls crls: other revocation lists in {}", lists.file));
        }
    }
    common(changes, &old.tls, &new.tls, compared);
}

/// A municipality's rules and limits.
pub(super) fn municipality(changes: &mut Changes, old: &Municipality, new: &Municipality, compared: &mut Compared) {
    common(changes, &old.tls, &new.tls, compared);
    limits(changes, old.tls_limits, new.tls_limits);
}

fn common(changes: &mut Changes, old: &Tls, new: &Tls, compared: &mut Compared) {
    changes.option("tls default", old.default.map(TlsAction::name), new.default.map(TlsAction::name));
    let [from, to] = [old, new].map(|tls| tls.on_bad_certificate.map(OnBadCertificate::name));
    changes.option("tls on_bad_certificate", from, to);
    let [from, to] = [old.bypass, new.bypass];
    changes.option("tls bypass", from.mode.map(Bypass::name), to.mode.map(Bypass::name));
    changes.option("tls bypass clients", from.clients, to.clients);
    changes.option("tls bypass within", from.within_seconds.map(span::text), to.within_seconds.map(span::text));
    changes.option("tls bypass for", from.for_seconds.map(span::text), to.for_seconds.map(span::text));
    let contents = |old: &TlsRule, new: &TlsRule| contents(old, new, compared);
    changes.0.extend(order::compare("tls", [&old.rules, &new.rules], |rule| &rule.name, contents));
}

fn limits(changes: &mut Changes, old: Limits, new: Limits) {
    for (what, old, new) in [
        ("sessions", old.sessions, new.sessions),
        ("handshakes_per_second", old.handshakes_per_second, new.handshakes_per_second),
        ("memory_mib", old.memory_mib, new.memory_mib),
    ] {
        changes.option(&format!("tls limit {what}"), Some(old), Some(new));
    }
}

fn contents(old: &TlsRule, new: &TlsRule, compared: &mut Compared) -> Vec<Change> {
    let mut changes = Changes::default();
    side(&mut changes, "from", &old.from, &new.from, compared);
    side(&mut changes, "to", &old.to, &new.to, compared);
    words(&mut changes, "ports", &old.services, &new.services, service);
    words(&mut changes, "speaks", &old.speaks, &new.speaks, |opening: &Opening| opening.name());
    hosts(&mut changes, "sni", &old.sni, &new.sni);
    words(&mut changes, "ja4", &old.ja4, &new.ja4, String::as_str);
    words(&mut changes, "alpn", &old.alpn, &new.alpn, String::as_str);
    changes.option("ech", old.ech.map(Ech::name), new.ech.map(Ech::name));
    changes.value("action", old.action.name(), new.action.name());
    changes.option("trust_sni", Some(old.trust_sni), Some(new.trust_sni));
    changes.value("client_certificates", old.client_certificates.name(), new.client_certificates.name());
    changes.0
}

pub(super) fn words<'r, T, W: Ord + Display>(
    changes: &mut Changes,
    what: &str,
    old: &'r Option<Vec<T>>,
    new: &'r Option<Vec<T>>,
    word: impl Fn(&'r T) -> W,
) {
    let [old, new] = [old, new].map(|list| list.as_ref().map(|list| list.iter().map(&word).collect::<Vec<_>>()));
    optional(changes, what, old.as_deref(), new.as_deref());
}

/// Names of a server: a list that changes is told once, where the lists are told.
pub(super) fn hosts(changes: &mut Changes, what: &str, old: &Option<Hosts>, new: &Option<Hosts>) {
    let texts = |hosts: &Hosts| {
        let spelled_out = hosts.spelled_out.iter().map(str::to_owned);
        let named = hosts.named.keys().map(|list| format!("@{list}"));
        spelled_out.chain(named).chain(hosts.none.then(|| "none".to_owned())).collect::<Vec<_>>()
    };
    let [old, new] = [old, new].map(|hosts| hosts.as_ref().map(texts));
    optional(changes, what, old.as_deref(), new.as_deref());
}

/// What only the left has, and what only the right has.
fn names(old: Option<&Names>, new: Option<&Names>) -> (super::Entries, super::Entries) {
    if old == new {
        return Default::default();
    }
    let [old, new] = [old, new].map(|names| names.map_or_else(Vec::new, |names| names.iter().collect::<Vec<_>>()));
    differences(&old, &new)
}
