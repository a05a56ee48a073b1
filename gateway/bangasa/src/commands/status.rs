//! `bangasa status`: the running gateway at this moment.

use std::fmt::Write;

use anyhow::bail;
use control::status::{BypassStatus, DnsStatus, InspectorStatus, MunicipalityStatus, Status};
use control::{Client, Request, Response};

use crate::exit::Exit;
use crate::output::Output;
use crate::style::{Colour, STRONG, WARNING};

/// Show the running gateway: ports, generation, flows, rates, drops
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Show the running gateway: ports and their XDP mode, the generation that judges, whether what is installed is \
        what was intended, flows, and for each municipality its rates and its drops by reason.",
    after_help = "Examples:\n  bangasa status\n  bangasa status --json | jq .digest_matches"
)]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let status = match daemon.ask(&Request::Status)? {
        Response::Status(status) => status,
        other => bail!("bangasad answered `status` with {other:?}"),
    };
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&status)?;
    } else {
        output.line(describe(&status, Colour::of_stdout()).trim_end())?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn describe(status: &Status, colour: Colour) -> String {
    let mut text = String::new();
    for warning in &status.warnings {
        let _ = writeln!(text, "{} {warning}", colour.paint(WARNING, "warning:", 0));
    }
    let _ = writeln!(text, "{}", colour.paint(STRONG, &heading(status), 0));
    let _ = writeln!(text, "  {}", policy_line(status));
    let _ = writeln!(text, "  {}", digest_line(status));
    describe_overlays(&mut text, status);
    let _ = writeln!(text, "  flows: {} of {}", status.flows, status.flow_capacity);
    let events = &status.events;
    let _ = writeln!(
        text,
        "  events: {} received, {} left out over budget, {} lost (ring {}, output {}, followers {})",
        events.received,
        events.suppressed,
        events.lost_ring_full + events.lost_output + events.lost_followers,
        events.lost_ring_full,
        events.lost_output,
        events.lost_followers,
    );
    let _ = writeln!(text, "  frames dropped unjudged by the guard: {}", status.guard_drops);
    let _ = writeln!(text, "\n{}", colour.paint(STRONG, "ports", 0));
    for port in &status.ports {
        let _ = writeln!(
            text,
            "  {:<15} {:<7} xdp {:<8} guard {:<7} mtu {:<6} {}",
            port.port, port.role, port.xdp_mode, port.guard, port.mtu, port.mac
        );
    }
    for municipality in &status.municipalities {
        describe_municipality(&mut text, municipality, colour);
    }
    let hits: Vec<_> = status.sets.iter().filter(|set| set.packets > 0).collect();
    if !hits.is_empty() {
        let _ = writeln!(text, "\n{}", colour.paint(STRONG, "blocked by set", 0));
        for set in hits {
            let _ = writeln!(text, "  {:<20} {:>12} packets", set.set, set.packets);
        }
    }
    text
}

fn heading(status: &Status) -> String {
    let prefecture = match (&status.prefecture_name, &status.prefecture) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (None, Some(id)) => id.clone(),
        (_, None) => "no policy yet".into(),
    };
    let since = if status.adopted { ", on a data path that it took over" } else { "" };
    format!("{prefecture}: bangasad {} up {} s{since}", status.version, status.uptime_seconds)
}

fn policy_line(status: &Status) -> String {
    if status.generation == 0 {
        return "generation 0: everything is dropped until the first `bangasa apply`".into();
    }
    let mut text = format!("generation {}", status.generation);
    if let Some(at) = &status.applied_at {
        let _ = write!(text, ", applied {at}");
    }
    if let Some(by) = &status.applied_by {
        let _ = write!(text, " by {by}");
    }
    if let Some(because) = &status.because {
        let _ = write!(text, ": {because}");
    }
    text
}

fn digest_line(status: &Status) -> String {
    let digest = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "none".into());
    let installed = digest(&status.digest_installed);
    if status.digest_matches {
        return format!("digest {installed}: installed is what was intended");
    }
    format!("digest {installed} is installed, {} was intended", digest(&status.digest_intended))
}

