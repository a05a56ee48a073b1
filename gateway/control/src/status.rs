//! The running gateway at one moment. Field names are those of metrics and events.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use policy::overlay::{Isolation, Origin};
use serde::{Deserialize, Serialize};

use crate::history::Trial;

/// Answer to `status`, and what `bangasa status --json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Seconds since the daemon started; the data path may be older.
    pub uptime_seconds: u64,
    /// Whether this daemon took over a data path that was already running.
    pub adopted: bool,
    /// `[prefecture] id`; none before the first policy.
    pub prefecture: Option<String>,
    /// `[prefecture] name`.
    pub prefecture_name: Option<String>,
    /// The generation that judges; 0: none yet, everything is dropped.
    pub generation: u64,
    /// When it was applied, RFC 3339.
    pub applied_at: Option<String>,
    /// Who applied it.
    pub applied_by: Option<String>,
    /// Why.
    pub because: Option<String>,
    /// Digest of the tables that should be installed.
    pub digest_intended: Option<String>,
    /// Digest of the tables that are, read from the kernel.
    pub digest_installed: Option<String>,
    /// Whether the two are equal.
    pub digest_matches: bool,
    /// When the installed tables were last read, RFC 3339.
    pub digest_checked_at: Option<String>,
    /// Digest of the policy's files, which the tables are made of;
    #[serde(default)]
    pub digest_policy: Option<String>,
    /// and of what lies over them.
    #[serde(default)]
    pub digest_overlays: Option<String>,
    /// Until when policy does not change, and who said so.
    #[serde(default)]
    pub frozen: Option<Origin>,
    /// Until when the policy has to be confirmed.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// Who is cut off by a command.
    #[serde(default)]
    pub isolations: Vec<Isolation>,
    /// Prefixes that are blocked by a command.
    #[serde(default)]
    pub indicators: u64,
    /// Every port.
    pub ports: Vec<PortStatus>,
    /// Live flows.
    pub flows: u64,
    /// Flows that the table has room for.
    pub flow_capacity: u64,
    /// By id; `municipality` is none in the last one, for packets that no municipality could be told of.
    pub municipalities: Vec<MunicipalityStatus>,
    /// Every set that is blocked or has been.
    pub sets: Vec<SetStatus>,
    /// What became of events.
    pub events: EventStatus,
    /// Frames that the guard dropped because no program had judged them.
    pub guard_drops: u64,
    /// What an operator should look at.
    pub warnings: Vec<String>,
}

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// Interface name.
    pub port: String,
    /// Its stable number.
    pub number: u8,
    /// `access` or `uplink`.
    pub role: String,
    /// `native`, `generic`, or `none` if the program is not attached.
    pub xdp_mode: String,
    /// `tcx` or `clsact`: how the guard is attached.
    pub guard: String,
    /// Interface index.
    pub ifindex: u32,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address.
    pub mac: String,
}

/// One municipality's traffic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MunicipalityStatus {
    /// Id; none: packets of no municipality.
    pub municipality: Option<String>,
    /// In people's script.
    pub name: Option<String>,
    /// Its stable number.
    pub number: u16,
    /// Its network namespace.
    pub namespace: Option<String>,
    /// Attachment names, such as `lan0.101`.
    pub attachments: Vec<String>,
    /// Whether its inspector's own connections are let out: `open` or `closed`.
    #[serde(default)]
    pub inspector_way: Option<String>,
    /// Rates over the last few seconds, by direction.
    pub rates: Vec<Rate>,
    /// Every exit that was ever taken.
    pub counters: Vec<CounterStatus>,
    /// Its budgets.
    #[serde(default)]
    pub limits: Vec<LimitStatus>,
    /// Its services that are under attack, and answer with SYN cookies.
    #[serde(default)]
    pub attacked: Vec<SocketAddr>,
    /// Its published DNS servers; none: it has none that are guarded.
    #[serde(default)]
    pub dns: Option<DnsStatus>,
    /// Its inspector; none: no rule inspects anything of it.
    #[serde(default)]
    pub inspector: Option<InspectorStatus>,
    /// Its NAT pool; none: it has none.
    #[serde(default)]
    pub nat: Option<NatStatus>,
    /// Names that applications refuse our certificates for; none: the policy does not ask for them.
    #[serde(default)]
    pub bypass: Option<BypassStatus>,
}

