//! `bangasa block`: indicators, for all municipalities, without a change of policy.

use std::path::PathBuf;

use anyhow::Context;
use control::{Client, OverlayChange};
use ipnet::IpNet;
use policy::Source;
use policy::overlay::read_list;
use serde::Serialize;

use crate::commands::overlay;
use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::style::Colour;

/// Block addresses for everybody, at once
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Block addresses for all municipalities at once, without a change of policy: in both directions, established \
        connections included. Such indicators come before the policy's own block sets, drops name them `+indicators`, and they \
        stay whatever policy is applied.",
    after_help = "Examples:\n  \
        bangasa block add 198.51.100.66 --because 'command server, advisory 2026-1'\n  \
        bangasa block add --file indicators.txt --because '漏えい先' --for 7d\n  \
        bangasa block remove 198.51.100.66 --because 'taken down'\n  \
        bangasa block list"
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Block prefixes
    Add(Add),
    /// Take prefixes back
    Remove(Remove),
    /// Show what is blocked by a command
    List(List),
}

#[derive(Debug, clap::Args)]
struct Prefixes {
    /// Prefixes or addresses
    #[arg(value_name = "PREFIX", required_unless_present = "file")]
    prefixes: Vec<String>,
    /// A file of them: one a line, `#` comments. All of them or none
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    prefixes: Prefixes,
    #[command(flatten)]
    reason: overlay::Reason,
    /// End by itself after so long: `90s`, `15m`, `2h`, `3d`
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
    /// Even if that blocks the gateway, a municipality, an essential service, or more than a /8
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Remove {
    #[command(flatten)]
    prefixes: Prefixes,
    #[command(flatten)]
    reason: overlay::Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Print one JSON object a prefix
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let (change, because, json) = match &arguments.action {
        Action::List(List { json }) => return list(daemon, *json),
        Action::Add(add) => {
            let Some(prefixes) = add.prefixes.read()? else { return Ok(Exit::Usage) };
            let for_seconds = overlay::seconds(add.span.as_deref())?;
            (OverlayChange::Block { prefixes, for_seconds, force: add.force }, &add.reason.because, add.json)
        }
        Action::Remove(remove) => {
            let Some(prefixes) = remove.prefixes.read()? else { return Ok(Exit::Usage) };
            (OverlayChange::Unblock { prefixes }, &remove.reason.because, remove.json)
        }
    };
    overlay::change(daemon, change, because, json)
}

impl Prefixes {
    /// All of them; none: something is wrong with some, which is told on stderr.
    fn read(&self) -> anyhow::Result<Option<Vec<IpNet>>> {
        let given = self.prefixes.join("\n");
        let mut all = Vec::new();
        if !given.is_empty() {
            all = read_list("command line", given.as_bytes()).map_err(|wrong| {
                let messages = wrong.iter().map(|wrong| match &wrong.help {
                    Some(help) => format!("{}; {help}", wrong.message),
                    None => wrong.message.clone(),
                });
                WrongUsage(messages.collect::<Vec<_>>().join("\n"))
            })?;
        }
        let Some(file) = &self.file else { return Ok(Some(all)) };
        let name = file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| format!("cannot read `{name}`"))?;
        match read_list(&name, &bytes) {
            Ok(listed) => {
                all.extend(listed);
                Ok(Some(all))
            }
            Err(wrong) => {
                let count = wrong.len();
                let source = Source { files: [(name.clone(), bytes)].into() };
                eprintln!("{}", policy::render(&source, &wrong, Colour::of_stderr() == Colour::On).trim_end());
                eprintln!("bangasa: {count} mistakes in `{name}`; nothing was changed");
                Ok(None)
            }
        }
    }
}

/// One indicator in JSON.
#[derive(Serialize)]
struct Line<'a> {
    prefix: IpNet,
    #[serde(flatten)]
    origin: &'a policy::overlay::Origin,
}

fn list(daemon: &Client, json: bool) -> anyhow::Result<Exit> {
    let overlays = overlay::ask(daemon)?;
    let mut output = Output::stdout();
    for batch in &overlays.indicators {
        let origin = overlay::origin(&batch.origin);
        for &prefix in &batch.prefixes {
            if json {
                output.json(&Line { prefix, origin: &batch.origin })?;
            } else {
                output.line(format_args!("{:<32} {origin}", prefix.to_string()))?;
            }
        }
    }
    if overlays.indicators.is_empty() && !json {
        output.line("nothing is blocked by a command")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
