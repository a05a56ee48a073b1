//! `bangasa ca`: certificate authorities for TLS inspection.

mod export;
mod init;
mod issue;
mod line;
mod rotate;
mod show;

use std::path::PathBuf;
use std::time::SystemTime;

use certify::Moment;
use clap::Subcommand;

use crate::ca_directory::{self, CaDirectory};
use crate::exit::{Exit, WrongUsage};

/// Make, renew and show the certificate authorities for TLS inspection
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Make, renew and show the certificate authorities for TLS inspection.\n\n\
        The prefecture has one root, and clients trust its certificate (`export`). The root issues an authority for each \
        municipality; the daemon hands that to the municipality's inspector, which mints certificates with it. The root's \
        key is used by `issue` and `rotate` alone and never leaves the directory: it can be kept on another machine, or \
        offline, and the municipalities' folders copied to the gateway.",
    after_help = "Examples:\n  \
        bangasa ca init --name 宮城県\n  \
        bangasa ca issue shiomi --name 潮見市\n  \
        bangasa ca export > root.pem\n  \
        bangasa ca show"
)]
pub struct Arguments {
    /// Directory of the authorities
    #[arg(long, global = true, value_name = "DIR", env = "BANGASA_CA", default_value = ca_directory::DEFAULT)]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Issue(issue::Arguments),
    Rotate(rotate::Arguments),
    Export(export::Arguments),
    Show(show::Arguments),
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let directory = CaDirectory::new(&arguments.dir);
    match &arguments.command {
        Command::Init(arguments) => init::run(arguments, &directory),
        Command::Issue(arguments) => issue::run(arguments, &directory),
        Command::Rotate(arguments) => rotate::run(arguments, &directory),
        Command::Export(arguments) => export::run(arguments, &directory),
        Command::Show(arguments) => show::run(arguments, &directory),
    }
}

fn now() -> Moment {
    SystemTime::now().into()
}

/// A municipality's id becomes the name of a folder: as in a policy, and nothing else.
fn checked_id(id: &str) -> anyhow::Result<&str> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_id = id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(inside) && id.len() <= 63;
    if is_id {
        return Ok(id);
    }
    let told =
        "ids are up to 63 of a-z, 0-9, hyphen and underscore, beginning with a letter or digit, as in the policy";
    Err(WrongUsage(format!("`{id}` is not a municipality's id: {told}; `--name` may be in any script")).into())
}