/// A municipality's guarded DNS servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsStatus {
    /// Addresses.
    pub servers: Vec<String>,
    /// The zones that are told apart.
    pub zones: Vec<DnsZoneStatus>,
    /// Queries that the gateway answered itself because their source was over its rate.
    pub answered_for_source: u64,
    /// Queries that it answered because their zone was under attack.
    pub answered_for_zone: u64,
}

/// A zone of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsZoneStatus {
    /// Its name; none: all names that are in no zone that is named.
    pub zone: Option<String>,
    /// Whether it is under attack.
    pub attacked: bool,
    /// About how many different names it was asked for within the present four seconds.
    pub names: u64,
}

/// How much of a municipality's NAT pool is in clients' blocks of ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatStatus {
    /// Blocks.
    pub blocks: u64,
    /// Ports in them.
    pub ports: u64,
    /// Ports that may be in blocks.
    pub room: u64,
    /// Clients with blocks.
    pub clients: u64,
    /// Clients that get no further block.
    pub clients_at_limit: u64,
}

/// Names of a municipality that applications refuse our certificates for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BypassStatus {
    /// `off`, `suggest` or `automatic`.
    pub mode: String,
    /// How many, by state: `candidate`, `suggested`, `approved`, `expired`, `forgotten`.
    pub names: BTreeMap<String, u64>,
    /// Names that left for want of room before anything came of them.
    pub displaced: u64,
}

/// One budget of a municipality.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// Name, as in the policy.
    pub limit: String,
    /// `egress`, `ingress` or `both`.
    pub direction: String,
    /// What the policy allows.
    pub most: u64,
    /// How much of that was used in the last second, 1 being all; none: it is not one, but one for each source.
    pub used_ratio: Option<f64>,
    /// Packets that it dropped since the maps were made.
    pub limited_packets: u64,
}

/// A municipality's inspector, and how much of its traffic was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectorStatus {
    /// `serving`, `waiting` for its setting, or `absent`: then inspected connections do not come about,
    /// but for those of rules that splice `when_down`.
    pub state: String,
    /// Generation whose TLS rules are in force there.
    pub generation: Option<u64>,
    /// What stands in its way.
    pub trouble: Option<String>,
    /// Connections that are open.
    pub open: u64,
    /// Connections that were not told as events because too many waited.
    pub events_lost: u64,
    /// Datagrams of QUIC that the inspector lost because too many came at once.
    pub datagrams_lost: u64,
    /// Connections that have ended.
    pub coverage: Vec<CoverageStatus>,
}

/// Connections that ended in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageStatus {
    /// What carried them: `tcp`, or `udp` (QUIC), of which nothing but names is ever seen.
    pub transport: String,
    /// `splice`, `inspect` or `block`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Rule that decided; none: the default.
    pub rule: Option<String>,
    /// `file:line` of the rule.
    pub rule_location: Option<String>,
    /// How many.
    pub connections: u64,
    /// Bytes of content from clients.
    pub bytes_sent: u64,
    /// Bytes of content from servers.
    pub bytes_received: u64,
}

/// A rate over the last few seconds, drops included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// `egress` or `ingress`.
    pub direction: String,
    /// Packets a second.
    pub packets_per_second: f64,
    /// Bits a second.
    pub bits_per_second: f64,
}

/// One exit of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterStatus {
    /// `egress` or `ingress`.
    pub direction: String,
    /// `drop`, `forward`, `inspect` or `local`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Packets since the maps were made.
    pub packets: u64,
    /// Bytes since the maps were made.
    pub bytes: u64,
}

/// Packets that a set blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStatus {
    /// Name.
    pub set: String,
    /// Packets.
    pub packets: u64,
}

/// What became of events: sent plus lost is what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStatus {
    /// Read from the kernel since the daemon started.
    pub received: u64,
    /// Lost in the kernel because the ring buffer was full.
    pub lost_ring_full: u64,
    /// Left out in the kernel because the municipality's budget of that second was used up.
    pub suppressed: u64,
    /// Lost on the way to standard output or the file because that could not keep up.
    pub lost_output: u64,
    /// Lost on the way to `bangasa events --follow` because a client could not keep up.
    pub lost_followers: u64,
}
