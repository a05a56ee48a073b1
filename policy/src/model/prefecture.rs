//! The policy as the stages ask it: lists of prefixes turned into address sets, names kept.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use abi::Direction;
use ipnet::IpNet;

use super::addresses::{AddressSet, Owners};
use super::enter::{HAIRPIN, inspector};
use crate::checked::{self, Action, Policy, PortBlocks, Service, WhenDown};
use crate::source::Location;

/// A whole policy, prepared.
#[derive(Debug)]
pub(crate) struct Prefecture {
    ports: HashMap<String, Sender<'static>>,
    /// Port and VLANs → municipality.
    attachments: HashMap<(String, Vec<u16>), usize>,
    /// Port and outer VLAN under which two tags are expected.
    double_tagged: HashSet<(String, u16)>,
    municipalities: Vec<Municipality>,
    by_id: HashMap<Arc<str>, usize>,
    /// `[block] sets`, in order.
    pub(crate) block: Vec<(String, AddressSet)>,
    pub(crate) essential: AddressSet,
    pub(crate) flood: checked::Flood,
    /// Every municipality's prefixes, published addresses and pools.
    pub(crate) ours: AddressSet,
    /// What of them is shown to the Internet.
    pub(crate) public: AddressSet,
    pub(crate) owners: Owners,
    pub(crate) baseline: Vec<Arc<Rule>>,
}

/// Who sends what enters somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender<'a> {
    /// At a trunk: the clients of whoever is attached.
    Client,
    /// At an uplink.
    Internet,
    /// By the hairpin: a municipality, as if it were the Internet.
    Hairpin,
    /// The inspector of this municipality, for itself.
    Inspector(&'a Municipality),
}

impl Sender<'_> {
    /// Which way it crosses the gateway.
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Client | Self::Inspector(_) => Direction::Egress,
            Self::Internet | Self::Hairpin => Direction::Ingress,
        }
    }

    /// Whether it is an inspector.
    pub(crate) fn is_inspector(self) -> bool {
        matches!(self, Self::Inspector(_))
    }
}

/// One municipality, prepared.
#[derive(Debug)]
pub(crate) struct Municipality {
    pub(crate) id: Arc<str>,
    pub(crate) name: String,
    /// Prefixes and published addresses: who may send from here.
    pub(crate) members: AddressSet,
    /// The gateway's own addresses on its attachments: no client's, but the inspector's.
    pub(crate) gateway: AddressSet,
    /// Never translated.
    pub(crate) published: AddressSet,
    pub(crate) isolation: Isolation,
    /// Of its proxy, on the gateway's own addresses.
    pub(crate) proxy_port: Option<u16>,
    pub(crate) pool: Vec<Ipv4Addr>,
    pub(crate) blocks: PortBlocks,
    pub(crate) inbound: Vec<checked::Inbound>,
    pub(crate) limits: checked::Budgets,
    pub(crate) syn_cookies: checked::SynCookies,
    pub(crate) dns: Option<checked::Dns>,
    egress: Rules,
    ingress: Rules,
}

/// Who is cut off.
#[derive(Debug)]
pub(crate) enum Isolation {
    None,
    All,
    Parts(AddressSet),
}

/// The municipality's rules of one direction.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Arc<Rule>>,
    pub(crate) default: Action,
}

/// One rule. `None` is any.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) baseline: bool,
    pub(crate) directions: Vec<Direction>,
    pub(crate) from: Option<Side>,
    pub(crate) to: Option<Side>,
    pub(crate) services: Option<Vec<Service>>,
    pub(crate) action: Action,
    pub(crate) when_down: WhenDown,
    pub(crate) location: Location,
}

/// One side of a rule: in any of these sets.
pub(crate) type Side = Vec<Arc<AddressSet>>;

/// The sets made of lists of prefixes, by their places in memory: many rules may share one.
type Known = HashMap<*const IpNet, Arc<AddressSet>>;

fn side(addresses: &checked::Addresses, known: &mut Known) -> Side {
    let set = |list: &checked::Prefixes| {
        known.entry(list.as_ptr()).or_insert_with(|| Arc::new(AddressSet::new(list.iter()))).clone()
    };
    addresses.lists().iter().map(set).collect()
}

impl Rule {
    fn new(rule: &checked::Rule, baseline: bool, known: &mut Known) -> Arc<Self> {
        Arc::new(Self {
            name: rule.name.as_str().into(),
            baseline,
            directions: rule.directions.clone(),
            from: rule.from.as_ref().map(|from| side(from, known)),
            to: rule.to.as_ref().map(|to| side(to, known)),
            services: rule.services.clone(),
            action: rule.action,
            when_down: rule.when_down,
            location: rule.location.clone(),
        })
    }

    /// `file:line`, as people look it up.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.location.file, self.location.line)
    }
}

