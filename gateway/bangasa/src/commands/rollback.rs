//! `bangasa rollback`: an earlier policy judges again.

use anyhow::bail;
use control::{Client, Request, Response};

use crate::commands::{apply, plan};
use crate::exit::Exit;
use crate::who::who;

/// Bring an earlier policy back, as the next generation
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Bring an earlier policy back, as the next generation. Without a number it is the one that judged before the one \
        in force: a second rollback goes further back, and what was taken back itself is passed over. Isolations, blocked \
        prefixes, flows and counters stay as they are.",
    after_help = "Examples:\n  \
        bangasa rollback --because 'the library cannot be reached'\n  \
        bangasa rollback 12 --because 'back to last week'\n  \
        bangasa history"
)]
pub struct Arguments {
    /// The generation whose policy comes back, as `bangasa history` names it
    #[arg(value_name = "GENERATION")]
    generation: Option<u64>,
    /// Why, for the record; in any language
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    because: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let because = arguments.because.clone();
    match daemon.ask(&Request::Rollback { generation: arguments.generation, because, who: who() })? {
        Response::Applied(applied) => apply::show(&applied, arguments.json),
        Response::Invalid { diagnostics } => Ok(plan::refused(&diagnostics)),
        other => bail!("bangasad answered `rollback` with {other:?}"),
    }
}
