//! `bangasa audit`: whether the audit file is as it was written.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use control::audit::chain::{Broken, Head, verify};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::Output;

/// Say whether the audit file is as it was written
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bangasa audit verify")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

/// Follow the chain through the audit file
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Follow the chain through the audit file: every deed carries a hash of itself and of the deed before, so one that was \
        changed, taken out or put in between is found, and named. Deeds that are missing at the end are found by `audit.head` \
        beside the file. Whoever may write both could write both anew: events carry the same hashes, so keep them elsewhere, and \
        compare with --expect. Ends with 4 when the file is not as it was written.",
    after_help = "Examples:\n  \
        bangasa audit verify\n  \
        bangasa audit verify --expect 91c0… /mnt/backup/audit.jsonl\n  \
        bangasa events --json | jq -r 'select(.audit) | .chain' | tail -1"
)]
struct Verify {
    /// The audit file
    #[arg(value_name = "FILE", default_value = "/var/lib/bangasa/audit.jsonl")]
    file: PathBuf,
    /// A hash that must be in it, from an event
    #[arg(long, value_name = "HASH")]
    expect: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The answer in JSON.
#[derive(Serialize)]
struct Line {
    sound: bool,
    deeds: Option<u64>,
    chain: Option<String>,
    broken: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Command::Verify(arguments) = &arguments.command;
    let path = &arguments.file;
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let found = verify(&text, head_beside(path)?.as_ref());
    let is_there = arguments.expect.as_ref().is_none_or(|hash| text.contains(&format!("\"chain\":\"{hash}\"}}\n")));
    let mut output = Output::stdout();
    let found = match found {
        Ok(_) if !is_there => {
            Err("the expected hash is not in it: the file was written anew, or cut off before it".into())
        }
        found => found.map_err(|broken: Broken| broken.to_string()),
    };
    if arguments.json {
        let (sound, head, broken) = match &found {
            Ok(head) => (true, Some(head), None),
            Err(broken) => (false, None, Some(broken.clone())),
        };
        let (deeds, chain) = (head.map(|head| head.deeds), head.map(|head| head.chain.clone()));
        output.json(&Line { sound, deeds, chain, broken })?;
    } else {
        match &found {
            Ok(head) => {
                output.line(format_args!("{} deeds, as they were written; the last is {}", head.deeds, head.chain))?
            }
            Err(broken) => output.line(format_args!("`{}` is not as it was written: {broken}", path.display()))?,
        }
    }
    output.flush()?;
    Ok(if found.is_ok() { Exit::Done } else { Exit::Differences })
}

/// How far the chain had come, as it was noted beside the file.
fn head_beside(path: &Path) -> anyhow::Result<Option<Head>> {
    let path = path.with_extension("head");
    if !path.exists() {
        eprintln!("warning: there is no `{}`: whether deeds are missing at the end cannot be told", path.display());
        return Ok(None);
    }
    let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("`{}` is damaged", path.display())).map(Some)
}
