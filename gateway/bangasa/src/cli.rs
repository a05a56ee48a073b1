//! Arguments, dispatch, and how a command's end becomes an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::exit::{Exit, WrongUsage};
use crate::output::ReaderGone;

/// One gateway for the Internet access of a prefecture's municipalities: check and try policies, see what the
/// running gateway does.
#[derive(Debug, Parser)]
#[command(
    name = "bangasa",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 policy invalid, 4 there are differences.\n\
        With --json, commands print one JSON object a line on stdout; diagnostics go to stderr.\n\n\
        Examples:\n  \
        bangasa check policy/\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443'\n  \
        bangasa plan policy/ && echo nothing would change\n  \
        bangasa apply policy/ --because 'ticket 4711'"
)]
pub struct Cli {
    /// Socket of the daemon
    #[arg(long, global = true, value_name = "PATH", env = "BANGASA_SOCKET", default_value = control::DEFAULT_SOCKET, display_order = 900)]
    socket: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(commands::check::Arguments),
    Replay(commands::replay::Arguments),
    Explain(commands::explain::Arguments),
    Hello(commands::hello::Arguments),
    Plan(commands::plan::Arguments),
    Apply(commands::apply::Arguments),
    Confirm(commands::confirm::Arguments),
    Rollback(commands::rollback::Arguments),
    History(commands::history::Arguments),
    Diff(commands::diff::Arguments),
    Isolate(commands::isolate::Arguments),
    Release(commands::release::Arguments),
    Block(commands::block::Arguments),
    Freeze(commands::freeze::Arguments),
    Status(commands::status::Arguments),
    Events(commands::events::Arguments),
    Who(commands::who::Arguments),
    Bypass(commands::bypass::Arguments),
    Audit(commands::audit::Arguments),
    Ca(commands::ca::Arguments),
}

/// The whole program.
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(error) if error.is::<ReaderGone>() => Exit::Done.into(),
        Err(error) => {
            eprintln!("bangasa: {error:#}");
            if error.is::<WrongUsage>() { Exit::Usage.into() } else { Exit::Failed.into() }
        }
    }
}

/// One command. Errors are for [`main`] to print.
pub fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let daemon = control::Client::new(&cli.socket);
    match &cli.command {
        Command::Check(arguments) => commands::check::run(arguments),
        Command::Replay(arguments) => commands::replay::run(arguments),
        Command::Explain(arguments) => commands::explain::run(arguments, &daemon),
        Command::Hello(arguments) => commands::hello::run(arguments),
        Command::Plan(arguments) => commands::plan::run(arguments, &daemon),
        Command::Apply(arguments) => commands::apply::run(arguments, &daemon),
        Command::Confirm(arguments) => commands::confirm::run(arguments, &daemon),
        Command::Rollback(arguments) => commands::rollback::run(arguments, &daemon),
        Command::History(arguments) => commands::history::run(arguments, &daemon),
        Command::Diff(arguments) => commands::diff::run(arguments, &daemon),
        Command::Isolate(arguments) => commands::isolate::run(arguments, &daemon),
        Command::Release(arguments) => commands::release::run(arguments, &daemon),
        Command::Block(arguments) => commands::block::run(arguments, &daemon),
        Command::Freeze(arguments) => commands::freeze::run(arguments, &daemon),
        Command::Status(arguments) => commands::status::run(arguments, &daemon),
        Command::Events(arguments) => commands::events::run(arguments, &daemon),
        Command::Who(arguments) => commands::who::run(arguments, &daemon),
        Command::Bypass(arguments) => commands::bypass::run(arguments, &daemon),
        Command::Audit(arguments) => commands::audit::run(arguments),
        Command::Ca(arguments) => commands::ca::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent_and_every_command_has_help_and_an_example() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for command in command.get_subcommands().filter(|it| it.get_name() != "help") {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("bangasa {}", command.get_name())), "{}", command.get_name());
        }
    }
}
