//! `bangasa apply`: makes a policy the next generation.

use std::path::PathBuf;

use anyhow::{Context, bail};
use control::{Applied, Client, Request, Response};

use crate::commands::{overlay, plan};
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
        established flows are judged again by the new rules. If anything fails, the running policy is untouched.\n\n\
        With --confirm-within it is on trial: unless `bangasa confirm` follows in time, the policy before comes back by \
        itself, also if this command, its terminal or the daemon is gone by then.",
    after_help = "Examples:\n  \
        bangasa apply policy/\n  \
        bangasa apply policy/ --because 'ticket 4711: open the disaster site'\n  \
        bangasa apply policy/ --confirm-within 10m --because 'new baseline' && bangasa confirm"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Take it back by itself unless it is confirmed within so long: `90s`, `10m`, `2h`
    #[arg(long, value_name = "SPAN")]
    confirm_within: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let confirm_within_s = overlay::seconds(arguments.confirm_within.as_deref())?;
    let Some(checked) = policy_directory::load(&arguments.directory)? else {
        return Ok(Exit::Invalid);
    };
    let because = arguments.because.clone();
    let request = Request::Apply { files: checked.source, because, who: who(), confirm_within_s };
    match daemon.ask(&request)? {
        Response::Applied(applied) => show(&applied, arguments.json),
        Response::Invalid { diagnostics } => Ok(plan::refused(&diagnostics)),
        other => bail!("bangasad answered `apply` with {other:?}"),
    }
}

/// Says what judges from now on, and what changed by that.
pub(super) fn show(applied: &Applied, json: bool) -> anyhow::Result<Exit> {
    let mut output = Output::stdout();
    if json {
        output.json(applied)?;
    } else {
        plan::write_changes(&mut output, &applied.changes)?;
        let after = applied.previous.map(|previous| format!(", after {previous},")).unwrap_or_default();
        output.line(format_args!(
            "generation {}{after} judges from now on; digest {}; {} ms",
            applied.generation, applied.digest, applied.took_ms
        ))?;
        if let Some(trial) = applied.trial {
            output.line(format_args!(
                "it waits for `bangasa confirm` until {}; then generation {}'s policy comes back",
                trial.until, trial.back_to
            ))?;
        }
    }
    output.flush().context("the policy is applied, though")?;
    for warning in &applied.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Exit::Done)
}
