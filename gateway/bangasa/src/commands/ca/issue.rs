//! `bangasa ca issue`: a municipality's first authority.

use anyhow::bail;
use certify::Exclusion;

use super::line::Line;
use super::{checked_id, now};
use crate::ca_directory::CaDirectory;
use crate::exit::{Exit, WrongUsage};
use crate::output::Output;

/// Issue a municipality's first authority
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Issue a municipality's first authority: an ECDSA and an RSA certificate, valid for two years, with which the \
        municipality's inspector mints certificates of servers, and which can do nothing else.\n\n\
        By name constraints neither can be used for what nobody reaches through the gateway: localhost, local, internal, \
        home.arpa, lgwan.jp, and loopback and private addresses. Whoever steals the key cannot pose as the intranet. \
        lg.jp is not excluded, as municipalities publish there; add by `--exclude` what the prefecture runs behind the gateway \
        itself. What is excluded is never minted: such servers fail in the browser unless the policy splices them.",
    after_help = "Examples:\n  \
        bangasa ca issue shiomi --name 潮見市\n  \
        bangasa ca issue shiomi --name 潮見市 --exclude intra.pref.example.lg.jp --exclude 203.0.113.0/24"
)]
pub struct Arguments {
    /// The municipality's id, as in the policy
    #[arg(value_name = "MUNICIPALITY")]
    municipality: String,
    /// The municipality's name, as users will see it in certificates
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A domain or prefix for which it cannot be used; again for more
    #[arg(long, value_name = "DOMAIN|PREFIX")]
    exclude: Vec<String>,
    /// Exclude nothing but what `--exclude` says: for clients that cannot read name constraints
    #[arg(long)]
    no_default_exclusions: bool,
    /// Print the certificates' particulars as JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, directory: &CaDirectory) -> anyhow::Result<Exit> {
    let id = checked_id(&arguments.municipality)?;
    let mut exclude = if arguments.no_default_exclusions { Vec::new() } else { Exclusion::by_default() };
    for text in &arguments.exclude {
        exclude.push(text.parse().map_err(|wrong| WrongUsage(format!("--exclude: {wrong}")))?);
    }
    if directory.issues(id)?.iter().any(|issue| issue.is_current) {
        bail!("`{id}` has an authority already; `bangasa ca rotate {id}` replaces it");
    }
    let name = arguments.name.as_deref().unwrap_or(id);
    let issue = directory.add(id, &directory.root()?.issue(id, name, &exclude, now())?)?;
    tell(&Line::issue(directory, id, issue, now())?, arguments.json)
}

/// The new certificates.
pub fn tell(lines: &[Line], json: bool) -> anyhow::Result<Exit> {
    let mut output = Output::stdout();
    for line in lines {
        if json {
            output.json(line)?;
        } else {
            output.line(line)?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}
