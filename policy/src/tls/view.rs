//! Everything one municipality's inspector needs, in one value that can be sent to it. Lists of addresses and names
//! stand in it once, and rules refer to them by number: a list of a million names is not repeated for each rule.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::lookup::LISTS;
use super::{Bypass, ClientCertificates, Ech, Layer, Limits, Names, OnBadCertificate, Opening, TlsAction};
use crate::checked::{Addresses, Hosts, HttpRule, Isolation, Policy, Prefixes, Service, TlsRule};
use crate::http::{MicrosoftTenants, ViewHttpRule};
use crate::proxy::ProxyView;
use crate::source::Location;

/// The version of [`View`]: whoever receives another one refuses it.
pub const VIEW_VERSION: u32 = 3;

/// One municipality's TLS policy, the prefecture's part included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// [`VIEW_VERSION`].
    pub version: u32,
    /// The municipality's id.
    pub municipality: String,
    /// Its name.
    pub name: String,
    /// Its own addresses, published ones included.
    pub prefixes: Vec<IpNet>,
    /// The gateway's own addresses where the municipality is attached, with the length of their segment.
    pub gateway: Vec<IpNet>,
    /// Who is cut off.
    pub isolation: Isolation,
    /// What those reach all the same.
    pub essential: Vec<IpNet>,
    /// The prefecture's rules, then the municipality's: the first match wins.
    pub rules: Vec<ViewRule>,
    /// Lists that rules refer to.
    pub addresses: Vec<Prefixes>,
    /// Lists that rules refer to.
    pub names: Vec<Names>,
    /// What no rule matches.
    pub default: TlsAction,
    /// Where names of spliced connections are looked up.
    pub resolvers: Vec<SocketAddr>,
    /// Further roots that upstream certificates may chain to.
    pub roots: Vec<Root>,
    /// What a client sees where the server's certificate is bad.
    pub on_bad_certificate: OnBadCertificate,
    /// What becomes of clients that refuse minted certificates.
    pub bypass: Bypass,
    /// What the inspector may use.
    pub limits: Limits,
    /// The prefecture's HTTP rules, then the municipality's: the first match wins.
    pub http: Vec<ViewHttpRule>,
    /// Whose Microsoft accounts may be used; none: anybody's.
    pub microsoft_tenants: Option<MicrosoftTenants>,
    /// The explicit proxy; none: connections arrive by themselves.
    pub proxy: Option<ProxyView>,
}

/// Certificates to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Where they stand.
    pub file: String,
    /// One `CERTIFICATE` at least and nothing else, by their labels; what is in them nobody has looked at.
    pub pem: String,
}

/// A rule with its lists by number. What is absent matches anything, an empty list nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewRule {
    /// Which it is.
    pub rule: RuleRef,
    /// Clients: numbers of [`View::addresses`].
    pub from: Option<Vec<u32>>,
    /// Destinations, likewise.
    pub to: Option<Vec<u32>>,
    /// Protocols and destination ports.
    pub services: Option<Vec<Service>>,
    /// What the client's first bytes are.
    pub speaks: Option<Vec<Opening>>,
    /// Names of the server.
    pub sni: Option<HostLists>,
    /// Fingerprints.
    pub ja4: Option<Vec<String>>,
    /// Protocols of which the client offers one at least.
    pub alpn: Option<Vec<String>>,
    /// Whether another name may be hidden.
    pub ech: Option<Ech>,
    /// What it says.
    pub action: TlsAction,
    /// [`super::Ruling::trust_sni`].
    pub trust_sni: bool,
    /// [`super::Ruling::client_certificates`].
    pub client_certificates: ClientCertificates,
}

/// Names of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLists {
    /// Numbers of [`View::names`].
    pub lists: Vec<u32>,
    /// Whether it is a match too that there is no name.
    pub none: bool,
}

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RuleRef {
    /// Unique within its layer.
    pub name: String,
    /// Whose it is.
    pub layer: Layer,
    /// Relative path.
    pub file: String,
    /// From 1.
    pub line: u32,
}

/// Why a view cannot be used. Whoever made it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadView {
    /// Of another build.
    #[error("the view is of version {0}, this program knows {VIEW_VERSION}; install both from one build")]
    Version(u32),
    /// A number without a list.
    #[error("rule `{0}` refers to a list that is not there")]
    NoSuchList(String),
    /// More than [`super::limits`] allow.
    #[error("{0} lists of names are more than there can be")]
    TooManyLists(usize),
}

