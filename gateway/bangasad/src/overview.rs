//! The whole gateway at one moment: for `status`, and for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use abi::Direction;
use abi::ports::ROLE_UPLINK;
use control::Status;
use control::status::{CounterStatus, EventStatus, MunicipalityStatus, NatStatus, PortStatus, Rate, SetStatus};
use dataplane::Gateway;
use dataplane::gateway::{Attacked, BudgetReading, InspectorWay, ZoneReading};
use dataplane::links::{Link, mac_text};
use dataplane::readings::Readings;
use telemetry::metrics::{Bypassed, OverlayCounts};
use telemetry::{Snapshot, Words};

use crate::daemon::{Current, Daemon};
use crate::nat::{self, Usage};
use crate::watch::Integrity;
use crate::{budgets, bypass, dns, flood, freeze, inspectors, overlays};

/// What the kernel says, read in one go.
struct Kernel {
    words: Arc<Words>,
    current: Option<Arc<Current>>,
    readings: Readings,
    budgets: Vec<BudgetReading>,
    attacked: Vec<Attacked>,
    zones: BTreeMap<String, Vec<ZoneReading>>,
    flows: Vec<u64>,
    flow_capacity: u64,
    nat: BTreeMap<String, Usage>,
    generation: u64,
    adopted: bool,
    ports: Vec<PortStatus>,
    inspectors: BTreeMap<String, InspectorWay>,
    warnings: Vec<String>,
}

fn read(daemon: &Daemon) -> anyhow::Result<Kernel> {
    // Held meanwhile, so that all of it is of one generation.
    let mut gateway = daemon.gateway();
    let (words, current) = (daemon.words(), daemon.current());
    let numbering = &words.latest().numbering;
    let municipalities = numbering.municipalities.values().max().copied().unwrap_or(0);
    let sets = numbering.sets.values().max().copied().unwrap_or(0);
    let ports = gateway.ports()?;
    Ok(Kernel {
        readings: gateway.read(municipalities, sets)?,
        budgets: gateway.read_budgets(1..=municipalities)?,
        attacked: gateway.attacked(),
        zones: current.as_deref().map(|current| dns::read(&gateway, current)).unwrap_or_default(),
        flows: gateway.count_flows()?,
        flow_capacity: gateway.flow_capacity(),
        nat: current.as_deref().map(|current| nat_usage(&mut gateway, current)).transpose()?.unwrap_or_default(),
        generation: gateway.generation(),
        adopted: gateway.adopted(),
        ports: ports.iter().map(|(port, link)| port_status(port.number, port.role, port.guard, link)).collect(),
        inspectors: gateway.inspectors(),
        warnings: gateway.warnings()?,
        words,
        current,
    })
}

fn nat_usage(gateway: &mut Gateway, current: &Current) -> anyhow::Result<BTreeMap<String, Usage>> {
    Ok(nat::usage(&gateway.nat().blocks()?, current.policy()))
}

fn port_status(number: u8, role: u8, guard: &str, link: &Link) -> PortStatus {
    PortStatus {
        port: link.ifname.clone(),
        number,
        role: if role == ROLE_UPLINK { "uplink" } else { "access" }.into(),
        xdp_mode: link.xdp_mode().into(),
        guard: guard.into(),
        ifindex: link.ifindex,
        mtu: link.mtu,
        mac: mac_text(link.mac()),
    }
}

/// Tables whose policy cannot be read match nothing.
fn digest_matches(kernel: &Kernel, integrity: &Integrity) -> bool {
    integrity.matches() && (kernel.generation == 0 || kernel.current.is_some())
}

/// Answers `status`.
pub fn status(daemon: &Daemon) -> anyhow::Result<Status> {
    let kernel = read(daemon)?;
    let (words, current) = (&*kernel.words, kernel.current.as_deref());
    let integrity = daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner);
    let digest_matches = digest_matches(&kernel, &integrity);
    let mut warnings: Vec<String> =
        daemon.trouble().into_iter().chain(kernel.warnings.iter().cloned()).chain(bypass::trouble(daemon)).collect();
    if current.is_some() && !digest_matches {
        warnings.push("the installed tables are not the intended ones; apply the policy again".into());
    }
    if kernel.generation == 0 {
        warnings.push("no policy is installed: everything is dropped; apply one".into());
    }
    warnings.extend(kernel.nat.iter().filter(|(_, usage)| usage.is_nearly_full()).map(|(id, usage)| {
        format!(
            "{} of the {} ports of `{id}`'s NAT pool are in clients' blocks; add addresses to the pool before there are none",
            usage.ports, usage.room
        )
    }));
    let policy = current.map(Current::policy);
    let record = current.map(|current| &current.record);
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: daemon.started.elapsed().as_secs(),
        adopted: kernel.adopted,
        prefecture: policy.map(|policy| policy.id.clone()),
        prefecture_name: policy.map(|policy| policy.name.clone()),
        generation: kernel.generation,
        applied_at: record.map(|record| record.applied_at.clone()),
        applied_by: record.map(|record| record.who.clone()),
        because: record.and_then(|record| record.because.clone()),
        digest_intended: integrity.intended.map(|digest| digest.to_string()),
        digest_installed: integrity.installed.map(|digest| digest.to_string()),
        digest_matches,
        digest_checked_at: integrity.checked_at.clone(),
        digest_policy: current.map(|current| current.files.to_string()),
        digest_overlays: current.map(|current| overlays::digest(&current.overlays)),
        frozen: freeze::now(daemon),
        trial: current.and_then(|current| current.record.trial),
        isolations: current.map(|current| current.overlays.isolations.clone()).unwrap_or_default(),
        indicators: current.map_or(0, |current| current.overlays.indicator_count() as u64),
        flows: kernel.flows.iter().sum(),
        flow_capacity: kernel.flow_capacity,
        municipalities: municipalities(daemon, words, current, &kernel),
        sets: sets(words, current, &kernel.readings)
            .into_iter()
            .map(|(set, packets)| SetStatus { set, packets })
            .collect(),
        events: events(daemon, &kernel.readings),
        guard_drops: kernel.readings.guard_drops,
        ports: kernel.ports,
        warnings,
    })
}

