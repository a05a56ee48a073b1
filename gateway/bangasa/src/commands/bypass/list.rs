//! `bangasa bypass list`: every name, who refused it, and what has become of it.

use anyhow::bail;
use control::{Client, Request, Response};

use super::line;
use crate::exit::Exit;
use crate::output::Output;

/// List the names and what has become of them
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List the names and what has become of them: `candidate` while refusals are counted, `suggested` when there are \
        enough, `approved` while connections are passed on unopened, `expired` after that, `forgotten` while nothing is \
        learned because a person said so.",
    after_help = "Examples:\n  bangasa bypass list\n  bangasa bypass list --municipality sendai --json"
)]
pub struct Arguments {
    /// Only of this municipality
    #[arg(long, value_name = "ID")]
    municipality: Option<String>,
    /// Print one JSON object a name
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let names = match daemon.ask(&Request::Bypass { municipality: arguments.municipality.clone() })? {
        Response::Bypass { names } => names,
        other => bail!("bangasad answered `bypass` with {other:?}"),
    };
    let mut output = Output::stdout();
    for row in &names {
        if arguments.json { output.json(row)? } else { output.line(line::describe(row))? }
    }
    if names.is_empty() && !arguments.json {
        output.line("no application has refused our certificate for a good server")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}
