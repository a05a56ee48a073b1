//! One municipality by itself: its addresses, sections, pool, isolation and rules.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use abi::Direction;
use abi::limits::POOL_ADDRESSES;
use ipnet::IpNet;

use super::dns;
use super::http::{self, ResolvedHttp};
use super::inbound;
use super::limits;
use super::names::NameLists;
use super::proxy;
use super::ranges::Ranges;
use super::rules::{self, Home, ResolvedRule, Section, Sections};
use super::sets::Sets;
use super::tls::{self, ResolvedTls};
use crate::checked::{Action, Attachment, Budgets, Dns, Isolation, Municipality, Proxy, Rules};
use crate::diagnostic::{Problem, Report, Span, Spanned};
use crate::parse::raw::{Item, List, RawIsolation, RawMunicipality, RawPrefecture};

/// Published prefixes shorter than these are worth a question.
const WIDE_V4: u8 = 16;
const WIDE_V6: u8 = 32;

/// A municipality, resolved.
#[derive(Debug)]
pub(crate) struct Town<'r> {
    pub raw: &'r RawMunicipality,
    pub published: Vec<Spanned<IpNet>>,
    pub pool: Vec<Ipv4Addr>,
    isolation: Isolation,
    dns: Option<Dns>,
    proxy: Option<Proxy>,
    pub egress: Vec<ResolvedRule<'r>>,
    pub ingress: Vec<ResolvedRule<'r>>,
    pub tls: ResolvedTls<'r>,
    pub http: ResolvedHttp<'r>,
}

pub(crate) fn municipality<'r>(
    raw: &'r RawMunicipality,
    prefecture: Option<&RawPrefecture>,
    sets: &mut Sets,
    names: &mut NameLists,
    report: &mut Report<'_>,
) -> Town<'r> {
    if raw.prefixes.items.is_empty() && raw.prefixes.complete {
        let problem = Problem::error("no-prefix", raw.prefixes.span, "this municipality has no addresses");
        report.push(problem.help("name the prefixes that its terminals and servers use".to_owned()));
    }
    let published = published(raw, report);
    let mut own = Ranges::of(raw.prefixes.items.iter().chain(&published).map(|prefix| &prefix.value));
    let mut known = raw.prefixes.complete && !raw.prefixes.items.is_empty();
    if known {
        gateways(raw, &own, report);
        // What does not fit the prefixes is said once, not again of every rule that speaks of it.
        known &= sections(raw, &own, report);
    }
    let sections = resolved_sections(raw, sets);
    let home = Home::Municipality(raw, &sections);
    let isolation = isolation(raw, &own, known, home, sets, report);
    let mut egress = rules::municipality(&raw.egress.rules, Direction::Egress, home, sets, report);
    let mut ingress = rules::municipality(&raw.ingress.rules, Direction::Ingress, home, sets, report);
    let tls = tls::resolve(&raw.tls, home, known.then_some(&own), sets, names, report);
    let http = http::resolve(&raw.http, home, known.then_some(&own), sets, names, report);
    if known {
        egress.iter_mut().for_each(|rule| rules::meets_insiders(rule, &own, report));
        raw.nat.pool.items.iter().for_each(|prefix| own.add_prefix(prefix.value));
        own.normalize();
        ingress.iter_mut().for_each(|rule| rules::meets_insiders(rule, &own, report));
    }
    inbound::check(raw, &published, report);
    limits::check(&raw.limits, report);
    let dns = dns::resolve(raw, &own, known, report);
    let proxy = prefecture.and_then(|prefecture| proxy::resolve(prefecture, raw, report));
    Town { raw, pool: pool(raw, &published, report), published, isolation, dns, proxy, egress, ingress, tls, http }
}

fn resolved_sections<'r>(raw: &'r RawMunicipality, sets: &mut Sets) -> Sections<'r> {
    let mut section = |list: &List<Spanned<IpNet>>| Section {
        list: sets.list(Ranges::of(list.items.iter().map(|prefix| &prefix.value))),
        complete: list.complete,
    };
    raw.sections.iter().map(|(name, list)| (name.value.as_str(), section(list))).collect()
}

