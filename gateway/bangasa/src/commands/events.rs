//! `bangasa events`: what happened.

use std::fmt::Write;
use std::net::IpAddr;

use control::line::{BudgetLine, DnsLine, TlsLine};
use control::{Client, Line};
use ipnet::IpNet;

use crate::exit::Exit;
use crate::output::Output;
use crate::packet_text;
use crate::style::{Colour, FAINT};

/// Show drops, new flows and what was done to the running gateway
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Show drops and new flows of the running gateway: the most recent ones and, with --follow, what happens \
        from now on; and who isolated, blocked, froze and applied. --to and --from search: who else talked to an indicator?\n\n\
        Events are sampled when there are too many; `bangasa status` tells exactly how many were left out.",
    after_help = "Examples:\n  \
        bangasa events --follow\n  \
        bangasa events --to 198.51.100.66\n  \
        bangasa events --municipality sendai --json | jq 'select(.verdict == \"drop\")'"
)]
pub struct Arguments {
    /// Go on until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Only events of this municipality
    #[arg(long, value_name = "ID")]
    municipality: Option<String>,
    /// Only events of packets and connections to this address or prefix
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    to: Option<IpNet>,
    /// Only events of packets and connections from this address or prefix
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    from: Option<IpNet>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn wants(&self, line: &Line) -> bool {
        let is_in = |wanted: &Option<IpNet>, address: &Option<String>| {
            let address = address.as_ref().and_then(|text| text.parse::<IpAddr>().ok());
            wanted.is_none_or(|wanted| address.is_some_and(|address| wanted.contains(&address)))
        };
        is_in(&self.to, &line.destination) && is_in(&self.from, &line.source)
    }
}

