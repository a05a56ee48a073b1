//! Whose a public address and port was.

use std::net::IpAddr;
use std::time::Duration;

use control::{Holder, Response};
use policy::checked::Inbound;
use telemetry::time::rfc3339;

use super::{note, now_ms, records_of};
use crate::daemon::Daemon;

/// Answers `who`. Of the past only what was recorded is known; a published or untranslated address is told by the policy
/// in force.
pub fn who(daemon: &Daemon, (address, port, protocol): (IpAddr, Option<u16>, u8), at_ms: Option<u64>) -> Response {
    let answer = match (address, port) {
        (IpAddr::V4(address), Some(port)) => block(daemon, address, port, at_ms),
        _ => Ok(None),
    };
    let mapped = || port.and_then(|port| mapped(daemon, address, port, protocol));
    let by_policy = || mapped().or_else(|| owner(daemon, address, port));
    match answer.map(|found| found.or_else(by_policy)) {
        Ok(Some(who)) => Response::Who(Box::new(who)),
        Ok(None) => Response::Failed { message: nobody(address, port, at_ms) },
        Err(error) => Response::Failed { message: format!("{error:#}") },
    }
}

fn block(
    daemon: &Daemon,
    address: std::net::Ipv4Addr,
    port: u16,
    at_ms: Option<u64>,
) -> anyhow::Result<Option<Holder>> {
    if at_ms.is_none_or(|at_ms| at_ms.saturating_add(2_000) > now_ms()) {
        note(daemon)?;
    }
    let found = records_of(daemon).look_up(address, port, at_ms.unwrap_or_else(now_ms))?;
    Ok(found.map(|held| Holder {
        address: address.into(),
        port: Some(port),
        what: "port_block".into(),
        municipality: held.holding.municipality.clone(),
        client: Some(held.holding.client.into()),
        inspector: held.holding.part != 0,
        inside_port: None,
        first_port: Some(held.holding.first_port),
        last_port: Some(held.holding.last_port()),
        from: Some(moment(held.holding.since_ms)),
        to: held.until_ms.map(moment),
        location: None,
    }))
}

/// By the policy in force: the server that a published port leads to.
fn mapped(daemon: &Daemon, address: IpAddr, port: u16, protocol: u8) -> Option<Holder> {
    let current = daemon.current()?;
    let mut towns = current.policy().municipalities.iter();
    let of = |mapping: &Inbound| IpAddr::from(mapping.public) == address;
    let (town, mapping, inside_port) = towns.find_map(|town| {
        let mut here = town.inbound.iter().filter(|mapping| of(mapping));
        here.find_map(|mapping| Some((town, mapping, mapping.inside_port(protocol, port)?)))
    })?;
    Some(Holder {
        address,
        port: Some(port),
        what: "inbound".into(),
        municipality: town.id.clone(),
        client: Some(mapping.inside.into()),
        inspector: false,
        inside_port: Some(inside_port),
        first_port: None,
        last_port: None,
        from: None,
        to: None,
        location: Some(format!("{}:{}", mapping.location.file, mapping.location.line)),
    })
}

/// By the policy in force: who publishes an address, or sends from it untranslated.
fn owner(daemon: &Daemon, address: IpAddr, port: Option<u16>) -> Option<Holder> {
    let current = daemon.current()?;
    let towns = &current.policy().municipalities;
    let published = towns.iter().find(|town| town.published.iter().any(|prefix| prefix.contains(&address)));
    let (what, town) = match published {
        Some(town) => ("published", town),
        None => {
            let mut owners = towns.iter().filter(|town| town.prefixes.iter().any(|prefix| prefix.contains(&address)));
            // What several call their own, such as private addresses, names nobody.
            ("own_address", owners.next().filter(|_| owners.next().is_none())?)
        }
    };
    let publishes = |rule: &&policy::checked::Rule| {
        rule.to.as_ref().is_some_and(|to| to.prefixes().any(|prefix| prefix.contains(&address)))
    };
    let rule = town.ingress.rules.iter().find(publishes).filter(|_| what == "published");
    let location = rule.map_or(&town.location, |rule| &rule.location);
    Some(Holder {
        address,
        port,
        what: what.into(),
        municipality: town.id.clone(),
        client: Some(address),
        inspector: false,
        inside_port: None,
        first_port: None,
        last_port: None,
        from: None,
        to: None,
        location: Some(format!("{}:{}", location.file, location.line)),
    })
}

fn nobody(address: IpAddr, port: Option<u16>, at_ms: Option<u64>) -> String {
    let (what, when) = (
        port.map_or_else(|| address.to_string(), |port| std::net::SocketAddr::new(address, port).to_string()),
        at_ms.map_or_else(|| "now".to_owned(), |at_ms| format!("at {}", moment(at_ms))),
    );
    let hint = if port.is_none() { "; name a port as well, if it was an address of a pool" } else { "" };
    format!("{what} was nobody's {when}, as far as records are kept{hint}")
}

fn moment(ms: u64) -> String {
    rfc3339(Duration::from_millis(ms))
}