/// Literal prefixes in `to` of ingress rules that allow, but for addresses of the pool that are there for their mappings.
fn published(raw: &RawMunicipality, report: &mut Report<'_>) -> Vec<Spanned<IpNet>> {
    let allows = |action: &Option<Spanned<Action>>| action.as_ref().is_some_and(|action| action.value == Action::Allow);
    let items = raw.ingress.rules.iter().filter(|rule| allows(&rule.action)).filter_map(|rule| rule.to.as_ref());
    let mut published: Vec<Spanned<IpNet>> = Vec::new();
    let mut seen = HashSet::new();
    for item in items.flat_map(|list| &list.items) {
        let Item::Prefix(prefix) = item.value else { continue };
        if !seen.insert(prefix) || inbound::is_mapped_of_pool(raw, prefix) {
            continue;
        }
        let inside = raw.prefixes.items.iter().any(|own| own.value.contains(&prefix));
        let wide = prefix.prefix_len() < if prefix.network().is_ipv4() { WIDE_V4 } else { WIDE_V6 };
        if wide && !inside {
            let message = format!("publishing `{prefix}` makes all of it this municipality's own");
            let problem = Problem::warning("wide-publication", item.span, message);
            report.push(
                problem.help(
                    "leave `to` out to allow all of the municipality's addresses, or name the servers".to_owned(),
                ),
            );
        }
        published.push(Spanned { value: prefix, span: item.span });
    }
    published
}

/// Whether all of them lie inside.
fn sections(raw: &RawMunicipality, own: &Ranges, report: &mut Report<'_>) -> bool {
    let before = report.errors();
    for (name, section) in &raw.sections {
        for prefix in section.items.iter().filter(|prefix| !own.covers(&Ranges::of([&prefix.value]))) {
            let message =
                format!("`{}` of section `{}` is not among the municipality's prefixes", prefix.value, name.value);
            let problem = Problem::error("section-outside-prefixes", prefix.span, message);
            let problem = problem.related(raw.prefixes.span, "its prefixes");
            report.push(problem.help("correct it, or add it to `prefixes`".to_owned()));
        }
    }
    report.errors() == before
}

/// The gateway answers its neighbours: an address of its own must be one of theirs, or on a published segment.
fn gateways(raw: &RawMunicipality, own: &Ranges, report: &mut Report<'_>) {
    for address in raw.attachments.items.iter().flat_map(|attachment| &attachment.addresses.items) {
        let segment = Ranges::of([&address.value.trunc()]);
        if own.contains(address.value.addr()) || own.intersects(&segment) {
            continue;
        }
        let message = format!("the gateway's address `{}` is on none of the municipality's networks", address.value);
        let problem = Problem::error("gateway-outside-prefixes", address.span, message);
        report.push(
            problem
                .related(raw.prefixes.span, "its prefixes")
                .help(format!("correct it, or add `{}` to `prefixes`", address.value.trunc())),
        );
    }
}