/// Everyone in the policy, everyone else with packets to tell of, and last those packets that were nobody's.
fn municipalities(
    daemon: &Daemon,
    words: &Words,
    current: Option<&Current>,
    kernel: &Kernel,
) -> Vec<MunicipalityStatus> {
    let readings = &kernel.readings;
    let policy = current.map(Current::policy);
    let present: BTreeMap<&str, _> = policy
        .into_iter()
        .flat_map(|policy| &policy.municipalities)
        .map(|municipality| (municipality.id.as_str(), municipality))
        .collect();
    let counted: BTreeSet<u16> = readings.exits.iter().map(|exit| exit.municipality).collect();
    let rates = daemon.rates.lock().unwrap_or_else(PoisonError::into_inner);
    let rates_of = |number: u16| -> Vec<Rate> {
        let directions = Direction::ALL.iter().filter_map(|direction| rates.rates.get(&(number, *direction as u8)));
        directions.cloned().collect()
    };
    let numbers = words.latest().numbering.municipalities.iter();
    let shown = numbers.filter(|(id, number)| present.contains_key(id.as_str()) || counted.contains(number));
    let mut all: Vec<MunicipalityStatus> = shown
        .map(|(id, number)| {
            let municipality = present.get(id.as_str());
            let attachments = municipality.iter().flat_map(|municipality| &municipality.attachments);
            MunicipalityStatus {
                municipality: Some(id.clone()),
                name: municipality.map(|municipality| municipality.name.clone()),
                number: *number,
                namespace: municipality.map(|_| format!("{}{id}", daemon.netns_prefix)),
                attachments: attachments.map(|attachment| attachment.name()).collect(),
                inspector_way: kernel.inspectors.get(id).map(|way| way.name().into()),
                rates: rates_of(*number),
                counters: counters(readings, *number),
                limits: municipality.map_or_else(Vec::new, |municipality| {
                    budgets::status(daemon, *number, &municipality.limits, &kernel.budgets)
                }),
                attacked: flood::status(&kernel.attacked, *number),
                dns: municipality.and_then(|municipality| {
                    let zones = kernel.zones.get(id).map_or(&[][..], Vec::as_slice);
                    dns::status(municipality, *number, zones, &kernel.budgets)
                }),
                inspector: inspectors::status(&daemon.inspectors, id),
                nat: kernel.nat.get(id).map(nat_status),
                bypass: policy.and_then(|policy| bypass::status(daemon, policy, id)),
            }
        })
        .collect();
    all.push(MunicipalityStatus {
        rates: rates_of(0),
        counters: counters(readings, 0),
        ..MunicipalityStatus::default()
    });
    all
}

fn nat_status(usage: &Usage) -> NatStatus {
    let Usage { blocks, ports, room, clients, clients_at_limit } = *usage;
    NatStatus { blocks, ports, room, clients, clients_at_limit }
}

fn counters(readings: &Readings, municipality: u16) -> Vec<CounterStatus> {
    let exits = readings.exits.iter().filter(|exit| exit.municipality == municipality);
    exits
        .map(|exit| CounterStatus {
            direction: exit.direction.name().into(),
            verdict: exit.verdict.name().into(),
            reason: exit.reason.name().into(),
            packets: exit.counter.packets,
            bytes: exit.counter.bytes,
        })
        .collect()
}

/// Every set that blocks, and every other that has.
fn sets(words: &Words, current: Option<&Current>, readings: &Readings) -> BTreeMap<String, u64> {
    let blocking = current.into_iter().flat_map(|current| &current.policy().block);
    let mut sets: BTreeMap<String, u64> = blocking.map(|set| (set.clone(), 0)).collect();
    for (number, hits) in &readings.set_hits {
        if let Some(name) = words.latest().set_name(*number) {
            sets.insert(name.to_owned(), *hits);
        }
    }
    sets
}

