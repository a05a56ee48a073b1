//! `bangasa-inspect`: the inspector of one municipality.

use std::process::ExitCode;

use clap::Parser;
use inspect::options::{Command, Options};
use inspect::{run, sandbox};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.command {
        None => run::run(&options),
        Some(Command::Sandbox { files }) => sandbox::show(options.become_user, files),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bangasa-inspect: {error:#}");
            ExitCode::FAILURE
        }
    }
}