/// Addresses of the pool in order; what is wrong with it is reported.
fn pool(raw: &RawMunicipality, published: &[Spanned<IpNet>], report: &mut Report<'_>) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    for prefix in &raw.nat.pool.items {
        let IpNet::V4(v4) = prefix.value else {
            let problem = Problem::error("nat-not-ipv4", prefix.span, format!("`{}` is not IPv4", prefix.value));
            report.push(problem.help("only IPv4 is translated; IPv6 addresses go out as they are".to_owned()));
            continue;
        };
        if let Some(other) =
            published.iter().find(|other| other.value.contains(&prefix.value) || prefix.value.contains(&other.value))
        {
            let message = format!("`{}` is both in the pool and published", other.value);
            let problem = Problem::warning("published-in-pool", prefix.span, message);
            report.push(
                problem
                    .related(other.span, "published here")
                    .help("take it out of the pool: a published server keeps its address to itself".to_owned()),
            );
        }
        let size = 1_u64 << (32 - v4.prefix_len());
        if size > u64::from(POOL_ADDRESSES) {
            let problem = Problem::error("capacity", prefix.span, format!("a pool of {size} addresses does not fit"));
            report.push(
                problem
                    .label(format!("room for {POOL_ADDRESSES} in all"))
                    .help("a few addresses serve thousands of terminals".to_owned()),
            );
            continue;
        }
        addresses.extend((v4.network().to_bits()..=v4.broadcast().to_bits()).map(Ipv4Addr::from_bits));
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn isolation(
    raw: &RawMunicipality,
    own: &Ranges,
    known: bool,
    home: Home<'_>,
    sets: &mut Sets,
    report: &mut Report<'_>,
) -> Isolation {
    match &raw.isolation {
        RawIsolation::None => Isolation::None,
        RawIsolation::All => Isolation::All,
        RawIsolation::Parts(list) => {
            for item in &list.items {
                let Item::Prefix(prefix) = item.value else { continue };
                if known && !own.intersects(&Ranges::of([&prefix])) {
                    let message =
                        format!("`{prefix}` is none of this municipality's addresses, so isolating it does nothing");
                    let problem = Problem::warning("isolated-elsewhere", item.span, message);
                    report.push(
                        problem.related(raw.prefixes.span, "its prefixes").help("correct the address".to_owned()),
                    );
                }
            }
            let addresses = sets.resolve_items(list, home, report);
            match addresses.is_empty() {
                true => Isolation::None,
                false => Isolation::Parts(addresses.ranges().prefixes()),
            }
        }
    }
}

impl Town<'_> {
    /// None if a part is missing, which has been reported.
    pub fn finish(&self, report: &Report<'_>) -> Option<Municipality> {
        let raw = self.raw;
        let id = raw.id.as_ref()?;
        let rules = |default: Action, rules: &[ResolvedRule<'_>]| {
            let rules = rules.iter().map(|rule| rule.finish(report)).collect::<Option<Vec<_>>>()?;
            Some(Rules { default, rules })
        };
        let attachment = |raw: &crate::parse::raw::RawAttachment| {
            Some(Attachment {
                port: raw.port.as_ref()?.value.clone(),
                vlans: raw.vlans.clone()?,
                addresses: raw.addresses.items.iter().map(|address| address.value).collect(),
                routers: raw.routers.items.iter().map(|router| router.value).collect(),
                location: report.location(raw.span),
            })
        };
        Some(Municipality {
            id: id.value.clone(),
            name: raw.name.as_ref()?.value.clone(),
            attachments: raw.attachments.items.iter().map(attachment).collect::<Option<Vec<_>>>()?,
            prefixes: sorted(&raw.prefixes.items),
            published: sorted(&self.published),
            nat_pool: self.pool.clone(),
            nat_blocks: raw.nat.blocks,
            inbound: raw.nat.inbound.iter().map(|it| inbound::finish(it, report)).collect::<Option<Vec<_>>>()?,
            sections: raw.sections.iter().map(|(name, list)| (name.value.clone(), sorted(&list.items))).collect(),
            isolation: self.isolation.clone(),
            proxy: self.proxy.clone(),
            syn_cookies: raw.syn_cookies,
            limits: Budgets(raw.limits.iter().map(|limit| (limit.budget, limit.number)).collect()),
            dns: self.dns.clone(),
            egress: rules(raw.egress.default, &self.egress)?,
            ingress: rules(raw.ingress.default, &self.ingress)?,
            tls: self.tls.finish(report)?,
            tls_limits: raw.tls.limits,
            http: self.http.finish(report)?,
            location: report.location(id.span),
        })
    }

    /// Where to point at.
    pub fn at(&self) -> Span {
        self.raw.id.as_ref().map_or(Span { file: self.raw.file, start: 0, end: 0 }, |id| id.span)
    }

    /// "潮見市", else the id, else nothing much.
    pub fn called(&self) -> String {
        let id = self.raw.id.as_ref().or(self.raw.name.as_ref());
        id.map_or_else(|| "another municipality".to_owned(), |id| format!("`{}`", id.value))
    }
}

/// As written, not united: whose address it is depends on the length of the prefix that names it.
fn sorted(prefixes: &[Spanned<IpNet>]) -> Vec<IpNet> {
    let mut prefixes: Vec<IpNet> = prefixes.iter().map(|prefix| prefix.value).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}
