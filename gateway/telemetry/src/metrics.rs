//! Prometheus text from one moment's readings. Every number comes from the kernel's maps, which outlive the daemon, so
//! counters do not start over with it; only `bangasa_events_*` that count the daemon's own queues do.

use std::collections::BTreeMap;

use abi::{Direction, Limit, Reason, Verdict};
use anyhow::Context;
use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// What there is to tell, in names.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every exit that was taken: municipality (none: no municipality), direction, verdict, reason, packets, bytes.
    pub exits: Vec<(Option<String>, Direction, Verdict, Reason, u64, u64)>,
    /// Packets by the set that blocked them.
    pub set_hits: BTreeMap<String, u64>,
    /// By municipality: events lost for want of room, and left out for want of budget.
    pub event_losses: Vec<(Option<String>, u64, u64)>,
    /// Live flows by municipality.
    pub flows: BTreeMap<String, u64>,
    /// Flows that the table has room for.
    pub flow_capacity: u64,
    /// Frames that the guard dropped.
    pub guard_drops: u64,
    /// The generation that judges.
    pub generation: u64,
    /// Whether the installed tables are the intended ones.
    pub digest_matches: bool,
    /// Ports by XDP mode: `native`, `generic`, `none`.
    pub ports: BTreeMap<String, u64>,
    /// Events received from the kernel.
    pub events_received: u64,
    /// Events that outputs could not take.
    pub events_lost_output: u64,
    /// Events that followers could not take.
    pub events_lost_followers: u64,
    /// By municipality with a NAT pool: blocks, ports in them, ports that may be, clients, clients that get no more.
    pub nat: BTreeMap<String, [u64; 5]>,
    /// What inspectors did.
    pub coverage: Vec<Coverage>,
    /// Names that applications refuse our certificates for, by municipality.
    pub bypass: BTreeMap<String, Bypassed>,
    /// What became of budgets.
    pub limits: LimitReading,
    /// Services under attack, by municipality.
    pub attacked: BTreeMap<String, u64>,
    /// By municipality with guarded DNS servers: its zones that are under attack.
    pub dns: BTreeMap<String, u64>,
    /// What lies over the policy.
    pub overlays: OverlayCounts,
    /// When the daemon started, seconds since 1970.
    pub started_at: f64,
}

/// What became of budgets.
#[derive(Clone, Debug, Default)]
pub struct LimitReading {
    /// Municipality, limit, direction of the packets, and how many were dropped.
    pub limited: Vec<(String, Limit, Direction, u64)>,
    /// Municipality, limit, direction of the budget (`both` where it has none), and how much of it is used, 1 being all.
    pub used: Vec<(String, Limit, String, f64)>,
}

/// What operators laid over the policy.
#[derive(Clone, Debug, Default)]
pub struct OverlayCounts {
    /// Isolations by municipality; none: of everybody.
    pub isolations: Vec<(Option<String>, u64)>,
    /// Prefixes that are blocked for everybody.
    pub indicators: u64,
    /// When the freeze ends, seconds since 1970; none: nothing is frozen.
    pub frozen_until: Option<f64>,
}

/// What one municipality's inspector did.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Whose.
    pub municipality: String,
    /// Whether it serves.
    pub serving: bool,
    /// Connections that are open.
    pub open: u64,
    /// Connections that were not told as events.
    pub events_lost: u64,
    /// Datagrams of QUIC that it lost.
    pub datagrams_lost: u64,
    /// Connections that ended.
    pub ended: Vec<Ways>,
}

/// Connections that ended in one way, whatever rule said so.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// What carried them.
    pub transport: &'static str,
    /// What was done.
    pub action: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub connections: u64,
    /// Bytes from clients, and from servers.
    pub bytes: [u64; 2],
}

/// Names of one municipality that applications refuse our certificates for.
#[derive(Clone, Debug, Default)]
pub struct Bypassed {
    /// How many, by state.
    pub names: BTreeMap<String, u64>,
    /// Names that left for want of room.
    pub displaced: u64,
}