impl Prefecture {
    /// Prepares a checked policy.
    pub(crate) fn new(policy: &Policy) -> Self {
        let uplinks = policy.uplinks.iter().map(|port| (port.clone(), Sender::Internet));
        let accesses = policy.accesses.iter().map(|port| (port.clone(), Sender::Client));
        let mut known = Known::new();
        let mut prefecture = Self {
            ports: uplinks.chain(accesses).collect(),
            attachments: HashMap::new(),
            double_tagged: HashSet::new(),
            municipalities: policy.municipalities.iter().map(|it| Municipality::new(it, policy, &mut known)).collect(),
            by_id: HashMap::new(),
            block: policy.block.iter().filter_map(|name| Some((name.clone(), set(policy, name)?))).collect(),
            essential: AddressSet::new(&policy.essential),
            flood: policy.flood,
            ours: AddressSet::new(&policy.municipalities.iter().flat_map(own).collect::<Vec<_>>()),
            public: AddressSet::new(&policy.municipalities.iter().flat_map(|it| it.public()).collect::<Vec<_>>()),
            owners: Owners::default(),
            baseline: policy.baseline.iter().map(|rule| Rule::new(rule, true, &mut known)).collect(),
        };
        for (index, municipality) in policy.municipalities.iter().enumerate() {
            let id = prefecture.municipalities[index].id.clone();
            for prefix in own(municipality) {
                prefecture.owners.claim(prefix, &id);
            }
            prefecture.by_id.insert(id, index);
            for attachment in &municipality.attachments {
                if let [outer, _] = attachment.vlans[..] {
                    prefecture.double_tagged.insert((attachment.port.clone(), outer));
                }
                prefecture.attachments.insert((attachment.port.clone(), attachment.vlans.clone()), index);
            }
        }
        prefecture
    }

    /// Who sends what enters a port.
    pub(crate) fn sender(&self, port: &str) -> Option<Sender<'_>> {
        match inspector(port) {
            Some(municipality) => self.municipality(municipality).map(Sender::Inspector),
            None => self.ports.get(port).copied().or((port == HAIRPIN).then_some(Sender::Hairpin)),
        }
    }

    /// The municipality attached at exactly these VLANs.
    pub(crate) fn attached(&self, port: &str, vlans: &[u16]) -> Option<&Municipality> {
        let index = *self.attachments.get(&(port.to_owned(), vlans.to_vec()))?;
        Some(&self.municipalities[index])
    }

    /// Whether packets of this outer VLAN carry an inner tag.
    pub(crate) fn is_double_tagged(&self, port: &str, outer: u16) -> bool {
        self.double_tagged.contains(&(port.to_owned(), outer))
    }

    /// By id.
    pub(crate) fn municipality(&self, id: &str) -> Option<&Municipality> {
        Some(&self.municipalities[*self.by_id.get(id)?])
    }
}

impl Municipality {
    fn new(municipality: &checked::Municipality, policy: &Policy, known: &mut Known) -> Self {
        let gateway = municipality.attachments.iter().flat_map(|attachment| &attachment.addresses);
        Self {
            id: municipality.id.as_str().into(),
            name: municipality.name.clone(),
            members: AddressSet::new(municipality.prefixes.iter().chain(&municipality.published)),
            gateway: AddressSet::new(&gateway.map(|address| IpNet::from(address.addr())).collect::<Vec<_>>()),
            published: AddressSet::new(&municipality.published),
            isolation: match &municipality.isolation {
                checked::Isolation::None => Isolation::None,
                checked::Isolation::All => Isolation::All,
                checked::Isolation::Parts(parts) => Isolation::Parts(AddressSet::new(parts)),
            },
            proxy_port: municipality.proxy.as_ref().map(|proxy| proxy.port),
            pool: municipality.nat_pool.clone(),
            blocks: municipality.nat_blocks,
            inbound: municipality.inbound.clone(),
            limits: municipality.limits.clone(),
            syn_cookies: policy.syn_cookies_of(municipality),
            dns: municipality.dns.clone(),
            egress: Rules::new(&municipality.egress, known),
            ingress: Rules::new(&municipality.ingress, known),
        }
    }

    /// Its rules of one direction.
    pub(crate) fn rules(&self, direction: Direction) -> &Rules {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }
}

impl Rules {
    fn new(rules: &checked::Rules, known: &mut Known) -> Self {
        Self { rules: rules.rules.iter().map(|rule| Rule::new(rule, false, known)).collect(), default: rules.default }
    }
}

/// Every prefix that leads to a municipality from the uplink. Pool addresses count one by one.
fn own(municipality: &checked::Municipality) -> impl Iterator<Item = IpNet> {
    let pool = municipality.nat_pool.iter().map(|&address| IpNet::from(std::net::IpAddr::V4(address)));
    municipality.prefixes.iter().chain(&municipality.published).copied().chain(pool)
}

fn set(policy: &Policy, name: &str) -> Option<AddressSet> {
    policy.sets.get(name).map(|set| AddressSet::new(&set.prefixes))
}
