//! What `isolate`, `release` and `block` have in common: a change of what lies over the policy, and its answer.

use std::time::Duration;

use anyhow::{Context, bail};
use control::{Client, OverlayChange, Request, Response};
use policy::Overlays;
use policy::overlay::{Origin, span};

use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::who::who;

/// Why, and how to answer: what every change takes.
#[derive(Debug, clap::Args)]
pub struct Reason {
    /// Why, for the record; in any language
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub because: String,
}

/// Asks for a change and tells what came of it.
pub fn change(daemon: &Client, change: OverlayChange, because: &str, json: bool) -> anyhow::Result<Exit> {
    let request = Request::Overlay { change, because: because.to_owned(), who: who() };
    let overlaid = match daemon.ask(&request)? {
        Response::Overlaid(overlaid) => overlaid,
        other => bail!("bangasad answered a change of overlays with {other:?}"),
    };
    let mut output = Output::stdout();
    if json {
        output.json(&overlaid)?;
    } else {
        let until = overlaid.until.map(|until| format!(", until {until}")).unwrap_or_default();
        output.line(format_args!(
            "{}{until}: in force, generation {}, {} ms",
            overlaid.done, overlaid.generation, overlaid.took_ms
        ))?;
    }
    output.flush().context("it is in force, though")?;
    for warning in &overlaid.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Exit::Done)
}

/// Everything that lies over the policy.
pub fn ask(daemon: &Client) -> anyhow::Result<Overlays> {
    match daemon.ask(&Request::Overlays)? {
        Response::Overlays { overlays } => Ok(overlays),
        other => bail!("bangasad answered `overlays` with {other:?}"),
    }
}

/// `--for`.
pub fn seconds(text: Option<&str>) -> anyhow::Result<Option<u64>> {
    let seconds = text.map(|text| span(text).map_err(|error| WrongUsage(error.to_string()))).transpose()?;
    Ok(seconds.as_ref().map(Duration::as_secs))
}

/// `since … by …, until …, because: …` in columns that people can read down.
pub fn origin(origin: &Origin) -> String {
    let until = origin.until.map_or_else(|| "until taken back".to_owned(), |until| format!("until {until}"));
    format!("{until:<28} since {} by {}: {}", origin.since, origin.who, origin.because)
}
