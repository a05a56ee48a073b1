//! The daemon's command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::inspectors::Config;

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
    /// Unix socket at which inspectors find the daemon; its directory lets their user pass
    #[arg(long, value_name = "PATH", default_value = "/run/bangasa/inspect.sock")]
    pub inspect_socket: PathBuf,
    /// The program that looks into connections; by default the one beside this program
    #[arg(long, value_name = "PATH")]
    pub inspector: Option<PathBuf>,
    /// The user that inspectors run as, who should have nothing else on this machine
    #[arg(long, value_name = "NAME", default_value = "bangasa-inspect")]
    pub inspector_user: String,
    /// Threads of each municipality's inspector; by default one for each CPU, up to four
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub inspector_workers: Option<u16>,
    /// Certificate authorities, as `bangasa ca` makes them
    #[arg(long, value_name = "DIR", default_value = "/etc/bangasa/ca")]
    pub ca: PathBuf,
    /// Certificates of authorities that servers on the Internet may have theirs from
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    pub roots: PathBuf,
    /// Buckets of the flow table, 4 flows and 512 bytes each, rounded up to a power of two; takes effect on a first start
    #[arg(long, value_name = "NUMBER", default_value_t = abi::limits::FLOW_BUCKETS, value_parser = clap::value_parser!(u32).range(64..=1 << 24))]
    pub flow_buckets: u32,
    /// Days for which it is kept who had which block of ports
    #[arg(long, value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..))]
    pub nat_records_days: u16,
    /// Public addresses of NAT pools whose port blocks are kept, about 1 MiB each; takes effect on a first start
    #[arg(long, value_name = "NUMBER", default_value_t = abi::limits::NAT_ADDRESSES, value_parser = clap::value_parser!(u32).range(1..=i64::from(abi::limits::NAT_ADDRESSES_AT_MOST)))]
    pub nat_addresses: u32,
}

impl Options {
    /// What inspectors need.
    pub fn inspectors(&self) -> anyhow::Result<Config> {
        let beside = || anyhow::Ok(std::env::current_exe()?.with_file_name("bangasa-inspect"));
        let cpus = std::thread::available_parallelism().map_or(1, usize::from).min(4) as u16;
        Ok(Config {
            program: self.inspector.clone().map_or_else(beside, Ok).context("cannot tell where bangasa-inspect is")?,
            user: self.inspector_user.clone(),
            socket: self.inspect_socket.clone(),
            authorities: self.ca.clone(),
            roots: self.roots.clone(),
            workers: self.inspector_workers.unwrap_or(cpus),
            netns_prefix: self.netns_prefix.clone(),
        })
    }
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
