//! `bangasa ca init`: the prefecture's root.

use certify::Root;

use super::line::Line;
use super::now;
use crate::ca_directory::CaDirectory;
use crate::exit::Exit;
use crate::output::Output;

/// Make the prefecture's root: the certificate that clients will trust, and its key
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Make the prefecture's root: the certificate that clients will trust, valid for 20 years, and its key \
        (RSA 3072, so that old clients can follow it). A root that is there is never replaced.",
    after_help = "Examples:\n  bangasa ca init --name 宮城県\n  bangasa ca init --name 宮城県 --dir /media/offline/ca"
)]
pub struct Arguments {
    /// The prefecture's name, as users will see it in the certificate
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Print the certificate's particulars as JSON
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, directory: &CaDirectory) -> anyhow::Result<Exit> {
    directory.create_root(&Root::create(&arguments.name, now())?)?;
    let line = Line::root(directory, now())?;
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&line)?;
    } else {
        output.line(&line)?;
    }
    output.flush()?;
    eprintln!("bangasa: next: `bangasa ca issue MUNICIPALITY` for each, and `bangasa ca export` for the clients");
    Ok(Exit::Done)
}