/// The text of a scrape.
pub fn encode(snapshot: &Snapshot) -> anyhow::Result<String> {
    let registry = Registry::new();
    packets(&registry, snapshot)?;
    events(&registry, snapshot)?;
    coverage(&registry, &snapshot.coverage)?;
    nat(&registry, &snapshot.nat)?;
    bypass(&registry, &snapshot.bypass)?;
    limits(&registry, &snapshot.limits)?;
    overlays(&registry, &snapshot.overlays)?;
    flood(&registry, &snapshot.attacked)?;
    dns(&registry, &snapshot.dns)?;
    let flows = IntGaugeVec::new(Opts::new("bangasa_flows", "live flows, by municipality"), &["municipality"])?;
    for (municipality, count) in &snapshot.flows {
        flows.with_label_values(&[municipality]).set(clamp(*count));
    }
    register(&registry, flows)?;
    gauge(
        &registry,
        "bangasa_flow_capacity",
        "flows that the table has room for; a translated flow takes two",
        snapshot.flow_capacity,
    )?;
    gauge(
        &registry,
        "bangasa_policy_generation",
        "the policy generation that judges; 0: none, everything is dropped",
        snapshot.generation,
    )?;
    gauge(
        &registry,
        "bangasa_installed_digest_matches",
        "1 if the tables read back from the kernel are those that were compiled, else 0",
        snapshot.digest_matches.into(),
    )?;
    let modes = [
        ("native", "bangasa_ports_native", "ports on which the driver runs the program"),
        (
            "generic",
            "bangasa_ports_generic",
            "ports on which the kernel runs the program in generic mode, several times slower",
        ),
        ("none", "bangasa_ports_unattached", "ports without the program; the guard drops everything there"),
    ];
    for (mode, name, help) in modes {
        gauge(&registry, name, help, snapshot.ports.get(mode).copied().unwrap_or(0))?;
    }
    let started = Gauge::new("bangasa_start_time_seconds", "when the daemon started, in seconds since 1970")?;
    started.set(snapshot.started_at);
    register(&registry, started)?;
    TextEncoder::new().encode_to_string(&registry.gather()).context("metrics cannot be put into text")
}

fn packets(registry: &Registry, snapshot: &Snapshot) -> anyhow::Result<()> {
    let labels = ["municipality", "direction", "verdict", "reason"];
    let help = format!("packets by what happened to them; the reasons: {}", reasons());
    let packets = IntCounterVec::new(Opts::new("bangasa_packets_total", help), &labels)?;
    let bytes = "bytes of the frames in bangasa_packets_total, Ethernet headers included";
    let bytes = IntCounterVec::new(Opts::new("bangasa_bytes_total", bytes), &labels)?;
    for (municipality, direction, verdict, reason, packet_count, byte_count) in &snapshot.exits {
        let values = [named(municipality), direction.name(), verdict.name(), reason.name()];
        packets.with_label_values(&values).inc_by(*packet_count);
        bytes.with_label_values(&values).inc_by(*byte_count);
    }
    register(registry, packets)?;
    register(registry, bytes)?;
    let help = "packets that a block set dropped, by set";
    let sets = IntCounterVec::new(Opts::new("bangasa_set_blocked_packets_total", help), &["set"])?;
    for (set, count) in &snapshot.set_hits {
        sets.with_label_values(&[set]).inc_by(*count);
    }
    register(registry, sets)?;
    let help = "frames that the guard dropped because no program had judged them";
    counter(registry, "bangasa_guard_dropped_packets_total", help, snapshot.guard_drops)
}

