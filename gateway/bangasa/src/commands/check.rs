//! `bangasa check`: every mistake at once.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::output::Output;
use crate::policy_directory;
use crate::style::Colour;

/// Check a policy directory and show every mistake at once
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Check a policy directory and show every mistake at once, each with its place and what to do about it. Needs \
        neither root nor a running gateway. Ends with 3 when the policy is invalid; warnings alone do not make it so.",
    after_help = "Examples:\n  bangasa check policy/\n  bangasa check policy/ --json | jq -r .code | sort | uniq -c"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print one JSON object a diagnostic
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.json {
        let (policy, diagnostics) = policy_directory::diagnose(&arguments.directory)?;
        let mut output = Output::stdout();
        for diagnostic in &diagnostics {
            output.json(diagnostic)?;
        }
        output.flush()?;
        return Ok(if policy.is_some() { Exit::Done } else { Exit::Invalid });
    }
    let Some(checked) = policy_directory::load(&arguments.directory)? else {
        return Ok(Exit::Invalid);
    };
    match policy_directory::summary(&checked.policy) {
        Ok(summary) => eprintln!("{summary}"),
        Err(error) => {
            let colour = Colour::of_stderr() == Colour::On;
            eprintln!("{}", policy::render(&checked.source, &[error.diagnostic(&checked.source)], colour).trim_end());
            eprintln!("bangasa: `{}` cannot be installed: {error}", arguments.directory.display());
            return Ok(Exit::Invalid);
        }
    }
    Ok(Exit::Done)
}
