//! `bangasa plan`: what would change.

use std::path::PathBuf;

use anyhow::bail;
use control::change::in_words;
use control::{Change, Client, Diagnostic, Request, Response};

use crate::exit::Exit;
use crate::output::Output;
use crate::policy_directory;

/// Say what a policy would change, against the installed one
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Say what a policy would change, per municipality and in words, against the one that is installed or, with \
        --against, another directory. Nothing is changed. Ends with 4 when there are differences, with 0 when there are none.",
    after_help = "Examples:\n  \
        bangasa plan policy/\n  \
        bangasa plan policy/ --against policy.last-year/"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Compare with this policy directory; no daemon is asked
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Print one JSON object a change
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let Some(checked) = policy_directory::load(&arguments.directory)? else {
        return Ok(Exit::Invalid);
    };
    let changes = if let Some(against) = &arguments.against {
        let Some(old) = policy_directory::load(against)? else {
            return Ok(Exit::Invalid);
        };
        in_words(&policy::plan(Some(&old.policy), &checked.policy))
    } else {
        match daemon.ask(&Request::Plan { files: checked.source })? {
            Response::Planned { changes, warnings, .. } => {
                warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
                changes
            }
            Response::Invalid { diagnostics } => return Ok(refused(&diagnostics)),
            other => bail!("bangasad answered `plan` with {other:?}"),
        }
    };
    show(&changes, arguments.json, "nothing would change")
}

/// Prints differences, or that there are none.
pub(super) fn show(changes: &[Change], json: bool, none: &str) -> anyhow::Result<Exit> {
    let mut output = Output::stdout();
    if json {
        for change in changes {
            output.json(change)?;
        }
    } else if changes.is_empty() {
        output.line(none)?;
    } else {
        write_changes(&mut output, changes)?;
    }
    output.flush()?;
    Ok(if changes.is_empty() { Exit::Done } else { Exit::Differences })
}

/// Changes by municipality, the prefecture's own first.
pub(super) fn write_changes(output: &mut Output, changes: &[Change]) -> anyhow::Result<()> {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| &change.municipality);
    for group in sorted.chunk_by(|a, b| a.municipality == b.municipality) {
        let title = group.first().and_then(|change| change.municipality.as_deref()).unwrap_or("prefecture");
        output.line(format_args!("{title}:"))?;
        for change in group {
            for (at, line) in change.text.lines().enumerate() {
                output.line(format_args!("{}{line}", if at == 0 { "  - " } else { "    " }))?;
            }
        }
    }
    Ok(())
}

/// The daemon found mistakes that were not found here.
pub(super) fn refused(diagnostics: &[Diagnostic]) -> Exit {
    for diagnostic in diagnostics {
        eprintln!("{}", diagnostic.text.trim_end());
    }
    eprintln!("bangasa: bangasad refused the policy; nothing was changed");
    Exit::Invalid
}