impl View {
    /// What a policy has for a municipality; none: it has no such municipality.
    pub fn of(policy: &Policy, municipality: &str) -> Option<Self> {
        let municipality = policy.municipalities.iter().find(|it| it.id == municipality)?;
        let (above, own) = (&policy.tls, &municipality.tls);
        let mut lists = Lists::default();
        let prefectural = policy.http.rules.iter().map(|rule| (Layer::Prefecture, rule));
        let http = prefectural.chain(municipality.http.rules.iter().map(|rule| (Layer::Municipality, rule)));
        let http = http.map(|(layer, rule)| lists.http_rule(layer, rule)).collect();
        let prefectural = above.rules.iter().map(|rule| (Layer::Prefecture, rule));
        let rules = prefectural.chain(own.rules.iter().map(|rule| (Layer::Municipality, rule)));
        let rules = rules.map(|(layer, rule)| lists.rule(layer, rule)).collect();
        let proxy = municipality.proxy.as_ref().map(|proxy| ProxyView::of(policy, municipality, proxy, &mut lists));
        Some(Self {
            version: VIEW_VERSION,
            municipality: municipality.id.clone(),
            name: municipality.name.clone(),
            prefixes: municipality.prefixes.iter().chain(&municipality.published).copied().collect(),
            gateway: municipality.attachments.iter().flat_map(|it| &it.addresses).copied().collect(),
            isolation: municipality.isolation.clone(),
            essential: policy.essential.clone(),
            rules,
            addresses: lists.addresses,
            names: lists.names,
            default: own.default.or(above.default).unwrap_or(TlsAction::Inspect),
            resolvers: policy.resolvers.clone(),
            roots: policy.roots.clone(),
            on_bad_certificate: own.on_bad_certificate.or(above.on_bad_certificate).unwrap_or(OnBadCertificate::Mirror),
            bypass: own.bypass.or(above.bypass).unwrap_or(Bypass::Off),
            limits: municipality.tls_limits,
            http,
            microsoft_tenants: municipality.http.microsoft.clone().or_else(|| policy.http.microsoft.clone()),
            proxy,
        })
    }

    /// Whether it is of this version and holds together.
    pub(crate) fn check(&self) -> Result<(), BadView> {
        if self.version != VIEW_VERSION {
            return Err(BadView::Version(self.version));
        }
        if self.names.len() > LISTS {
            return Err(BadView::TooManyLists(self.names.len()));
        }
        let known = |lists: &[u32], count: usize| lists.iter().all(|&list| (list as usize) < count);
        let sides = |side: &Option<Vec<u32>>| side.as_ref().is_none_or(|lists| known(lists, self.addresses.len()));
        let hosts = |hosts: &Option<HostLists>| hosts.as_ref().is_none_or(|it| known(&it.lists, self.names.len()));
        let tls = |rule: &ViewRule| sides(&rule.from) && sides(&rule.to) && hosts(&rule.sni);
        let http = |rule: &ViewHttpRule| sides(&rule.from) && hosts(&rule.host);
        let bad_tls = self.rules.iter().find(|rule| !tls(rule)).map(|rule| &rule.rule);
        match bad_tls.or_else(|| self.http.iter().find(|rule| !http(rule)).map(|rule| &rule.rule)) {
            Some(bad) => Err(BadView::NoSuchList(bad.name.clone())),
            None => Ok(()),
        }
    }

    /// Whether an address is one of the gateway's own.
    pub fn is_gateway(&self, address: IpAddr) -> bool {
        self.gateway.iter().any(|own| own.addr() == address.to_canonical())
    }
}

/// Lists so far, by their places in memory.
#[derive(Default)]
pub(crate) struct Lists {
    addresses: Vec<Prefixes>,
    names: Vec<Names>,
    known_addresses: HashMap<*const IpNet, u32>,
    known_names: HashMap<*const u8, u32>,
}

impl Lists {
    fn rule(&mut self, layer: Layer, rule: &TlsRule) -> ViewRule {
        ViewRule {
            rule: reference(layer, &rule.name, &rule.location),
            from: rule.from.as_ref().map(|from| self.addresses(from)),
            to: rule.to.as_ref().map(|to| self.addresses(to)),
            services: rule.services.clone(),
            speaks: rule.speaks.clone(),
            sni: rule.sni.as_ref().map(|sni| self.hosts(sni)),
            ja4: rule.ja4.clone(),
            alpn: rule.alpn.clone(),
            ech: rule.ech,
            action: rule.action,
            trust_sni: rule.trust_sni,
            client_certificates: rule.client_certificates,
        }
    }

    fn http_rule(&mut self, layer: Layer, rule: &HttpRule) -> ViewHttpRule {
        ViewHttpRule {
            rule: reference(layer, &rule.name, &rule.location),
            from: rule.from.as_ref().map(|from| self.addresses(from)),
            host: rule.host.as_ref().map(|host| self.hosts(host)),
            path: rule.path.clone(),
            methods: rule.methods.clone(),
            types: rule.types.clone(),
            upload_limit: rule.upload_limit,
            action: rule.action,
        }
    }

    /// The numbers of a side's lists.
    pub fn addresses(&mut self, side: &Addresses) -> Vec<u32> {
        let number = |list: &Prefixes| {
            *self.known_addresses.entry(list.as_ptr()).or_insert_with(|| push(&mut self.addresses, list))
        };
        side.lists().iter().map(number).collect()
    }

    fn hosts(&mut self, hosts: &Hosts) -> HostLists {
        HostLists { lists: hosts.lists().map(|names| self.names(names)).collect(), none: hosts.none }
    }

    fn names(&mut self, names: &Names) -> u32 {
        *self.known_names.entry(names.place()).or_insert_with(|| push(&mut self.names, names))
    }
}

fn reference(layer: Layer, name: &str, location: &Location) -> RuleRef {
    RuleRef { name: name.to_owned(), layer, file: location.file.clone(), line: location.line }
}

fn push<T: Clone>(lists: &mut Vec<T>, list: &T) -> u32 {
    lists.push(list.clone());
    u32::try_from(lists.len() - 1).unwrap_or(u32::MAX)
}
