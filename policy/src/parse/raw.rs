//! A policy as it was written: every value well-formed by itself, nothing resolved yet, every piece with its text.

mod http;
mod proxy;
mod tls;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::checked::{Action, Budget, Dns, Flood, PortBlocks, Service, SynCookies, WhenDown};
use crate::diagnostic::{Span, Spanned};
pub(crate) use http::{RawHttp, RawHttpRule, RawTenants};
pub(crate) use proxy::{Direct, RawProxy};
pub(crate) use tls::{HostItem, RawNames, RawTls, RawTlsRule};

/// Everything that stands in the directory.
#[derive(Debug)]
pub(crate) struct RawPolicy {
    pub prefecture: Option<RawPrefecture>,
    pub municipalities: Vec<RawMunicipality>,
}

/// A list, and whether every item of it could be read: what is missing something leads to no further conclusions.
#[derive(Clone, Debug)]
pub(crate) struct List<T> {
    pub items: Vec<T>,
    pub complete: bool,
    pub span: Span,
}

/// `prefecture.toml`.
#[derive(Debug)]
pub(crate) struct RawPrefecture {
    pub file: usize,
    pub id: Option<Spanned<String>>,
    pub name: Option<Spanned<String>>,
    pub uplinks: List<Spanned<String>>,
    pub accesses: List<Spanned<String>>,
    pub country_files: Option<List<Spanned<String>>>,
    pub sets: Vec<RawSet>,
    pub block: List<Spanned<String>>,
    pub essential: List<Spanned<Item>>,
    pub flood: Flood,
    pub baseline: Vec<RawRule>,
    pub names: Vec<RawNames>,
    pub tls: RawTls,
    pub http: RawHttp,
    pub proxy: Option<RawProxy>,
}

/// One line of `[sets]`.
#[derive(Debug)]
pub(crate) struct RawSet {
    pub name: Spanned<String>,
    pub file: Option<Spanned<String>>,
    pub prefixes: Option<List<Spanned<IpNet>>>,
    pub countries: Option<Countries>,
    /// Whether everything in it could be read.
    pub complete: bool,
}

/// `countries` of a set.
#[derive(Debug)]
pub(crate) struct Countries {
    pub codes: List<Spanned<String>>,
    /// All countries but these.
    pub inverted: bool,
}

/// One file of `municipalities/`.
#[derive(Debug)]
pub(crate) struct RawMunicipality {
    pub file: usize,
    pub id: Option<Spanned<String>>,
    pub name: Option<Spanned<String>>,
    pub attachments: List<RawAttachment>,
    pub prefixes: List<Spanned<IpNet>>,
    pub nat: RawNat,
    pub sections: Vec<(Spanned<String>, List<Spanned<IpNet>>)>,
    pub isolation: RawIsolation,
    pub limits: Vec<RawLimit>,
    pub syn_cookies: Option<SynCookies>,
    pub dns: Option<RawDns>,
    pub egress: RawRules,
    pub ingress: RawRules,
    pub tls: RawTls,
    pub http: RawHttp,
    pub proxy: Option<RawProxy>,
}

/// `[nat]`.
#[derive(Debug)]
pub(crate) struct RawNat {
    pub pool: List<Spanned<IpNet>>,
    pub blocks: PortBlocks,
    pub inbound: Vec<RawInbound>,
}

/// One entry of `[[nat.inbound]]`.
#[derive(Debug)]
pub(crate) struct RawInbound {
    pub name: Option<Spanned<String>>,
    pub public: Option<Spanned<std::net::Ipv4Addr>>,
    pub services: List<Spanned<Service>>,
    /// The server, and its port if it is another.
    pub to: Option<Spanned<(std::net::Ipv4Addr, Option<u16>)>>,
}

/// `[dns]`.
#[derive(Debug)]
pub(crate) struct RawDns {
    pub servers: List<Spanned<IpAddr>>,
    pub zones: List<Spanned<String>>,
    /// Its numbers; without servers and zones.
    pub dns: Dns,
}

/// One number of `[limits]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLimit {
    pub budget: Budget,
    pub number: u64,
    pub span: Span,
}

/// `isolated`.
#[derive(Debug)]
pub(crate) enum RawIsolation {
    None,
    All,
    Parts(List<Spanned<Item>>),
}

/// One entry of `attach`.
#[derive(Debug)]
pub(crate) struct RawAttachment {
    pub span: Span,
    pub port: Option<Spanned<String>>,
    /// None if it could not be read.
    pub vlans: Option<Vec<u16>>,
    pub addresses: List<Spanned<IpNet>>,
    pub routers: List<Spanned<std::net::IpAddr>>,
}

/// `[egress]` or `[ingress]`.
#[derive(Debug)]
pub(crate) struct RawRules {
    pub default: Action,
    pub rules: Vec<RawRule>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct RawRule {
    pub span: Span,
    pub name: Option<Spanned<String>>,
    /// Baseline only; both unless said.
    pub direction: Option<abi::Direction>,
    pub from: Option<List<Spanned<Item>>>,
    pub to: Option<List<Spanned<Item>>>,
    /// `ports` and `protocols` united.
    pub services: Option<List<Spanned<Service>>>,
    pub action: Option<Spanned<Action>>,
    pub when_down: WhenDown,
}

/// What may stand in `from` and `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Prefix(IpNet),
    Set(String),
    Section(String),
}

impl<T> List<T> {
    /// Stands for what is absent.
    pub fn absent(span: Span) -> Self {
        List { items: Vec::new(), complete: true, span }
    }

    /// Stands for what was there but could not be read.
    pub fn unreadable(span: Span) -> Self {
        List { items: Vec::new(), complete: false, span }
    }
}
