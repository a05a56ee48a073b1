//! The line about one packet: what `replay` prints and what events are written as.

use policy::Judgement;
use serde::{Deserialize, Serialize};

use crate::audit::Audit;

/// One packet and what was said about it. Keys keep this order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// Packet number in the capture, from 1; only in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<u64>,
    /// When, RFC 3339 in UTC; only in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// VLAN ids from the outside in.
    pub vlan: Vec<u16>,
    /// Source address.
    pub source: Option<String>,
    /// Destination address.
    pub destination: Option<String>,
    /// Final protocol.
    pub protocol: Option<u8>,
    /// TCP or UDP.
    pub source_port: Option<u16>,
    /// TCP or UDP.
    pub destination_port: Option<u16>,
    /// `drop`, `forward`, `inspect` or `local`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Block set, for `blocked`.
    pub set: Option<String>,
    /// Name of the rule that decided.
    pub rule: Option<String>,
    /// The budget that is used up, for `limited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Municipality id.
    pub municipality: Option<String>,
    /// Generation that judged.
    pub generation: u32,
    /// `egress` or `ingress`.
    pub direction: String,
    /// ICMP and ICMPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u16>,
    /// ICMP and ICMPv6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u16>,
    /// Whether it is a fragment.
    pub fragment: bool,
    /// `file:line` of the rule; only in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_location: Option<String>,
    /// Port that it entered; only in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Length of the frame; only in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
    /// Whether this packet began a flow; only in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_flow: Option<bool>,
    /// Address that stands for the source on the uplink, if it is translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// Port, or echo identifier, that stands for the source's on the uplink, if it is translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// How much of a budget is used; the line is about that budget, not about a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetLine>,
    /// A zone of published DNS servers; the line is about that, not about a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsLine>,
    /// What the inspector saw of a connection that has ended; the line is about that connection, not about a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<TlsLine>>,
    /// What somebody did to the gateway; the line is about that and has besides no more than its time and municipality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Box<Audit>>,
}

/// A budget that is nearly used up, or no longer. The line's `limit` names it, its `verdict` is `warning`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetLine {
    /// `near` or `relieved`.
    pub state: String,
    /// How much of it was used in the last second, 1 being all.
    pub used_ratio: f64,
    /// What the policy allows.
    pub most: Option<u64>,
}

/// A zone that is under attack by queries for random names, or no longer. The line's `verdict` is `warning`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsLine {
    /// `began` or `ended`.
    pub state: String,
    /// Its name; none: names that are in no zone of the municipality's.
    pub zone: Option<String>,
    /// About how many different names it was asked for within the present four seconds.
    pub names: u64,
}

/// A connection as the inspector saw it. The line's `verdict` is what was done (`splice`, `inspect` or `block`), its
/// `time` when the connection began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsLine {
    /// How it came: `transparent`, or `explicit` by the proxy.
    #[serde(default)]
    pub arrival: String,
    /// What carried it: `tcp` or `udp`.
    #[serde(default)]
    pub transport: String,
    /// Host and port that the proxy was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the client's first bytes were: `tls`, `quic`, `http`, `server-first`, `other` or `silence`.
    pub opening: Option<String>,
    /// The name that the client sent.
    pub sni: Option<String>,
    /// Protocols that it offered.
    pub alpn: Vec<String>,
    /// Its fingerprint.
    pub ja4: Option<String>,
    /// Whether it offered ECH, true or GREASE: another name may be hidden.
    pub ech: bool,
    /// What the server's certificate was found to be: `good`, or its defect; none: it was not looked at.
    pub upstream: Option<String>,
    /// How the client showed that it did not take the certificate minted for a good server: `alert`, or `closed` or `unused`,
    /// which may have other causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Requests that passed, where they could be seen.
    pub requests: u64,
    /// Bytes of content from the client.
    pub bytes_sent: u64,
    /// Bytes of content from the server.
    pub bytes_received: u64,
    /// How long it lasted.
    pub duration_ms: u64,
}

impl Line {
    /// The line of a replay; `packet` counts from 1.
    pub fn of_packet(packet: u64, judgement: &Judgement) -> Self {
        Self { packet: Some(packet), ..Self::of(judgement) }
    }

    /// What every line has.
    pub fn of(judgement: &Judgement) -> Self {
        let has_ports = matches!(judgement.protocol, Some(TCP | UDP));
        let is_icmp = match judgement.source.or(judgement.destination) {
            Some(address) if address.is_ipv4() => judgement.protocol == Some(ICMP),
            _ => judgement.protocol == Some(ICMP_V6),
        };
        Self {
            packet: None,
            time: None,
            vlan: judgement.vlans.clone(),
            source: judgement.source.map(|address| address.to_string()),
            destination: judgement.destination.map(|address| address.to_string()),
            protocol: judgement.protocol,
            source_port: judgement.source_port.filter(|_| has_ports),
            destination_port: judgement.destination_port.filter(|_| has_ports),
            verdict: judgement.verdict.name().into(),
            reason: judgement.reason.name().into(),
            set: judgement.set.clone(),
            rule: judgement.rule.clone(),
            limit: judgement.limit.map(|limit| limit.name().into()),
            municipality: judgement.municipality.clone(),
            generation: judgement.generation,
            direction: judgement.direction.name().into(),
            icmp_type: judgement.source_port.filter(|_| is_icmp),
            icmp_code: judgement.destination_port.filter(|_| is_icmp),
            fragment: judgement.fragment,
            ..Self::default()
        }
    }
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP_V6: u8 = 58;
