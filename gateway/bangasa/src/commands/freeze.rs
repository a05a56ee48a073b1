//! `bangasa freeze`: no planned change until it ends.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use control::{Client, Request, Response};
use policy::overlay::{Moment, Origin};
use serde::Serialize;

use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::who::who;

/// Refuse changes of policy until a time
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Refuse every planned change until a time: `bangasa apply` says who froze, when, why and until when. \
        Isolating, releasing and blocking go on. It outlives the daemon, ends by itself, and can be lifted before.",
    after_help = "Examples:\n  \
        bangasa freeze --until 2026-11-24T08:00:00+09:00 --because '台風接近'\n  \
        bangasa freeze --until 12h --because 'election day'\n  \
        bangasa freeze --lift --because 'all clear'\n  \
        bangasa freeze --show"
)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["until", "lift", "show"])))]
pub struct Arguments {
    /// Until when: a time as in RFC 3339, or a span from now on (`90m`, `12h`, `3d`)
    #[arg(long, value_name = "TIME", requires = "because")]
    until: Option<String>,
    /// Allow changes again
    #[arg(long, requires = "because")]
    lift: bool,
    /// Say whether changes are refused
    #[arg(long)]
    show: bool,
    /// Why, for the record; in any language
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    because: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let because = arguments.because.clone().unwrap_or_default();
    let request = match &arguments.until {
        Some(until) => {
            let now = Moment(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
            let until = Moment::parse(until, now).map_err(|error| WrongUsage(error.to_string()))?;
            Request::Freeze { until, because, who: who() }
        }
        None if arguments.lift => Request::Thaw { because, who: who() },
        None => Request::Frozen,
    };
    let freeze = match daemon.ask(&request)? {
        Response::Frozen { freeze } => freeze,
        other => bail!("bangasad answered `freeze` with {other:?}"),
    };
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&Line { frozen: freeze.is_some(), origin: freeze.as_ref() })?;
    } else {
        output.line(freeze.map_or_else(|| "policy may change".to_owned(), |held| format!("frozen {held}")))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// The answer in JSON.
#[derive(Serialize)]
struct Line<'a> {
    frozen: bool,
    #[serde(flatten)]
    origin: Option<&'a Origin>,
}
