//! `bangasa isolate`: cuts somebody off.

use control::{Client, OverlayChange};
use policy::overlay::Isolation;
use serde::Serialize;

use crate::commands::overlay;
use crate::exit::Exit;
use crate::output::Output;

/// Cut a terminal, a section, a municipality or everybody off, at once
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Cut a terminal, a section, a municipality or everybody off from the Internet, at once: for new connections \
        and for those that are established, in both directions, those that an inspector carries included. What the policy's \
        `[isolation] essential` names stays reachable. It holds whatever policy is applied and whatever is started again, \
        until it is released or, with --for, until its time is over.",
    after_help = "Examples:\n  \
        bangasa isolate sendai --because 'ransomware, ticket 4711'\n  \
        bangasa isolate sendai/taxation --because '漏えいの疑い' --for 2h\n  \
        bangasa isolate sendai/10.4.20.7 --because 'talks to a known command server'\n  \
        bangasa isolate all --because 'the vendor says so' --for 30m\n  \
        bangasa isolate --list"
)]
pub struct Arguments {
    /// `all`, a municipality's id, that and a section or an address after a slash, or an address that only one has
    #[arg(value_name = "TARGET", required_unless_present = "list", conflicts_with = "list")]
    target: Option<String>,
    /// Why, for the record; in any language
    #[arg(long, value_name = "TEXT", required_unless_present = "list", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    because: Option<String>,
    /// End by itself after so long: `90s`, `15m`, `2h`, `3d`
    #[arg(long = "for", value_name = "SPAN", requires = "target")]
    span: Option<String>,
    /// Show who is cut off by a command
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let (Some(target), Some(because)) = (&arguments.target, &arguments.because) else {
        return list(daemon, arguments.json);
    };
    let for_seconds = overlay::seconds(arguments.span.as_deref())?;
    let change = OverlayChange::Isolate { target: target.clone(), for_seconds };
    overlay::change(daemon, change, because, arguments.json)
}

/// One isolation in JSON.
#[derive(Serialize)]
struct Line<'a> {
    target: String,
    municipality: Option<&'a str>,
    #[serde(flatten)]
    origin: &'a policy::overlay::Origin,
}

fn list(daemon: &Client, json: bool) -> anyhow::Result<Exit> {
    let overlays = overlay::ask(daemon)?;
    let mut output = Output::stdout();
    for isolation in &overlays.isolations {
        let Isolation { target, origin, .. } = isolation;
        if json {
            output.json(&Line { target: target.to_string(), municipality: target.municipality(), origin })?;
        } else {
            output.line(format_args!("{:<32} {}", target.to_string(), overlay::origin(origin)))?;
        }
    }
    if overlays.isolations.is_empty() && !json {
        output.line("nobody is isolated by a command")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
