//! `bangasa ca export`: what clients must trust.

use std::io::Write;

use anyhow::Context;
use certify::{KeyType, Summary};
use clap::ValueEnum;

use super::checked_id;
use crate::ca_directory::CaDirectory;
use crate::exit::{Exit, WrongUsage};

/// Print the certificate that clients must trust
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Print the certificate that clients must trust: the root's, for the terminals of every municipality. With a \
        municipality, print that municipality's two certificates instead: for clients that should trust it alone, where their \
        software can do that.\n\n\
        stderr shows each certificate's SHA-256: compare it where the certificate is installed. Keys are never printed.",
    after_help = "Examples:\n  \
        bangasa ca export > root.pem\n  \
        bangasa ca export --format der > root.cer    # for Windows\n  \
        bangasa ca export shiomi > shiomi.pem"
)]
pub struct Arguments {
    /// Print this municipality's certificates
    #[arg(value_name = "MUNICIPALITY")]
    municipality: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "pem")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text
    Pem,
    /// Bytes
    Der,
}

/// Runs it.
pub fn run(arguments: &Arguments, directory: &CaDirectory) -> anyhow::Result<Exit> {
    let texts = match &arguments.municipality {
        None => vec![directory.root_certificate()?],
        Some(id) => {
            let id = checked_id(id)?;
            let issue = directory.current(id)?;
            if arguments.format == Format::Der {
                let told = format!("DER holds one certificate and `{id}` has two; print them as `--format pem`");
                return Err(WrongUsage(told).into());
            }
            let one = |key_type| directory.certificate(id, issue, key_type);
            KeyType::ALL.into_iter().map(one).collect::<anyhow::Result<_>>()?
        }
    };
    let mut stdout = std::io::stdout().lock();
    for text in &texts {
        let bytes = match arguments.format {
            Format::Pem => text.clone().into_bytes(),
            Format::Der => Summary::der_of_pem(text)?,
        };
        stdout.write_all(&bytes).and_then(|()| stdout.flush()).context("cannot write to standard output")?;
        let summary = Summary::of_pem(text)?;
        eprintln!("bangasa: {}: SHA-256 {}", summary.subject, summary.sha256);
    }
    Ok(Exit::Done)
}