fn prefix(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from).ok();
    let prefix = address.or_else(|| text.parse::<IpNet>().ok());
    prefix.ok_or_else(|| "write an address or a prefix, like `198.51.100.66` or `2001:db8::/32`".into())
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let colour = Colour::of_stdout();
    let mut output = Output::stdout();
    for event in daemon.events(arguments.follow, arguments.municipality.as_deref())? {
        let (text, line) = event?;
        if !arguments.wants(&line) {
            continue;
        }
        if arguments.json {
            output.line(text)?;
        } else {
            output.line(describe(&line, colour))?;
        }
        if arguments.follow {
            output.flush()?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn describe(line: &Line, colour: Colour) -> String {
    let time = colour.paint(FAINT, line.time.as_deref().unwrap_or_default(), 0);
    if let Some(audit) = &line.audit {
        return format!("{time} {audit}");
    }
    let verdict = colour.verdict(&line.verdict, 7);
    let municipality = line.municipality.as_deref().unwrap_or("-");
    let port = line.port.as_deref().unwrap_or("-");
    let new_flow = if line.new_flow == Some(true) { " (new flow)" } else { "" };
    let by = packet_text::decided_by(line).filter(|_| line.budget.is_none() && line.dns.is_none());
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    let packet = match (&line.budget, &line.dns) {
        (Some(budget), _) => describe_budget(line, budget),
        (None, Some(dns)) => describe_dns(dns),
        (None, None) => packet_text::packet(line),
    };
    let reason = &line.reason;
    let tls = line.tls.as_deref().map(describe_tls).unwrap_or_default();
    format!("{time} {verdict} {reason:<18} {municipality:<12} {port:<8} {packet}{by}{new_flow}{tls}")
}

/// `new_flows_per_second egress: 83 % of 5000 used, near the end`.
fn describe_budget(line: &Line, budget: &BudgetLine) -> String {
    let limit = line.limit.as_deref().unwrap_or_default();
    let most = budget.most.map(|most| format!(" of {most}")).unwrap_or_default();
    let state = if budget.state == "near" { "near its end" } else { "relieved" };
    format!("{limit} {}: {:.0} %{most} used, {state}", line.direction, budget.used_ratio * 100.0)
}

/// `flood of names below shiomi.example began: about 2300 within four seconds`.
fn describe_dns(dns: &DnsLine) -> String {
    let zone = dns.zone.as_ref().map_or_else(|| "in no zone".into(), |zone| format!("below {zone}"));
    let names = if dns.state == "began" { format!(": about {} within four seconds", dns.names) } else { String::new() };
    format!("flood of names {zone} {}{names}", dns.state)
}

/// What the inspector saw, after the addresses.
fn describe_tls(tls: &TlsLine) -> String {
    let mut text = format!(" {}", tls.opening.as_deref().unwrap_or("unread"));
    let told = [("proxy ", &tls.host), ("", &tls.sni), ("ja4 ", &tls.ja4), ("upstream ", &tls.upstream)];
    for (what, value) in told {
        if let Some(value) = value {
            let _ = write!(text, " {what}{value}");
        }
    }
    if !tls.alpn.is_empty() {
        let _ = write!(text, " alpn {}", tls.alpn.join(","));
    }
    if let Some(sign) = &tls.refused {
        let _ = write!(text, " refused ({sign})");
    }
    if tls.requests > 0 {
        let _ = write!(text, " {} requests", tls.requests);
    }
    let _ = write!(text, " {} bytes up {} down in {} ms", tls.bytes_sent, tls.bytes_received, tls.duration_ms);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_looked_at_reads_as_one_line() {
        let line = Line {
            time: Some("2026-01-01T00:00:00.000Z".into()),
            source: Some("2001:db8::7".into()),
            destination: Some("2001:db8:1::4".into()),
            protocol: Some(6),
            source_port: Some(51_000),
            destination_port: Some(443),
            verdict: "inspect".into(),
            reason: "rule".into(),
            rule: Some("web".into()),
            rule_location: Some("prefecture.toml:9".into()),
            municipality: Some("sendai".into()),
            tls: Some(Box::new(TlsLine {
                opening: Some("tls".into()),
                sni: Some("www.example.jp".into()),
                alpn: vec!["h2".into()],
                upstream: Some("good".into()),
                requests: 3,
                bytes_sent: 100,
                bytes_received: 2_000,
                duration_ms: 12,
                ..TlsLine::default()
            })),
            ..Line::default()
        };
        assert_eq!(
            describe(&line, Colour::Off),
            "2026-01-01T00:00:00.000Z inspect rule               sendai       -        \
             tcp [2001:db8::7]:51000 > [2001:db8:1::4]:443 by rule `web` (prefecture.toml:9) tls www.example.jp \
             upstream good alpn h2 3 requests 100 bytes up 2000 down in 12 ms"
        );
    }

    #[test]
    fn an_attack_reads_as_one_line() {
        let line = Line {
            time: Some("2026-01-01T00:00:00.000Z".into()),
            verdict: "warning".into(),
            reason: "flood_began".into(),
            municipality: Some("sendai".into()),
            destination: Some("203.0.113.10".into()),
            destination_port: Some(443),
            protocol: Some(6),
            ..Line::default()
        };
        assert_eq!(
            describe(&line, Colour::Off),
            "2026-01-01T00:00:00.000Z warning flood_began        sendai       -        tcp 203.0.113.10:443"
        );
    }

    #[test]
    fn a_budget_near_its_end_reads_as_one_line() {
        let line = Line {
            time: Some("2026-01-01T00:00:00.000Z".into()),
            verdict: "warning".into(),
            reason: "budget".into(),
            limit: Some("new_flows_per_second".into()),
            direction: "egress".into(),
            municipality: Some("sendai".into()),
            budget: Some(BudgetLine { state: "near".into(), used_ratio: 0.83, most: Some(5_000) }),
            ..Line::default()
        };
        assert_eq!(
            describe(&line, Colour::Off),
            "2026-01-01T00:00:00.000Z warning budget             sendai       -        \
             new_flows_per_second egress: 83 % of 5000 used, near its end"
        );
    }

    #[test]
    fn a_flood_of_names_reads_as_one_line() {
        let dns =
            |state: &str, zone: Option<&str>| DnsLine { state: state.into(), zone: zone.map(Into::into), names: 730 };
        let line = Line {
            time: Some("2026-01-01T00:00:00.000Z".into()),
            verdict: "warning".into(),
            reason: "dns_guard".into(),
            limit: Some("dns.names".into()),
            municipality: Some("sendai".into()),
            dns: Some(dns("began", Some("sendai.example"))),
            ..Line::default()
        };
        assert_eq!(
            describe(&line, Colour::Off),
            "2026-01-01T00:00:00.000Z warning dns_guard          sendai       -        \
             flood of names below sendai.example began: about 730 within four seconds"
        );
        assert_eq!(describe_dns(&dns("ended", None)), "flood of names in no zone ended");
    }

    #[test]
    fn an_event_reads_as_one_line() {
        let line = Line {
            time: Some("2026-01-01T00:00:00.000Z".into()),
            vlan: vec![101],
            source: Some("10.4.20.7".into()),
            destination: Some("198.51.100.4".into()),
            protocol: Some(6),
            source_port: Some(51_000),
            destination_port: Some(443),
            verdict: "drop".into(),
            reason: "blocked".into(),
            set: Some("threats".into()),
            municipality: Some("sendai".into()),
            port: Some("lan0".into()),
            ..Line::default()
        };
        assert_eq!(
            describe(&line, Colour::Off),
            "2026-01-01T00:00:00.000Z drop    blocked            sendai       lan0     \
             [101] tcp 10.4.20.7:51000 > 198.51.100.4:443 by set threats"
        );
    }
}
