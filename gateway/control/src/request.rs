//! What the command line asks.

use ipnet::IpNet;
use policy::Source;
use policy::overlay::Moment;
use serde::{Deserialize, Serialize};

use crate::bypass::Decide;

/// One request; the first and only line that a client sends on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Whether this policy would be accepted here. Answer: `Checked` or `Invalid`.
    Check {
        /// The policy directory.
        #[serde(with = "crate::files")]
        files: Source,
    },
    /// What this policy would change. Answer: `Planned` or `Invalid`.
    Plan {
        /// The policy directory.
        #[serde(with = "crate::files")]
        files: Source,
    },
    /// Make this policy the next generation. Answer: `Applied` or `Invalid`.
    Apply {
        /// The policy directory.
        #[serde(with = "crate::files")]
        files: Source,
        /// Why, in the operator's words.
        because: Option<String>,
        /// Who asks.
        who: String,
        /// Take it back unless it is confirmed within so many seconds; none: it stays.
        #[serde(default)]
        confirm_within_s: Option<u64>,
    },
    /// Keep the policy that waits for it. Answer: `Confirmed`.
    Confirm {
        /// Why, in the operator's words.
        because: Option<String>,
        /// Who asks.
        who: String,
    },
    /// Bring an earlier policy back, as the next generation. Answer: `Applied`.
    Rollback {
        /// Whose; none: the one before the one in force.
        generation: Option<u64>,
        /// Why, in the operator's words.
        because: String,
        /// Who asks.
        who: String,
    },
    /// The policies that judged. Answer: `History`.
    History,
    /// Everything about the running gateway. Answer: `Status`.
    Status,
    /// What happened. Answer: `Events`, then one [`crate::Line`] per event.
    Events {
        /// Whether to go on after the history, until the client hangs up.
        follow: bool,
        /// Only events of this municipality.
        municipality: Option<String>,
    },
    /// Whose a public address and port was. Answer: `Who`.
    Who {
        /// Public address.
        address: std::net::IpAddr,
        /// Port, or echo identifier.
        port: Option<u16>,
        /// IP protocol, by which published ports may lead to different servers.
        protocol: u8,
        /// When, in ms since 1970; none: now.
        at_ms: Option<u64>,
    },
    /// Names that applications refuse our certificates for. Answer: `Bypass`.
    Bypass {
        /// Only of this municipality.
        municipality: Option<String>,
    },
    /// Pass a name on unopened. Answer: `BypassChanged`.
    BypassApprove {
        /// Which, and why.
        decide: Decide,
        /// For how long; none: as the policy has it.
        for_seconds: Option<u32>,
    },
    /// Do not pass a name on, and learn nothing of it for a while. Answer: `BypassChanged`.
    BypassForget {
        /// Which, and why.
        decide: Decide,
    },
    /// The files of a generation. Answer: `Policy`.
    Policy {
        /// Which; none: the installed one.
        generation: Option<u64>,
    },
    /// Change what lies over the policy. Answer: `Overlaid`.
    Overlay {
        /// How.
        #[serde(flatten)]
        change: OverlayChange,
        /// Why, in the operator's words.
        because: String,
        /// Who asks, by their own account; the kernel's is kept beside it.
        who: String,
    },
    /// What lies over the policy. Answer: `Overlays`.
    Overlays,
    /// Refuse changes of policy. Answer: `Frozen`.
    Freeze {
        /// Until when.
        until: Moment,
        /// Why, in the operator's words.
        because: String,
        /// Who asks.
        who: String,
    },
    /// Allow changes of policy again. Answer: `Frozen`.
    Thaw {
        /// Why, in the operator's words.
        because: String,
        /// Who asks.
        who: String,
    },
    /// Whether changes of policy are refused. Answer: `Frozen`.
    Frozen,
}

/// One change of the overlays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum OverlayChange {
    /// Cut somebody off.
    Isolate {
        /// As [`policy::overlay::Target::parse`] reads it.
        target: String,
        /// For how long; none: until it is released.
        for_seconds: Option<u64>,
    },
    /// Take that back.
    Release {
        /// As it was named.
        target: String,
    },
    /// Block prefixes for everybody.
    Block {
        /// Which.
        prefixes: Vec<IpNet>,
        /// For how long; none: until they are removed.
        for_seconds: Option<u64>,
        /// Whether to do it although something speaks against it.
        force: bool,
    },
    /// Take that back.
    Unblock {
        /// Which.
        prefixes: Vec<IpNet>,
    },
}
