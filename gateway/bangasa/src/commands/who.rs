//! `bangasa who`: whose a public address and port was.

use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use control::{Client, Holder, Request, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::exit::Exit;
use crate::output::Output;

/// Tell whose a public address and port was: municipality and inside client
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Tell whose a public address and port was at a moment: municipality, inside client, its block of ports, and from \
        when until when. Inside clients have blocks of ports, the same for TCP, UDP and echo identifiers, which are recorded \
        when they are assigned.",
    after_help = "Examples:\n  bangasa who 203.0.113.7:40123 --proto udp --at 2026-11-22T10:00:00+09:00\n  \
        bangasa who 203.0.113.7:40123 --json"
)]
pub struct Arguments {
    /// Public address and port (or echo identifier); the address alone for one that is not translated
    #[arg(value_name = "ADDRESS[:PORT]", value_parser = public)]
    public: Public,
    /// Protocol; others have no ports, and their translated flows are told as events only
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp", value_parser = ["tcp", "udp", "icmp"])]
    proto: String,
    /// When, as `2026-11-22T10:00:00+09:00`; now if not said
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
struct Public {
    address: IpAddr,
    port: Option<u16>,
}

fn public(text: &str) -> Result<Public, String> {
    let both = text.parse::<SocketAddr>().map(|both| Public { address: both.ip(), port: Some(both.port()) });
    let alone = || text.parse().map(|address| Public { address, port: None });
    both.or_else(|_| alone()).map_err(|_| "write it like `203.0.113.7:40123` or `[2001:db8::7]:443`".to_owned())
}

fn moment(text: &str) -> Result<u64, String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write it like `2026-11-22T10:00:00+09:00`, with the time zone".to_owned())?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map_err(|_| "it is before 1970".to_owned())
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let Public { address, port } = arguments.public;
    let protocol = match &*arguments.proto {
        "icmp" => 1,
        "udp" => 17,
        _ => 6,
    };
    let who = match daemon.ask(&Request::Who { address, port, protocol, at_ms: arguments.at })? {
        Response::Who(who) => who,
        other => bail!("bangasad answered `who` with {other:?}"),
    };
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&who)?;
    } else {
        output.line(describe(&who))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn describe(who: &Holder) -> String {
    let place = who.location.as_deref().unwrap_or_default();
    match (who.what.as_str(), who.client) {
        ("port_block", Some(client)) => {
            let speaker = if who.inspector { "the inspector, at" } else { "client" };
            let (first, last) = (who.first_port.unwrap_or(0), who.last_port.unwrap_or(0));
            let from = who.from.as_deref().unwrap_or("an unknown time");
            let to = who.to.as_deref().unwrap_or("now");
            format!("{}: {speaker} {client}, ports {first}-{last} from {from} to {to}", who.municipality)
        }
        ("inbound", Some(server)) => {
            let server = SocketAddr::new(server, who.inside_port.unwrap_or(0));
            format!("{}: a published port of the server {server} ({place}), by the policy in force", who.municipality)
        }
        ("published", _) => {
            format!("{}: published, {} ({place}), by the policy in force", who.municipality, who.address)
        }
        _ => format!(
            "{}: its own address {}, not translated ({place}), by the policy in force",
            who.municipality, who.address
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_times_are_read() {
        assert_eq!(moment("2026-11-22T10:00:00+09:00"), Ok(1_795_309_200_000));
        assert_eq!(moment("2026-11-22T01:00:00Z"), moment("2026-11-22T10:00:00+09:00"));
        assert!(moment("2026-11-22T10:00:00").is_err());
        assert!(matches!(public("203.0.113.7:40123"), Ok(Public { port: Some(40_123), .. })));
        assert!(matches!(public("2001:db8::7"), Ok(Public { port: None, .. })));
        assert!(public("203.0.113:7").is_err());
    }
}
