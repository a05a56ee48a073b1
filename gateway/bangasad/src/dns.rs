//! Which zones of published DNS servers are under attack, and who is told when that begins and ends.
//!
//! The kernel judges by itself and needs nobody here.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use abi::budget::of_refusal_slot;
use abi::{Limit, Reason};
use control::line::{DnsLine, Line};
use control::status::{DnsStatus, DnsZoneStatus};
use dataplane::Gateway;
use dataplane::gateway::{BudgetReading, ZoneReading};
use policy::checked::Municipality;
use telemetry::journal::Entry;

use crate::daemon::{Current, Daemon};
use crate::log;

/// Between two readings.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Zones that were under attack at the last reading: municipality, and zone; none: names of no zone.
pub type Attacked = BTreeMap<(String, Option<String>), u64>;

/// Every zone of a policy, by municipality.
pub fn read(gateway: &Gateway, current: &Current) -> BTreeMap<String, Vec<ZoneReading>> {
    let numbers = &current.glossary.numbering.municipalities;
    let of = |municipality: &Municipality| {
        let (dns, number) = (municipality.dns.as_ref()?, numbers.get(&municipality.id)?);
        Some((municipality.id.clone(), gateway.read_dns(*number, &dns.guard())))
    };
    current.policy().municipalities.iter().filter_map(of).collect()
}

/// Reads what zones are asked for, and tells of attacks that begin or end.
pub fn measure(daemon: &Daemon) {
    let Some(current) = daemon.current() else { return };
    let readings = read(&daemon.gateway(), &current);
    let mut now = Attacked::new();
    for municipality in &current.policy().municipalities {
        let zones = readings.get(&municipality.id).into_iter().flatten().filter(|zone| zone.attacked);
        now.extend(zones.map(|zone| ((municipality.id.clone(), name_of(municipality, zone)), zone.names)));
    }
    let mut before = daemon.attacked_zones.lock().unwrap_or_else(PoisonError::into_inner);
    for (zone, names) in &now {
        if !before.contains_key(zone) {
            tell(daemon, current.generation, zone, "began", *names);
        }
    }
    for zone in before.keys().filter(|zone| !now.contains_key(zone)) {
        tell(daemon, current.generation, zone, "ended", 0);
    }
    *before = now;
}

fn name_of(municipality: &Municipality, zone: &ZoneReading) -> Option<String> {
    municipality.dns.as_ref()?.zones.get(zone.place.checked_sub(1)?).cloned()
}

fn tell(daemon: &Daemon, generation: u64, (id, zone): &(String, Option<String>), state: &str, names: u64) {
    let line = Line {
        time: Some(telemetry::time::now()),
        verdict: "warning".into(),
        reason: Reason::DnsGuard.name().into(),
        limit: Some(Limit::DnsNames.name().into()),
        municipality: Some(id.clone()),
        generation: generation as u32,
        direction: "ingress".into(),
        dns: Some(DnsLine { state: state.into(), zone: zone.clone(), names }),
        ..Line::default()
    };
    match serde_json::to_string(&line) {
        Ok(text) => daemon.journal.record(Entry { municipality: Some(id.clone()), text }),
        Err(error) => log(&format!("an event cannot be written: {error}")),
    }
}

/// Of one municipality, for `status`.
pub fn status(
    municipality: &Municipality,
    number: u16,
    zones: &[ZoneReading],
    budgets: &[BudgetReading],
) -> Option<DnsStatus> {
    let dns = municipality.dns.as_ref()?;
    let reading = budgets.iter().find(|reading| reading.municipality == number);
    let answered = |wanted: Limit| {
        let slots = reading.into_iter().flat_map(|reading| reading.refused.iter().enumerate());
        slots
            .filter(|(slot, _)| of_refusal_slot(*slot).is_some_and(|(limit, _)| limit == wanted))
            .map(|(_, it)| it)
            .sum()
    };
    let zone = |zone: &ZoneReading| DnsZoneStatus {
        zone: name_of(municipality, zone),
        attacked: zone.attacked,
        names: zone.names,
    };
    Some(DnsStatus {
        servers: dns.servers.iter().map(ToString::to_string).collect(),
        zones: zones.iter().map(zone).collect(),
        answered_for_source: answered(Limit::DnsQueries),
        answered_for_zone: answered(Limit::DnsNames),
    })
}

/// By municipality with a guard: how many of its zones are under attack.
pub fn metrics(readings: &BTreeMap<String, Vec<ZoneReading>>) -> BTreeMap<String, u64> {
    let count = |zones: &Vec<ZoneReading>| zones.iter().filter(|zone| zone.attacked).count() as u64;
    readings.iter().map(|(id, zones)| (id.clone(), count(zones))).collect()
}