/// What lies over the policy, and whether that may change.
fn describe_overlays(text: &mut String, status: &Status) {
    if let (Some(policy), Some(overlays)) = (&status.digest_policy, &status.digest_overlays) {
        let _ = writeln!(text, "  made of policy {policy}\n  and of overlays {overlays}");
    }
    if let Some(frozen) = &status.frozen {
        let _ = writeln!(text, "  frozen {frozen}");
    }
    if let Some(trial) = &status.trial {
        let _ = writeln!(text, "  to be confirmed until {}, or generation {} comes back", trial.until, trial.back_to);
    }
    for isolation in &status.isolations {
        let _ = writeln!(text, "  isolated: {}, {}", isolation.target, isolation.origin);
    }
    if status.indicators > 0 {
        let _ = writeln!(text, "  blocked by command: {} prefixes", status.indicators);
    }
}

fn describe_municipality(text: &mut String, municipality: &MunicipalityStatus, colour: Colour) {
    let title = match (&municipality.municipality, &municipality.name) {
        (Some(id), Some(name)) => format!("{name} ({id})"),
        (Some(id), None) => id.clone(),
        (None, _) => "no municipality".into(),
    };
    let attachments = municipality.attachments.join(", ");
    let _ = writeln!(text, "\n{} {attachments}", colour.paint(STRONG, &title, 0));
    for rate in &municipality.rates {
        let (packets, bits) = (quantity(rate.packets_per_second), quantity(rate.bits_per_second));
        let _ = writeln!(text, "  {:<8} {packets:>9} packets/s {bits:>9} bits/s", rate.direction);
    }
    for limit in &municipality.limits {
        let used = limit.used_ratio.map_or_else(|| "  for each".into(), |used| format!("{:>6.1} % of", used * 100.0));
        let _ = writeln!(
            text,
            "  {:<8} limit   {:<32} {used} {:>9}, {} packets limited",
            limit.direction,
            limit.limit,
            quantity(limit.most as f64),
            limit.limited_packets
        );
    }
    for service in &municipality.attacked {
        let _ = writeln!(text, "  ingress  under attack: tcp {service} answers with SYN cookies");
    }
    let mut counters: Vec<_> = municipality.counters.iter().filter(|counter| counter.packets > 0).collect();
    counters.sort_by_key(|counter| std::cmp::Reverse(counter.packets));
    for counter in counters {
        let _ = writeln!(
            text,
            "  {:<8} {} {:<18} {:>12} packets {:>15} bytes",
            counter.direction,
            colour.verdict(&counter.verdict, 7),
            counter.reason,
            counter.packets,
            counter.bytes
        );
    }
    if let Some(nat) = &municipality.nat {
        let _ = writeln!(
            text,
            "  nat: {} blocks with {} of {} ports, {} clients, {} at their limit",
            nat.blocks, nat.ports, nat.room, nat.clients, nat.clients_at_limit
        );
    }
    if let Some(dns) = &municipality.dns {
        describe_dns(text, dns, colour);
    }
    if let Some(inspector) = &municipality.inspector {
        describe_inspector(text, inspector, colour);
    }
    if let Some(bypass) = &municipality.bypass {
        describe_bypass(text, bypass);
    }
}

/// Guarded DNS servers, and which of their zones are under attack.
fn describe_dns(text: &mut String, dns: &DnsStatus, colour: Colour) {
    let (source, zone) = (dns.answered_for_source, dns.answered_for_zone);
    let servers = dns.servers.join(", ");
    let _ = writeln!(
        text,
        "  dns guard of {servers}: answered {source} queries for their source's rate, {zone} for their zone"
    );
    for zone in dns.zones.iter().filter(|zone| zone.attacked) {
        let name = zone.zone.as_deref().unwrap_or("names in no zone");
        let _ =
            writeln!(text, "  {} {name}, asked for {} names", colour.paint(WARNING, "under attack:", 0), zone.names);
    }
}

