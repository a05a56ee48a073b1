//! The daemon's command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The daemon of a Bangasa gateway: attaches the programs, installs policies, tells what happens
///
/// It may be stopped, killed and started again at any time: packets are judged by what is pinned in the kernel, and a start takes
/// that over. To take the gateway away for good, stop the daemon and run `bangasad detach`.
#[derive(Clone, Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Options {
    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Policy directory for the very first start; later the last applied policy counts
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Where numbers and applied policies are kept
    #[arg(long, value_name = "DIR", global = true, default_value = "/var/lib/bangasa")]
    pub state: PathBuf,
    /// Where programs, links and maps are pinned; a bpffs is mounted if there is none
    #[arg(long, value_name = "DIR", global = true, default_value = "/sys/fs/bpf/bangasa")]
    pub pins: PathBuf,
    /// Unix socket for the command line
    #[arg(long, value_name = "PATH", default_value = control::DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Address of the Prometheus page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9743")]
    pub metrics: SocketAddr,
    /// Where to write events as JSON lines: a file, or `-` for standard output; may be given twice. SIGHUP opens files
    /// again, for whoever moves them away
    #[arg(long, value_name = "FILE|-")]
    pub events: Vec<PathBuf>,
    /// What the names of the municipalities' network namespaces begin with
    #[arg(long, value_name = "PREFIX", global = true, default_value = "bangasa-", value_parser = netns_prefix)]
    pub netns_prefix: String,
    /// Buckets of the flow table, 4 flows and 512 bytes each, rounded up to a power of two; takes effect on a first start
    #[arg(long, value_name = "NUMBER", default_value_t = abi::limits::FLOW_BUCKETS, value_parser = clap::value_parser!(u32).range(64..=1 << 24))]
    pub flow_buckets: u32,
}

/// Other things than serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Take programs, maps and namespaces away; ports stop forwarding first. The state directory stays
    Detach,
}

/// An empty prefix would make every namespace of the machine ours.
fn netns_prefix(text: &str) -> Result<String, String> {
    let is_sound =
        (3..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_sound.then(|| text.to_owned()).ok_or_else(|| "3 to 64 letters, digits and hyphens are needed".into())
}
