//! Which HTTP rule decides.

use std::net::IpAddr;

use super::path::{Pattern, Readings};
use super::{FileType, HttpAction, MICROSOFT_LOGINS, ViewHttpRule};
use crate::check::ranges::Ranges;
use crate::model::Mismatch;
use crate::tls::{BadView, Heard, Lookup, RuleRef, View};

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct HttpAsked<'a> {
    /// Who asks. IPv4 in IPv6 clothes is IPv4.
    pub client: IpAddr,
    /// The server's name as the request has it, with a port or without; none: it has none.
    pub host: Option<&'a str>,
    /// The request's target as it came.
    pub path: &'a str,
    /// As it came.
    pub method: &'a str,
}

/// What becomes of a request, or of what is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpVerdict<'d> {
    /// What to do.
    pub action: HttpAction,
    /// Who says so; none: nobody, so it is allowed.
    pub rule: Option<&'d RuleRef>,
    /// Bytes that the client may send with the request; none: as many as it likes.
    pub upload_limit: Option<u64>,
}

/// What becomes of a request. What it is about, and what comes back, may be of a type that an earlier rule speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRuling<'d> {
    /// For what is of no such type.
    pub verdict: HttpVerdict<'d>,
    typed: Vec<(&'d [FileType], HttpVerdict<'d>)>,
}

impl<'d> HttpRuling<'d> {
    /// What becomes of what is transferred, either way, once its type is known.
    pub fn of_type(&self, kind: Option<FileType>) -> HttpVerdict<'d> {
        let typed = self.typed.iter().find(|(types, _)| kind.is_some_and(|kind| types.contains(&kind)));
        typed.map_or(self.verdict, |&(_, verdict)| verdict)
    }

    /// Whether a rule speaks of types, so that what is transferred has to be looked at.
    pub fn heeds_types(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Whether the request is refused whatever it would transfer.
    pub fn blocks_at_once(&self) -> bool {
        let blocks = |verdict: &HttpVerdict<'_>| verdict.action == HttpAction::Block;
        blocks(&self.verdict) && self.typed.iter().all(|(_, verdict)| blocks(verdict))
    }
}

/// Why requests to a host have to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MustSee<'d> {
    /// It has to be told whose accounts may be used.
    Tenants,
    /// A rule blocks it, or a part of what is asked of it by name.
    Rule(&'d RuleRef),
}

/// The HTTP part of a view, made ready to be asked.
#[derive(Debug)]
pub struct HttpDecider {
    rules: Vec<Ready>,
    addresses: Vec<Ranges>,
    names: Lookup,
    headers: Vec<(&'static str, String)>,
    /// Whether any rule names paths.
    asks_about_paths: bool,
}

#[derive(Debug)]
struct Ready {
    rule: ViewHttpRule,
    patterns: Option<Vec<Pattern>>,
}

impl HttpDecider {
    /// Takes a view apart.
    ///
    /// # Errors
    /// It is of another version, or does not hold together.
    pub fn new(view: View) -> Result<Self, BadView> {
        view.check()?;
        let named = view.http.iter().filter_map(|rule| rule.host.as_ref());
        let names = Lookup::new(&view.names, named.flat_map(|host| &host.lists).copied());
        let ready = |rule: ViewHttpRule| Ready {
            patterns: rule.path.as_ref().map(|paths| paths.iter().map(|path| Pattern::new(path)).collect()),
            rule,
        };
        Ok(Self {
            asks_about_paths: view.http.iter().any(|rule| rule.path.is_some()),
            rules: view.http.into_iter().map(ready).collect(),
            addresses: view.addresses.iter().map(Ranges::of).collect(),
            names,
            headers: view.microsoft_tenants.iter().flat_map(|tenants| tenants.headers()).collect(),
        })
    }

    /// Whether there is nothing to say about any request.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.headers.is_empty()
    }

