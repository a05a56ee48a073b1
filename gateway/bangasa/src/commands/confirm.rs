//! `bangasa confirm`: a policy on trial stays.

use anyhow::bail;
use control::{Client, Request, Response};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::Output;
use crate::who::who;

/// Keep the policy that was applied with --confirm-within
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Keep the policy that was applied with --confirm-within. Without this it is taken back when its time is over.",
    after_help = "Examples:\n  \
        bangasa confirm\n  \
        bangasa confirm --because 'the library is reached again'"
)]
pub struct Arguments {
    /// Why, for the record; in any language
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Line {
    generation: u64,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let request = Request::Confirm { because: arguments.because.clone(), who: who() };
    let generation = match daemon.ask(&request)? {
        Response::Confirmed { generation } => generation,
        other => bail!("bangasad answered `confirm` with {other:?}"),
    };
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&Line { generation })?;
    } else {
        output.line(format_args!("generation {generation} stays"))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