fn events(registry: &Registry, snapshot: &Snapshot) -> anyhow::Result<()> {
    let help = "events that the kernel did not send because the ring buffer was full, by municipality";
    let lost = IntCounterVec::new(Opts::new("bangasa_events_lost_total", help), &["municipality"])?;
    let help = "events that the kernel left out because the municipality's budget of that second was used up";
    let suppressed = IntCounterVec::new(Opts::new("bangasa_events_suppressed_total", help), &["municipality"])?;
    for (municipality, ring_full, over_budget) in &snapshot.event_losses {
        lost.with_label_values(&[named(municipality)]).inc_by(*ring_full);
        suppressed.with_label_values(&[named(municipality)]).inc_by(*over_budget);
    }
    register(registry, lost)?;
    register(registry, suppressed)?;
    let received = "events received from the kernel since the daemon started";
    counter(registry, "bangasa_events_received_total", received, snapshot.events_received)?;
    let output = "events that standard output or the file could not take since the daemon started";
    counter(registry, "bangasa_events_output_lost_total", output, snapshot.events_lost_output)?;
    let followers = "events that a follower on the control socket could not take since the daemon started";
    counter(registry, "bangasa_events_follower_lost_total", followers, snapshot.events_lost_followers)
}

/// How much of what was handed to inspectors they opened.
fn coverage(registry: &Registry, coverage: &[Coverage]) -> anyhow::Result<()> {
    let help = "1 if the municipality's inspector serves by the policy's TLS rules, else 0: inspected connections do not \
                come about";
    let serving = IntGaugeVec::new(Opts::new("bangasa_inspector_serving", help), &["municipality"])?;
    let help = "connections that the municipality's inspector has open";
    let open = IntGaugeVec::new(Opts::new("bangasa_tls_open_connections", help), &["municipality"])?;
    let labels = ["municipality", "transport", "action", "reason"];
    let help = "connections that inspectors ended, by what carried them (tcp, udp: QUIC), what they did with them (splice, inspect, block) and why";
    let connections = IntCounterVec::new(Opts::new("bangasa_tls_connections_total", help), &labels)?;
    let help = "bytes of content in bangasa_tls_connections_total; egress: from clients, ingress: from servers";
    let labels = ["municipality", "transport", "action", "reason", "direction"];
    let bytes = IntCounterVec::new(Opts::new("bangasa_tls_bytes_total", help), &labels)?;
    let help = "connections that inspectors could not tell as events, by municipality";
    let lost = IntCounterVec::new(Opts::new("bangasa_tls_events_lost_total", help), &["municipality"])?;
    let help = "datagrams of QUIC that inspectors lost because too many came at once, by municipality";
    let datagrams = IntCounterVec::new(Opts::new("bangasa_quic_datagrams_lost_total", help), &["municipality"])?;
    for one in coverage {
        let municipality = one.municipality.as_str();
        serving.with_label_values(&[municipality]).set(one.serving.into());
        open.with_label_values(&[municipality]).set(clamp(one.open));
        lost.with_label_values(&[municipality]).inc_by(one.events_lost);
        datagrams.with_label_values(&[municipality]).inc_by(one.datagrams_lost);
        for Ways { transport, action, reason, connections: count, bytes: [sent, received] } in &one.ended {
            connections.with_label_values(&[municipality, *transport, *action, *reason]).inc_by(*count);
            for (direction, count) in [(Direction::Egress, sent), (Direction::Ingress, received)] {
                let labels = [municipality, *transport, *action, *reason, direction.name()];
                bytes.with_label_values(&labels).inc_by(*count);
            }
        }
    }
    register(registry, datagrams)?;
    register(registry, serving)?;
    register(registry, open)?;
    register(registry, connections)?;
    register(registry, bytes)?;
    register(registry, lost)
}

/// How much of the pools is in clients' blocks.
fn nat(registry: &Registry, nat: &BTreeMap<String, [u64; 5]>) -> anyhow::Result<()> {
    let gauges = [
        ("bangasa_nat_blocks", "blocks of ports that clients have, by municipality"),
        (
            "bangasa_nat_block_ports",
            "ports of the pool that are in clients' blocks: above four fifths of the room, add addresses",
        ),
        ("bangasa_nat_pool_ports", "ports of the pool that may be in blocks"),
        ("bangasa_nat_clients", "clients that have blocks"),
        ("bangasa_nat_clients_at_limit", "clients that have as many blocks as one may have"),
    ];
    for (place, (name, help)) in gauges.into_iter().enumerate() {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &["municipality"])?;
        for (municipality, values) in nat {
            gauge.with_label_values(&[municipality]).set(clamp(values[place]));
        }
        register(registry, gauge)?;
    }
    Ok(())
}

