//! `bangasa explain`: every stage's word about one packet.

use std::path::PathBuf;

use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::{engine, policy_directory};

/// Say what would happen to one packet, and why
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Say what would happen to one packet that enters a port, and why: every stage, what it looked at, what it said, \
        and the rule with its file and line. The packet stands alone, no flow exists before it. Needs neither root nor a \
        running gateway.",
    after_help = "A packet is protocol, source, `>`, destination. The protocol is tcp, udp, icmp, icmpv6 or a number; tcp is a SYN \
        unless flags say otherwise; icmp and icmpv6 are echo requests.\n\nExamples:\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443'\n  \
        bangasa explain --policy policy/ --port wan0 'tcp/syn+ack 198.51.100.4:443 > 203.0.113.16:51000'\n  \
        bangasa explain --policy policy/ --port lan0.101 'udp [2001:db8:4::7]:5353 > [2001:db8:ffff::53]:53'\n  \
        bangasa explain --policy policy/ --port inspector:sendai 'tcp 10.4.0.1:40000 > 198.51.100.4:443'\n  \
        bangasa explain --policy policy/ --port lan0.101 'icmp 10.4.20.7 > 198.51.100.4' --json"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// Port of the policy that the packet enters, VLANs after dots; or `inspector:` and a municipality's id
    #[arg(long, value_name = "PORT")]
    port: String,
    /// The packet
    #[arg(value_name = "PACKET")]
    packet: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(checked) = policy_directory::load(&arguments.policy)? else {
        return Ok(Exit::Invalid);
    };
    engine::known_port(&checked.policy, &arguments.port)?;
    let explanation = policy::explain::explain(&checked.policy, &arguments.port, &arguments.packet)
        .map_err(|error| WrongUsage(error.to_string()))?;
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&explanation)?;
    } else {
        output.line(explanation)?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