/// Names that applications refuse our certificates for, where there are any.
fn describe_bypass(text: &mut String, bypass: &BypassStatus) {
    let mut parts: Vec<_> = bypass.names.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if bypass.displaced > 0 {
        parts.push(format!("{} left for want of room", bypass.displaced));
    }
    if !parts.is_empty() {
        let _ = writeln!(text, "  bypass {}: {}", bypass.mode, parts.join(", "));
    }
}

fn describe_inspector(text: &mut String, inspector: &InspectorStatus, colour: Colour) {
    let generation = inspector.generation.map(|generation| format!(" generation {generation}")).unwrap_or_default();
    let _ = writeln!(text, "  inspector {}{generation}, {} connections open", inspector.state, inspector.open);
    if let Some(trouble) = &inspector.trouble {
        let _ = writeln!(text, "  {} {trouble}", colour.paint(WARNING, "warning:", 0));
    }
    let mut coverage: Vec<_> = inspector.coverage.iter().collect();
    coverage.sort_by_key(|row| std::cmp::Reverse(row.connections));
    for row in coverage {
        let by = match (&row.rule, &row.rule_location) {
            (Some(rule), Some(place)) => format!("  rule `{rule}` ({place})"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "  {:<8} {} {:<18} {:>12} connections {:>11} bytes{by}",
            format!("tls/{}", row.transport),
            colour.verdict(&row.action, 7),
            row.reason,
            row.connections,
            row.bytes_sent + row.bytes_received,
        );
    }
}

/// `1234567.0` as `1.23 M`.
fn quantity(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2} G", v / 1e9),
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e3 => format!("{:.2} k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use control::status::{CounterStatus, LimitStatus, PortStatus, Rate};

    use super::*;

    #[test]
    fn before_the_first_policy() {
        let text = describe(&Status::default(), Colour::Off);
        assert!(text.starts_with("no policy yet"), "{text}");
        assert!(text.contains("everything is dropped until the first `bangasa apply`"), "{text}");
    }

    #[test]
    fn what_an_operator_asks_first_is_there() {
        let status = Status {
            prefecture: Some("miyagi".into()),
            prefecture_name: Some("宮城県".into()),
            generation: 3,
            digest_installed: Some("ab".into()),
            digest_intended: Some("cd".into()),
            warnings: vec!["wan0 runs in generic mode".into()],
            ports: vec![PortStatus {
                port: "wan0".into(),
                role: "uplink".into(),
                xdp_mode: "generic".into(),
                ..PortStatus::default()
            }],
            municipalities: vec![MunicipalityStatus {
                municipality: Some("sendai".into()),
                rates: vec![Rate { direction: "egress".into(), packets_per_second: 1_500.0, bits_per_second: 2.5e6 }],
                counters: vec![CounterStatus {
                    direction: "egress".into(),
                    verdict: "drop".into(),
                    reason: "default_deny".into(),
                    packets: 7,
                    bytes: 700,
                }],
                bypass: Some(BypassStatus {
                    mode: "suggest".into(),
                    names: [("approved".into(), 1), ("suggested".into(), 2)].into(),
                    displaced: 0,
                }),
                limits: vec![LimitStatus {
                    limit: "flows".into(),
                    direction: "both".into(),
                    most: 20_000,
                    used_ratio: Some(0.913),
                    limited_packets: 12,
                }],
                attacked: vec![([203, 0, 113, 10], 443).into()],
                ..MunicipalityStatus::default()
            }],
            ..Status::default()
        };
        let text = describe(&status, Colour::Off);
        for part in [
            "both     limit   flows                              91.3 % of   20.00 k, 12 packets limited",
            "warning: wan0 runs in generic mode\n宮城県 (miyagi)",
            "digest ab is installed, cd was intended",
            "wan0            uplink  xdp generic",
            "egress      1.50 k packets/s    2.50 M bits/s",
            "  ingress  under attack: tcp 203.0.113.10:443 answers with SYN cookies\n",
            "  bypass suggest: 1 approved, 2 suggested\n",
            "egress   drop    default_deny                  7 packets             700 bytes",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