/// Floods of random names.
fn dns(registry: &Registry, attacked: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let help =
        "zones of guarded DNS servers that are asked for too many different names: UDP queries are answered truncated";
    let zones = IntGaugeVec::new(Opts::new("bangasa_dns_zones_under_attack", help), &["municipality"])?;
    for (municipality, count) in attacked {
        zones.with_label_values(&[municipality]).set(clamp(*count));
    }
    register(registry, zones)
}

/// Names that are not, or may soon not be, opened.
fn bypass(registry: &Registry, bypass: &BTreeMap<String, Bypassed>) -> anyhow::Result<()> {
    let help = "names that applications refuse our certificates for, by what has become of them (candidate, suggested, \
                approved: passed on unopened, expired, forgotten)";
    let names = IntGaugeVec::new(Opts::new("bangasa_bypass_names", help), &["municipality", "state"])?;
    let help = "such names that left for want of room before anything came of them";
    let displaced = IntCounterVec::new(Opts::new("bangasa_bypass_displaced_total", help), &["municipality"])?;
    for (municipality, one) in bypass {
        for (state, count) in &one.names {
            names.with_label_values(&[municipality, state]).set(clamp(*count));
        }
        displaced.with_label_values(&[municipality]).inc_by(one.displaced);
    }
    register(registry, names)?;
    register(registry, displaced)
}

fn limits(registry: &Registry, reading: &LimitReading) -> anyhow::Result<()> {
    let all: Vec<String> = Limit::ALL.iter().map(|limit| format!("{}: {}", limit.name(), limit.help())).collect();
    let labels = ["municipality", "limit", "direction"];
    let help = format!("packets dropped because a budget was used up, by the budget; {}", all.join("; "));
    let limited = IntCounterVec::new(Opts::new("bangasa_limited_packets_total", help), &labels)?;
    for (municipality, limit, direction, count) in &reading.limited {
        limited.with_label_values(&[municipality.as_str(), limit.name(), direction.name()]).inc_by(*count);
    }
    let help = "how much of a budget was used in the last second, 1 being all";
    let used = GaugeVec::new(Opts::new("bangasa_limit_used_ratio", help), &labels)?;
    for (municipality, limit, direction, ratio) in &reading.used {
        used.with_label_values(&[municipality.as_str(), limit.name(), direction.as_str()]).set(*ratio);
    }
    register(registry, limited)?;
    register(registry, used)
}

/// What is under attack.
fn flood(registry: &Registry, attacked: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    let help = "services (address and TCP port) under attack, which answer with SYN cookies, by municipality; the SYNs that were \
                answered are in bangasa_packets_total with reason syn_cookie";
    let services = IntGaugeVec::new(Opts::new("bangasa_flood_services", help), &["municipality"])?;
    for (municipality, count) in attacked {
        services.with_label_values(&[municipality]).set(clamp(*count));
    }
    register(registry, services)
}

/// What operators laid over the policy.
fn overlays(registry: &Registry, overlays: &OverlayCounts) -> anyhow::Result<()> {
    let help = "isolations that were ordered by a command, by municipality; without one: of everybody";
    let isolations = IntGaugeVec::new(Opts::new("bangasa_isolations", help), &["municipality"])?;
    for (municipality, count) in &overlays.isolations {
        isolations.with_label_values(&[named(municipality)]).set(clamp(*count));
    }
    register(registry, isolations)?;
    let help = "prefixes that were blocked by a command, for everybody";
    gauge(registry, "bangasa_indicators", help, overlays.indicators)?;
    let help = "1 if changes of policy are refused, else 0";
    gauge(registry, "bangasa_frozen", help, overlays.frozen_until.is_some().into())?;
    let help = "when changes of policy are no longer refused, in seconds since 1970; 0: they are not";
    let until = Gauge::new("bangasa_frozen_until_seconds", help)?;
    until.set(overlays.frozen_until.unwrap_or(0.0));
    register(registry, until)
}

