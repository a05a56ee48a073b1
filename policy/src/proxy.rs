//! What a municipality's clients reach by its explicit proxy, and when they call it at all.
//!
//! ```text
//! Policy ─► tls::View (ProxyView in it) ─┬► Reach: may this client reach this address and port
//!                                        └► pac: the script by which browsers find the proxy
//! ```
//! A client's own packets go to the gateway, and what the inspector then opens for it no packet rule judges any more. So
//! the rules are asked here, as they would have been asked about the client's first segment. Block sets are not: the
//! fast path judges both ends of the inspector's own connections by them. Pure; names are resolved elsewhere.

pub mod pac;
#[cfg(test)]
mod tests;
mod view;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use abi::Direction;

use crate::checked::Action;
use crate::cut_off::CutOff;
use crate::model::{AddressSet, Call, PreparedRule, first_match, is_no_unicast};
use crate::source::Location;
use crate::tls::{BadView, Layer, RuleRef, View};

pub use view::{PacketRule, ProxyView};

/// TCP.
const PROTOCOL: u8 = 6;

/// A view made ready to be asked.
#[derive(Debug)]
pub struct Reach {
    rules: Vec<Arc<PreparedRule>>,
    /// The same rules by name.
    names: Vec<RuleRef>,
    default: Action,
    cut_off: CutOff,
    ours: AddressSet,
}

/// Why a client may not reach an address by the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused<'r> {
    /// No host on the Internet: loopback, link-local, multicast and the like.
    Special,
    /// A municipality's, or the gateway's own: nobody's inside is reached by the proxy.
    Ours,
    /// The client is cut off.
    Isolated,
    /// A packet rule denies it.
    Rule(&'r RuleRef),
    /// No packet rule matches, and the default is to deny.
    Default,
}

impl Reach {
    /// Takes a view's part about the proxy; none: it has no proxy.
    ///
    /// # Errors
    /// A rule refers to a list that is not there.
    pub fn new(view: &View) -> Result<Option<Self>, BadView> {
        let Some(proxy) = &view.proxy else { return Ok(None) };
        let lists: Vec<Arc<AddressSet>> =
            view.addresses.iter().map(|list| Arc::new(AddressSet::new(list.iter()))).collect();
        let side = |side: &Option<Vec<u32>>, name: &str| {
            let list =
                |list: &u32| lists.get(*list as usize).cloned().ok_or_else(|| BadView::NoSuchList(name.to_owned()));
            side.as_ref().map(|side| side.iter().map(list).collect()).transpose()
        };
        let rules = proxy.rules.iter().map(|rule| {
            Ok(Arc::new(PreparedRule {
                name: rule.rule.name.as_str().into(),
                baseline: rule.rule.layer == Layer::Prefecture,
                directions: vec![Direction::Egress],
                from: side(&rule.from, &rule.rule.name)?,
                to: side(&rule.to, &rule.rule.name)?,
                services: rule.services.clone(),
                action: rule.action,
                location: Location { file: rule.rule.file.clone(), line: rule.rule.line, column: 1 },
            }))
        });
        Ok(Some(Self {
            rules: rules.collect::<Result<_, BadView>>()?,
            names: proxy.rules.iter().map(|rule| rule.rule.clone()).collect(),
            default: proxy.default,
            cut_off: CutOff::of(view),
            ours: AddressSet::new(proxy.ours.iter()),
        }))
    }

    /// Whether a client may reach an address and port, and which rule says so; none: the default.
    ///
    /// # Errors
    /// It may not.
    pub fn judge(&self, client: IpAddr, destination: SocketAddr) -> Result<Option<&RuleRef>, Refused<'_>> {
        let (source, to) = (client.to_canonical(), destination.ip().to_canonical());
        if is_no_unicast(to) {
            return Err(Refused::Special);
        }
        if self.ours.contains(to) {
            return Err(Refused::Ours);
        }
        if self.cut_off.holds(source, to) {
            return Err(Refused::Isolated);
        }
        let call = Call {
            direction: Direction::Egress,
            source,
            destination: to,
            protocol: PROTOCOL,
            destination_port: destination.port(),
        };
        let Some(rule) = first_match(&self.rules, &call, |_, _| {}) else {
            return if self.default == Action::Deny { Err(Refused::Default) } else { Ok(None) };
        };
        let name = self.rules.iter().position(|other| Arc::ptr_eq(other, rule)).and_then(|at| self.names.get(at));
        match (rule.action, name) {
            (Action::Allow | Action::Inspect, name) => Ok(name),
            (Action::Deny, Some(name)) => Err(Refused::Rule(name)),
            (Action::Deny, None) => Err(Refused::Default),
        }
    }
}
