//! What TLS rules ask of the rest of the policy: that names can be looked up, and that there is room for them.

use super::ResolvedTls;
use super::unreachable;
use crate::check::municipality::Town;
use crate::diagnostic::{Problem, Report};
use crate::parse::raw::{HostItem, RawPrefecture, RawTlsRule};
use crate::tls::{Bypass, TlsAction, limits};

pub(crate) fn check(prefecture: &RawPrefecture, above: &ResolvedTls<'_>, towns: &[Town<'_>], report: &mut Report<'_>) {
    let resolvers = &prefecture.tls.resolvers;
    if resolvers.items.len() > limits::RESOLVERS {
        let message = format!("{} resolvers are more than are ever asked", resolvers.items.len());
        let problem = Problem::error("capacity", resolvers.span, message);
        let problem = problem.label(format!("room for {}", limits::RESOLVERS));
        report.push(problem.help("two or three are enough".to_owned()));
    }
    for tls in std::iter::once(above).chain(towns.iter().map(|town| &town.tls)) {
        capacity(tls, report);
        if resolvers.items.is_empty() && resolvers.complete {
            no_resolver(tls, report);
            no_resolver_for_bypass(tls, report);
        }
    }
    unreachable::check(above, towns, report);
}

fn capacity(tls: &ResolvedTls<'_>, report: &mut Report<'_>) {
    let count = tls.rules.len();
    if let Some(first) = tls.rules.get(limits::RULES) {
        let message = format!("{count} TLS rules are more than there can be in one place");
        let problem = Problem::error("capacity", first.raw.at(), message).label(format!("room for {}", limits::RULES));
        report.push(problem.help("unite rules that differ only in names, and put the names into a list".to_owned()));
    }
    for rule in &tls.rules {
        for list in [&rule.raw.ja4, &rule.raw.alpn].into_iter().flatten().filter(|it| it.items.len() > limits::WORDS) {
            let message = format!("{} words are more than a rule can hold", list.items.len());
            let problem = Problem::error("capacity", list.span, message).label(format!("room for {}", limits::WORDS));
            report.push(problem.help("divide them among several rules".to_owned()));
        }
    }
}

/// One warning a file: whoever lacks resolvers lacks them for every rule.
fn no_resolver(tls: &ResolvedTls<'_>, report: &mut Report<'_>) {
    let splices = |rule: &RawTlsRule| rule.action.as_ref().is_some_and(|action| action.value == TlsAction::Splice);
    let default = tls.raw.default.as_ref().filter(|default| default.value == TlsAction::Splice);
    let rule = tls.rules.iter().find(|rule| splices(rule.raw) && !rule.raw.trust_sni && rule.may_have_name());
    let (span, what) = match (rule, default) {
        (Some(rule), _) => (rule.raw.at(), rule.raw.called()),
        (None, Some(default)) => (default.span, "this default".to_owned()),
        (None, None) => return,
    };
    let message =
        format!("{what} splices, and there is no resolver to tell whether a client's name for the server is true");
    let problem = Problem::warning("no-resolver", span, message).label("connections with a name will be ended");
    let help = "the prefecture's `[tls]` names resolvers: `resolvers = [\"192.0.2.53\"]`; or say `trust_sni = true` in the rule";
    report.push(problem.help(help.to_owned()));
}

/// What is bypassed has a name, and is spliced only where that leads.
fn no_resolver_for_bypass(tls: &ResolvedTls<'_>, report: &mut Report<'_>) {
    let Some(bypass) = &tls.raw.bypass else { return };
    if bypass.value.mode.is_none_or(|mode| mode == Bypass::Off) {
        return;
    }
    let message =
        "what is bypassed is spliced, and there is no resolver to tell whether a client's name for the server is true";
    let problem = Problem::warning("no-resolver", bypass.span, message.to_owned());
    let problem = problem.label("bypassed connections will be ended");
    report.push(problem.help("the prefecture's `[tls]` names resolvers: `resolvers = [\"192.0.2.53\"]`".to_owned()));
}

impl super::ResolvedTlsRule<'_> {
    /// Whether a connection that matches may come with a name.
    fn may_have_name(&self) -> bool {
        let named = self.raw.sni.as_ref().is_none_or(|list| list.items.iter().any(|it| it.value != HostItem::None));
        named && self.openings().has_hello()
    }
}
