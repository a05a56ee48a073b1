//! `bangasa ca show`: what there is, and until when.

use super::line::Line;
use super::now;
use crate::ca_directory::CaDirectory;
use crate::exit::Exit;
use crate::output::Output;

/// Fewer days than these are worth a word: a month to rotate in, and one to notice.
const SOON_DAYS: i64 = 60;

/// List the authorities and how long they are valid
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List the authorities and how long they are valid: the root, and of every municipality the one in use and those \
        that it has replaced. Warns of what ends within 60 days.",
    after_help = "Examples:\n  \
        bangasa ca show\n  \
        bangasa ca show --json | jq -r 'select(.current and .days_left < 60) | .municipality'"
)]
pub struct Arguments {
    /// Print one JSON object a certificate
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, directory: &CaDirectory) -> anyhow::Result<Exit> {
    let mut output = Output::stdout();
    let mut warnings = Vec::new();
    let mut tell = |line: &Line, what: &str, then: &str, is_current: bool| {
        if is_current && line.days_left() < SOON_DAYS {
            warnings.push(format!("{what} ends in {} days; {then}", line.days_left()));
        }
        if arguments.json { output.json(line) } else { output.line(line) }
    };
    let then = "make a new one by `bangasa ca init --dir`, and have clients trust both";
    tell(&Line::root(directory, now())?, "the root", then, true)?;
    for id in directory.municipalities()? {
        for issue in directory.issues(&id)? {
            for line in Line::issue(directory, &id, issue, now())? {
                let then = format!("`bangasa ca rotate {id}` replaces it");
                tell(&line, &format!("the authority of `{id}`"), &then, issue.is_current)?;
            }
        }
    }
    output.flush()?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Exit::Done)
}
