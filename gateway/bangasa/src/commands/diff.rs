//! `bangasa diff`: what is different between two policies that judged.

use anyhow::{anyhow, bail};
use control::change::in_words;
use control::{Client, Request, Response};
use policy::Policy;

use crate::commands::plan;
use crate::exit::Exit;

/// Compare two policies that judged, in words
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Compare two policies that judged, per municipality and in words; one alone is compared with the one in force. \
        Ends with 4 when there are differences, with 0 when there are none.",
    after_help = "Examples:\n  \
        bangasa diff 11 12\n  \
        bangasa diff 11"
)]
pub struct Arguments {
    /// A generation, as `bangasa history` names it
    #[arg(value_name = "OLD")]
    old: u64,
    /// Another; without it the one in force
    #[arg(value_name = "NEW")]
    new: Option<u64>,
    /// Print one JSON object a change
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let (old, new) = (policy_of(daemon, Some(arguments.old))?, policy_of(daemon, arguments.new)?);
    plan::show(&in_words(&policy::plan(Some(&old), &new)), arguments.json, "nothing is different")
}

fn policy_of(daemon: &Client, generation: Option<u64>) -> anyhow::Result<Policy> {
    let (generation, files) = match daemon.ask(&Request::Policy { generation })? {
        Response::Policy { generation, files, .. } => (generation, files),
        other => bail!("bangasad answered `policy` with {other:?}"),
    };
    let checked = policy::check(&files).policy;
    checked.ok_or_else(|| anyhow!("the policy of generation {generation} is no sound policy to this version"))
}