fn reasons() -> String {
    let all: Vec<String> = Reason::ALL.iter().map(|reason| format!("{}: {}", reason.name(), reason.help())).collect();
    all.join("; ")
}

/// No municipality's id: an id is a slug, so this cannot be one of theirs.
fn named(municipality: &Option<String>) -> &str {
    municipality.as_deref().unwrap_or("")
}

fn counter(registry: &Registry, name: &str, help: &str, value: u64) -> anyhow::Result<()> {
    let counter = IntCounter::new(name, help)?;
    counter.inc_by(value);
    register(registry, counter)
}

fn gauge(registry: &Registry, name: &str, help: &str, value: u64) -> anyhow::Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(clamp(value));
    register(registry, gauge)
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn register(registry: &Registry, collector: impl Collector + 'static) -> anyhow::Result<()> {
    Ok(registry.register(Box::new(collector))?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn counters_carry_names_and_every_reason_is_explained() {
        let exit = (Some("sendai".into()), Direction::Egress, Verdict::Drop, Reason::Blocked, 3, 180);
        let nobody = (None, Direction::Ingress, Verdict::Drop, Reason::UnknownDestination, 1, 60);
        let text = encode(&Snapshot { exits: vec![exit, nobody], ..Snapshot::default() }).unwrap();
        let line =
            r#"bangasa_packets_total{direction="egress",municipality="sendai",reason="blocked",verdict="drop"} 3"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"municipality="",reason="unknown_destination""#), "{text}");
        let limits = LimitReading {
            limited: vec![("sendai".into(), Limit::Smtp, Direction::Egress, 5)],
            used: vec![("sendai".into(), Limit::Flows, "both".into(), 0.25)],
        };
        let limited = encode(&Snapshot { limits, ..Snapshot::default() }).unwrap();
        for line in [
            r#"bangasa_limited_packets_total{direction="egress",limit="smtp_connections_per_second",municipality="sendai"} 5"#,
            r#"bangasa_limit_used_ratio{direction="both",limit="flows",municipality="sendai"} 0.25"#,
        ] {
            assert!(limited.contains(line), "{limited}");
        }
        for reason in Reason::ALL {
            assert!(text.contains(reason.help()), "{} is not explained", reason.name());
        }
    }

    #[test]
    fn services_under_attack_are_counted() {
        let attacked = BTreeMap::from([("sendai".to_owned(), 2), ("tome".to_owned(), 0)]);
        let text = encode(&Snapshot { attacked, ..Snapshot::default() }).unwrap();
        for line in
            [r#"bangasa_flood_services{municipality="sendai"} 2"#, r#"bangasa_flood_services{municipality="tome"} 0"#]
        {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn overlays_are_counted_and_nothing_is_frozen_until_it_is() {
        let isolations = vec![(Some("sendai".into()), 2), (None, 1)];
        let overlays = OverlayCounts { isolations, indicators: 100_000, frozen_until: None };
        let text = encode(&Snapshot { overlays: overlays.clone(), ..Snapshot::default() }).unwrap();
        for line in [
            r#"bangasa_isolations{municipality="sendai"} 2"#,
            r#"bangasa_isolations{municipality=""} 1"#,
            "bangasa_indicators 100000",
            "bangasa_frozen 0",
            "bangasa_frozen_until_seconds 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let overlays = OverlayCounts { frozen_until: Some(1_800_000_000.0), ..overlays };
        let text = encode(&Snapshot { overlays, ..Snapshot::default() }).unwrap();
        assert!(
            text.contains("bangasa_frozen 1\n") && text.contains("bangasa_frozen_until_seconds 1800000000"),
            "{text}"
        );
    }
}
