//! `[[nat.inbound]]`: the public address must be the municipality's and its port free, and the server must be inside.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use abi::nat::FIRST_PORT;
use ipnet::IpNet;

use super::municipality::Town;
use crate::checked::Inbound;
use crate::diagnostic::{Problem, Report, Span, Spanned};
use crate::parse::raw::{RawInbound, RawMunicipality};

/// Whether a prefix is one address of the pool of which ports are mapped. A rule that names it speaks of the mapping, and
/// publishes nothing else.
pub(crate) fn is_mapped_of_pool(raw: &RawMunicipality, prefix: IpNet) -> bool {
    let is_it = |public: &Spanned<Ipv4Addr>| IpNet::from(IpAddr::from(public.value)) == prefix;
    raw.nat.inbound.iter().filter_map(|it| it.public.as_ref()).any(|public| is_it(public) && in_pool(raw, public.value))
}

fn in_pool(raw: &RawMunicipality, address: Ipv4Addr) -> bool {
    raw.nat.pool.items.iter().any(|prefix| prefix.value.contains(&IpAddr::from(address)))
}

/// Reports what is wrong with each mapping by itself, and with those of one municipality together.
pub(crate) fn check(raw: &RawMunicipality, published: &[Spanned<IpNet>], report: &mut Report<'_>) {
    let mut names: HashMap<&str, Span> = HashMap::new();
    for mapping in &raw.nat.inbound {
        if let Some(name) = &mapping.name {
            if let Some(&first) = names.get(name.value.as_str()) {
                let message = format!("there are two mappings `{}`", name.value);
                let problem = Problem::error("duplicate-rule", name.span, message).related(first, "the first one");
                report.push(problem.help("give each its own name: it is how mappings are told apart".to_owned()));
            }
            names.entry(&name.value).or_insert(name.span);
        }
        public(raw, mapping, published, report);
        server(raw, mapping, report);
    }
    overlaps(raw, report);
}

fn public(raw: &RawMunicipality, mapping: &RawInbound, published: &[Spanned<IpNet>], report: &mut Report<'_>) {
    let Some(public) = &mapping.public else { return };
    let address = IpAddr::from(public.value);
    if in_pool(raw, public.value) {
        for service in &mapping.services.items {
            let (_, last) = service.value.ports.unwrap_or((0, u16::MAX));
            if last >= FIRST_PORT {
                let message =
                    format!("ports from {FIRST_PORT} on of `{address}` are lent to clients: it is in the pool");
                let problem = Problem::error("inbound-lent", service.span, message);
                let help = format!(
                    "name ports below {FIRST_PORT}, or take `{address}` out of `pool` and name it in `to` of an ingress rule"
                );
                report.push(problem.related(raw.nat.pool.span, "the pool").help(help));
            }
        }
    } else if raw.nat.pool.complete && !published.iter().any(|prefix| prefix.value.contains(&address)) {
        let message = format!("`{address}` is no public address of this municipality");
        let problem = Problem::error("inbound-not-ours", public.span, message);
        let help = format!("name `{address}` in `to` of an ingress rule that allows, or in `pool`");
        report.push(problem.related(raw.nat.pool.span, "its pool").help(help));
    }
}

fn server(raw: &RawMunicipality, mapping: &RawInbound, report: &mut Report<'_>) {
    let Some(to) = &mapping.to else { return };
    let server = IpAddr::from(to.value.0);
    let of_gateway =
        raw.attachments.items.iter().flat_map(|it| &it.addresses.items).find(|it| it.value.addr() == server);
    if let Some(gateway) = of_gateway {
        let message = format!("`{server}` is the gateway's own address, behind which no server is");
        let problem = Problem::error("inbound-outside-prefixes", to.span, message).related(gateway.span, "here");
        report.push(problem.help("name the server's address".to_owned()));
    } else if raw.prefixes.complete && !raw.prefixes.items.iter().any(|prefix| prefix.value.contains(&server)) {
        let message = format!("`{server}` is not among the municipality's prefixes");
        let problem = Problem::error("inbound-outside-prefixes", to.span, message);
        report.push(
            problem.related(raw.prefixes.span, "its prefixes").help("correct it, or add it to `prefixes`".to_owned()),
        );
    }
}

