//! `bangasa ca rotate`: the next authority of a municipality.

use certify::{KeyType, Summary};

use super::line::Line;
use super::{checked_id, issue, now};
use crate::ca_directory::{CaDirectory, GRACE_DAYS};
use crate::exit::Exit;

/// Replace a municipality's authority by a new one, with new keys
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Replace a municipality's authority by a new one, with new keys, and the same name and exclusions.\n\n\
        Clients notice nothing, as they trust the root. The switch is one step; the daemon hands the new authority to the \
        inspector at the next apply or restart. The replaced one is kept for 30 days, in which it can be put back by pointing \
        `current` to it, and removed by the first `rotate` after that.",
    after_help = "Examples:\n  bangasa ca rotate shiomi\n  bangasa ca rotate shiomi --json | jq -r .until"
)]
pub struct Arguments {
    /// The municipality's id
    #[arg(value_name = "MUNICIPALITY")]
    municipality: String,
    /// Print the new certificates' particulars as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, directory: &CaDirectory) -> anyhow::Result<Exit> {
    let id = checked_id(&arguments.municipality)?;
    let replaced = directory.current(id)?;
    let summary = Summary::of_pem(&directory.certificate(id, replaced, KeyType::Ecdsa)?)?;
    let name = summary.organisation.as_deref().unwrap_or(id);
    let next = directory.add(id, &directory.root()?.issue(id, name, &summary.exclusions, now())?)?;
    let exit = issue::tell(&Line::issue(directory, id, next, now())?, arguments.json)?;
    eprintln!("bangasa: `{id}/{}` is replaced, and kept for {GRACE_DAYS} days", replaced.number);
    for number in directory.remove_old(id, now())? {
        eprintln!("bangasa: `{id}/{number}` is removed");
    }
    Ok(exit)
}
