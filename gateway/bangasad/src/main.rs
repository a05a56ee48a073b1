//! The daemon: owns maps, events, metrics and policy history. The data path runs without it; it changes policy, tells
//! what happens, and takes over what is pinned when it starts.

mod apply;
mod audit;
mod budgets;
mod bypass;
mod daemon;
mod dns;
mod events;
mod flood;
mod freeze;
mod history;
mod inspectors;
mod nat;
mod options;
mod overlays;
mod overview;
mod prepare;
mod server;
mod start;
mod state;
mod trial;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.command {
        None => serve(&options),
        Some(Command::Detach) => start::detach(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bangasad: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> anyhow::Result<()> {
    let daemon = start::start(options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(server::run(daemon, options));
    // Whoever still follows events is not waited for.
    runtime.shutdown_background();
    result
}

/// Says something to whoever reads the daemon's log.
pub fn log(message: &str) {
    eprintln!("bangasad: {message}");
}