/// A run of ports of one address and protocol, and where it stands.
type Run = (Ipv4Addr, u8, u16, u16, Span);

/// A port of an address leads to one server.
fn overlaps(raw: &RawMunicipality, report: &mut Report<'_>) {
    let mut runs: Vec<Run> = Vec::new();
    for mapping in &raw.nat.inbound {
        let Some(public) = &mapping.public else { continue };
        for service in &mapping.services.items {
            let (first, last) = service.value.ports.unwrap_or((0, u16::MAX));
            runs.push((public.value, service.value.protocol, first, last, service.span));
        }
    }
    runs.sort_unstable();
    // The one of those before that reaches furthest.
    let mut furthest: Option<Run> = None;
    for run in runs {
        let (public, protocol, first, last, span) = run;
        match furthest {
            Some(before) if (before.0, before.1) == (public, protocol) && first <= before.3 => {
                let (at, other) = if before.4 < span { (span, before.4) } else { (before.4, span) };
                let message = format!("ports of `{public}` that are mapped already");
                let problem = Problem::error("inbound-overlap", at, message).related(other, "mapped here first");
                report.push(problem.help("a port leads to one server".to_owned()));
                if last > before.3 {
                    furthest = Some(run);
                }
            }
            _ => furthest = Some(run),
        }
    }
}

/// What one municipality maps must not be another's, by the prefix that decides on the uplink.
pub(crate) fn across(towns: &[Town<'_>], report: &mut Report<'_>) {
    if towns.iter().all(|town| town.raw.nat.inbound.is_empty()) {
        return;
    }
    let owned = |town: &Town<'_>, address: IpAddr| {
        let own = town.raw.prefixes.items.iter().chain(&town.published).map(|prefix| (prefix.value, prefix.span));
        // Pool addresses count one by one.
        let pool = town.raw.nat.pool.items.iter().map(|prefix| (prefix.value, prefix.span));
        let own = own.map(|(prefix, span)| (prefix, prefix.prefix_len(), span));
        let all = own.chain(pool.map(|(prefix, span)| (prefix, 32, span)));
        all.filter(|(prefix, ..)| prefix.contains(&address)).map(|(_, length, span)| (length, span)).max()
    };
    for (number, town) in towns.iter().enumerate() {
        for public in town.raw.nat.inbound.iter().filter_map(|mapping| mapping.public.as_ref()) {
            let address = IpAddr::from(public.value);
            let Some((own, _)) = owned(town, address) else { continue };
            let others = towns.iter().enumerate().filter(|&(other, _)| other != number);
            let nearest = others.filter_map(|(_, other)| Some((other, owned(other, address)?)));
            if let Some((other, (_, span))) = nearest.filter(|&(_, (length, _))| length >= own).max_by_key(|it| it.1) {
                let message = format!("`{address}` is an address of {}", other.called());
                let problem = Problem::error("inbound-not-ours", public.span, message).related(span, "named here");
                report.push(
                    problem.help("a public address leads to one municipality: leave it to one of them".to_owned()),
                );
            }
        }
    }
}

/// A mapping of which nothing is missing.
pub(crate) fn finish(mapping: &RawInbound, report: &Report<'_>) -> Option<Inbound> {
    let (inside, inside_port) = mapping.to.as_ref()?.value;
    let name = mapping.name.as_ref()?;
    Some(Inbound {
        name: name.value.clone(),
        public: mapping.public.as_ref()?.value,
        services: mapping.services.items.iter().map(|service| service.value).collect(),
        inside,
        inside_port,
        location: report.location(name.span),
    })
}