fn events(daemon: &Daemon, readings: &Readings) -> EventStatus {
    let counts = daemon.journal.counts();
    EventStatus {
        received: counts.received.load(Ordering::Relaxed),
        lost_ring_full: readings.event_losses.iter().map(|loss| loss.ring_full).sum(),
        suppressed: readings.event_losses.iter().map(|loss| loss.over_budget).sum(),
        lost_output: counts.lost_output.load(Ordering::Relaxed),
        lost_followers: counts.lost_followers.load(Ordering::Relaxed),
    }
}

/// Of every municipality that has any, how many names stand how.
fn bypassed(daemon: &Daemon, current: Option<&Current>) -> BTreeMap<String, Bypassed> {
    let Some(policy) = current.map(Current::policy) else { return BTreeMap::new() };
    let of = |id: &String| {
        let status = bypass::status(daemon, policy, id)?;
        Some((id.clone(), Bypassed { names: status.names, displaced: status.displaced }))
    };
    policy.municipalities.iter().filter_map(|municipality| of(&municipality.id)).collect()
}

/// What lies over the policy, counted.
fn lying_over(daemon: &Daemon, current: Option<&Current>) -> OverlayCounts {
    let frozen_until = freeze::now(daemon).map(|held| held.until.map_or(f64::INFINITY, |until| until.0 as f64));
    let Some(current) = current else { return OverlayCounts { frozen_until, ..OverlayCounts::default() } };
    let towns = current.policy().municipalities.iter();
    let count = |id: Option<&str>| current.overlays.isolations_of(id) as u64;
    let isolations = towns.map(|town| (Some(town.id.clone()), count(Some(&town.id)))).chain([(None, count(None))]);
    let indicators = current.overlays.indicator_count() as u64;
    OverlayCounts { isolations: isolations.collect(), indicators, frozen_until }
}

/// Services under attack by municipality, none also being told.
fn attacked(words: &Words, current: Option<&Current>, attacked: &[Attacked]) -> BTreeMap<String, u64> {
    let present = current.into_iter().flat_map(|current| &current.policy().municipalities);
    let mut counts: BTreeMap<String, u64> = present.map(|municipality| (municipality.id.clone(), 0)).collect();
    for it in attacked {
        let name = words.latest().municipality_name(it.municipality).unwrap_or_default();
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

/// What Prometheus reads.
pub fn metrics(daemon: &Daemon) -> anyhow::Result<String> {
    let kernel = read(daemon)?;
    let (words, current) = (&*kernel.words, kernel.current.as_deref());
    let name = |number: u16| words.latest().municipality_name(number).map(str::to_owned);
    let events = events(daemon, &kernel.readings);
    let mut ports = BTreeMap::new();
    for port in &kernel.ports {
        *ports.entry(port.xdp_mode.clone()).or_default() += 1;
    }
    let present =
        current.into_iter().flat_map(|current| &current.policy().municipalities).map(|municipality| &municipality.id);
    let mut flows: BTreeMap<String, u64> = present.map(|id| (id.clone(), 0)).collect();
    for (number, count) in kernel.flows.iter().enumerate().filter(|(_, count)| **count != 0) {
        flows.insert(name(number as u16).unwrap_or_default(), *count);
    }
    telemetry::metrics::encode(&Snapshot {
        exits: kernel
            .readings
            .exits
            .iter()
            .map(|exit| {
                let counter = exit.counter;
                (name(exit.municipality), exit.direction, exit.verdict, exit.reason, counter.packets, counter.bytes)
            })
            .collect(),
        set_hits: sets(words, current, &kernel.readings),
        event_losses: kernel
            .readings
            .event_losses
            .iter()
            .map(|loss| (name(loss.municipality), loss.ring_full, loss.over_budget))
            .collect(),
        flows,
        flow_capacity: kernel.flow_capacity,
        guard_drops: kernel.readings.guard_drops,
        generation: kernel.generation,
        digest_matches: digest_matches(&kernel, &daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner)),
        ports,
        events_received: events.received,
        events_lost_output: events.lost_output,
        events_lost_followers: events.lost_followers,
        nat: kernel
            .nat
            .iter()
            .map(|(id, usage)| {
                let Usage { blocks, ports, room, clients, clients_at_limit } = *usage;
                (id.clone(), [blocks, ports, room, clients, clients_at_limit])
            })
            .collect(),
        coverage: inspectors::coverage(&daemon.inspectors),
        bypass: bypassed(daemon, current),
        limits: budgets::metrics(daemon, &kernel.budgets),
        attacked: attacked(words, current, &kernel.attacked),
        overlays: lying_over(daemon, current),
        dns: dns::metrics(&kernel.zones),
        started_at: daemon.started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64(),
    })
}
