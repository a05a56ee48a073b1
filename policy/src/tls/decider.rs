//! Which rule decides: the first that matches, as for packets.

use super::heard::Heard;
use super::lookup::Lookup;
use super::{Asked, BadView, ClientCertificates, Ruling, TlsAction, View, ViewRule};
use crate::check::ranges::Ranges;
use crate::model::Mismatch;

/// A view made ready to be asked. What a question costs grows with the rules, not with the lists they name.
#[derive(Debug)]
pub struct Decider {
    rules: Vec<ViewRule>,
    default: TlsAction,
    addresses: Vec<Ranges>,
    names: Lookup,
}

impl Decider {
    /// Takes a view apart.
    ///
    /// # Errors
    /// It is of another version, or does not hold together.
    pub fn new(view: View) -> Result<Self, BadView> {
        view.check()?;
        let named = view.rules.iter().filter_map(|rule| rule.sni.as_ref());
        let names = Lookup::new(&view.names, named.flat_map(|sni| &sni.lists).copied());
        Ok(Self {
            rules: view.rules,
            default: view.default,
            addresses: view.addresses.iter().map(Ranges::of).collect(),
            names,
        })
    }

    /// What becomes of a connection. Allocates where a name has to be put into lower case, and nowhere else.
    pub fn decide(&self, asked: &Asked<'_>) -> Ruling<'_> {
        self.judge(asked, |_, _| {})
    }

    /// The same, telling each rule that came before the one that decided, and the first thing it does not match.
    pub(crate) fn judge<'d>(&'d self, asked: &Asked<'_>, mut skip: impl FnMut(&'d ViewRule, Mismatch)) -> Ruling<'d> {
        let asked = &Asked {
            client: asked.client.to_canonical(),
            destination: (asked.destination.ip().to_canonical(), asked.destination.port()).into(),
            ..*asked
        };
        let name = Heard::new(asked.sni.filter(|_| asked.opening.has_hello()), &self.names);
        for rule in &self.rules {
            match self.mismatch(rule, asked, &name) {
                Some(why) => skip(rule, why),
                None => {
                    return Ruling {
                        action: rule.action,
                        rule: Some(&rule.rule),
                        trust_sni: rule.trust_sni,
                        names_server: rule.sni.is_some(),
                        client_certificates: rule.client_certificates,
                    };
                }
            }
        }
        Ruling {
            action: self.default,
            rule: None,
            trust_sni: false,
            names_server: false,
            client_certificates: ClientCertificates::Refuse,
        }
    }

    /// The first thing that a rule asks for in vain; what is told in few steps comes first.
    fn mismatch(&self, rule: &ViewRule, asked: &Asked<'_>, name: &Heard) -> Option<Mismatch> {
        let is_spoken = any(&rule.speaks, |&opening| opening == asked.opening);
        let is_named = rule.sni.as_ref().is_none_or(|sni| name.is_in(sni));
        let is_served = any(&rule.services, |service| {
            let within = |(first, last)| (first..=last).contains(&asked.destination.port());
            service.protocol == asked.transport.protocol() && service.ports.is_none_or(within)
        });
        let has = |list: &u32, address| self.addresses[*list as usize].contains(address);
        if !is_spoken || rule.asks_about_hello() && !asked.opening.has_hello() {
            Some(Mismatch::Opening)
        } else if !is_named {
            Some(Mismatch::Name)
        } else if !is_served {
            Some(Mismatch::Service)
        } else if !any(&rule.from, |list| has(list, asked.client)) {
            Some(Mismatch::Source)
        } else if !any(&rule.to, |list| has(list, asked.destination.ip())) {
            Some(Mismatch::Destination)
        } else if !any(&rule.ja4, |ja4| asked.ja4 == Some(ja4)) {
            Some(Mismatch::Ja4)
        } else if !any(&rule.alpn, |wanted| asked.alpn.contains(&wanted.as_bytes())) {
            Some(Mismatch::Alpn)
        } else if rule.ech.is_some_and(|ech| ech != asked.ech) {
            Some(Mismatch::Ech)
        } else {
            None
        }
    }
}

/// Whether one of a list will do; all the same without a list.
fn any<T>(list: &Option<Vec<T>>, will_do: impl Fn(&T) -> bool) -> bool {
    list.as_ref().is_none_or(|list| list.iter().any(will_do))
}

impl ViewRule {
    /// Whether it speaks of what only a ClientHello has.
    fn asks_about_hello(&self) -> bool {
        self.sni.is_some() || self.ja4.is_some() || self.alpn.is_some() || self.ech.is_some()
    }
}