    /// What becomes of a request.
    pub fn decide(&self, asked: &HttpAsked<'_>) -> HttpRuling<'_> {
        self.judge(asked, |_, _| {})
    }

    /// Headers that a request to this host must have, whatever the client sent under their names.
    pub fn headers(&self, host: &str) -> &[(&'static str, String)] {
        let is_login = crate::tls::canonical(without_port(host)).is_ok_and(|host| MICROSOFT_LOGINS.contains(&&*host));
        if is_login { &self.headers } else { &[] }
    }

    /// Whether policy wants to see what is asked of a host, so that no connection to it may pass unopened but by a TLS rule
    /// that says so. `client` is none for any client.
    pub fn must_see(&self, client: Option<IpAddr>, host: &str) -> Option<MustSee<'_>> {
        if !self.headers(host).is_empty() {
            return Some(MustSee::Tenants);
        }
        let heard = Heard::new(Some(host), &self.names);
        for Ready { rule, .. } in &self.rules {
            let has = |list: &u32| client.is_none_or(|it| self.addresses[*list as usize].contains(it.to_canonical()));
            let is_named = rule.host.as_ref().is_none_or(|wanted| heard.is_in(wanted));
            if !is_named || !rule.from.as_ref().is_none_or(|from| from.iter().any(has)) {
                continue;
            }
            // What is said of every host alike is given up where one is not opened; what is said of this one is not.
            let is_whole = rule.path.is_none() && rule.methods.is_none() && rule.types.is_none();
            let is_of_this = rule.host.is_some();
            match rule.action {
                HttpAction::Block if is_of_this || is_whole => return Some(MustSee::Rule(&rule.rule)),
                HttpAction::Allow if is_of_this && rule.upload_limit.is_some() => {
                    return Some(MustSee::Rule(&rule.rule));
                }
                HttpAction::Allow if is_whole && (rule.from.is_none() || client.is_some()) => return None,
                HttpAction::Block | HttpAction::Allow => {}
            }
        }
        None
    }

    /// Hosts that have to be told whose accounts may be used, if any.
    pub fn restricted(&self) -> &'static [&'static str] {
        if self.headers.is_empty() { &[] } else { &MICROSOFT_LOGINS }
    }

    /// The same as [`Self::decide`], telling each rule that came before the one that decided, and what it does not match.
    pub(crate) fn judge<'d>(
        &'d self,
        asked: &HttpAsked<'_>,
        mut skip: impl FnMut(&'d ViewHttpRule, Mismatch),
    ) -> HttpRuling<'d> {
        let client = asked.client.to_canonical();
        let host = Heard::new(asked.host.map(without_port), &self.names);
        // Without a rule about paths nobody needs to know.
        let readings = if self.asks_about_paths { Readings::of(asked.path) } else { Readings::TooLong };
        let mut typed = Vec::new();
        for ready in &self.rules {
            let rule = &ready.rule;
            let has = |list: &u32| self.addresses[*list as usize].contains(client);
            let why = if !rule.host.as_ref().is_none_or(|wanted| host.is_in(wanted)) {
                Mismatch::Host
            } else if !rule.from.as_ref().is_none_or(|from| from.iter().any(has)) {
                Mismatch::Source
            } else if !rule.methods.as_ref().is_none_or(|methods| is_among(methods, asked.method, rule.action)) {
                Mismatch::Method
            } else if !ready.patterns.as_ref().is_none_or(|patterns| is_below(patterns, &readings, rule.action)) {
                Mismatch::Path
            } else {
                let (action, upload_limit) = (rule.action, rule.upload_limit);
                let verdict = HttpVerdict { action, rule: Some(&rule.rule), upload_limit };
                match &rule.types {
                    None => return HttpRuling { verdict, typed },
                    Some(types) => typed.push((types.as_slice(), verdict)),
                }
                Mismatch::Type
            };
            skip(rule, why);
        }
        let verdict = HttpVerdict { action: HttpAction::Allow, rule: None, upload_limit: None };
        HttpRuling { verdict, typed }
    }
}

/// Methods are capitals; a server that takes small letters for the same is none to get past a rule.
fn is_among(methods: &[String], method: &str, action: HttpAction) -> bool {
    methods.iter().any(|wanted| match action {
        HttpAction::Block => wanted.eq_ignore_ascii_case(method),
        HttpAction::Allow => wanted == method,
    })
}

fn is_below(patterns: &[Pattern], readings: &Readings, action: HttpAction) -> bool {
    match action {
        HttpAction::Block => patterns.iter().any(|pattern| pattern.blocks(readings)),
        HttpAction::Allow => readings.all(|path| patterns.iter().any(|pattern| pattern.allows(path))),
    }
}

fn without_port(host: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(host, _)| host)
}
