//! `bangasa release`: takes an isolation back.

use control::{Client, OverlayChange};

use crate::commands::overlay;
use crate::exit::Exit;

/// Take an isolation back
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Take an isolation back that was ordered by `bangasa isolate`, named as it was then. What the policy itself \
        isolates, only a change of policy releases. Says what else cuts the same end off still.",
    after_help = "Examples:\n  \
        bangasa release sendai/taxation --because 'cleaned, ticket 4711'\n  \
        bangasa release all --because '対応完了'"
)]
pub struct Arguments {
    /// As it was isolated; `bangasa isolate --list` shows them
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    reason: overlay::Reason,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let change = OverlayChange::Release { target: arguments.target.clone() };
    overlay::change(daemon, change, &arguments.reason.because, arguments.json)
}
