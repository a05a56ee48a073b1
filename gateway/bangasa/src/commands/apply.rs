//! `bangasa apply`: makes a policy the next generation.

use std::path::PathBuf;

use anyhow::{Context, bail};
use control::{Client, Request, Response};

use crate::commands::plan;
use crate::exit::Exit;
use crate::output::Output;
use crate::policy_directory;
use crate::who::who;

/// Make a policy the one that judges, in one step
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Make a policy the one that judges, in one step.\n\n\
        The policy is checked here and again by the daemon, laid out as the next generation beside the running one, read \
        back, and then switched to with one store: no packet is judged by a mix of the two. Flows and counters stay; \
        established flows are judged again by the new rules. If anything fails, the running policy is untouched.",
    after_help = "Examples:\n  \
        bangasa apply policy/\n  \
        bangasa apply policy/ --because 'ticket 4711: open the disaster site'"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let Some(checked) = policy_directory::load(&arguments.directory)? else {
        return Ok(Exit::Invalid);
    };
    let request = Request::Apply { files: checked.source, because: arguments.because.clone(), who: who() };
    let applied = match daemon.ask(&request)? {
        Response::Applied(applied) => applied,
        Response::Invalid { diagnostics } => return Ok(plan::refused(&diagnostics)),
        other => bail!("bangasad answered `apply` with {other:?}"),
    };
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&applied)?;
    } else {
        plan::write_changes(&mut output, &applied.changes)?;
        let after = applied.previous.map(|previous| format!(", after {previous},")).unwrap_or_default();
        output.line(format_args!(
            "generation {}{after} judges from now on; digest {}; {} ms",
            applied.generation, applied.digest, applied.took_ms
        ))?;
    }
    output.flush().context("the policy is applied, though")?;
    for warning in &applied.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Exit::Done)
}
