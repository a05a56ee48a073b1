//! The command `lab`: a tour of a running gateway, or a lab to play in.

mod drill;
mod fallback;
mod signals;
mod tour;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use lab::{InstanceId, Lab, record};

/// A prefecture inside this machine: gateway, municipalities behind a VLAN trunk, an Internet with servers and an
/// attacker, all in network namespaces. Nothing leaves them.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take the tour: real traffic through the real gateway, each step proved at the far end
    Demo(Demo),
    /// Repeat an incident that happened elsewhere, and see that it does not happen here
    Drill {
        /// Which, or `all`
        name: String,
        /// One JSON object a drill, instead of text
        #[arg(long)]
        json: bool,
        /// The example's directory
        #[arg(long, value_name = "DIR", default_value = "policy/example")]
        policy: PathBuf,
    },
    /// Measure how soon Chromium has its page when QUIC is refused, in the ways that there are to refuse it
    Fallback {
        /// Visits in each way
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// The example's directory
        #[arg(long, value_name = "DIR", default_value = "policy/example")]
        policy: PathBuf,
    },
    /// Build a lab, start the gateway, and leave both running
    Up {
        /// Policy directory
        #[arg(long, value_name = "DIR", default_value = "policy/example")]
        policy: PathBuf,
    },
    /// Remove labs that were left running
    Down {
        /// One lab only
        id: Option<String>,
    },
    /// Wait for the end of stdin, then remove a lab unless it is kept
    #[command(hide = true)]
    Reap {
        /// Which
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Demo {
    /// One JSON object a step, instead of text
    #[arg(long)]
    json: bool,
    /// Only these steps, by number or name
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the gateway running afterwards, as KEEP=1 in the environment does
    #[arg(long)]
    keep: bool,
    /// The example's directory
    #[arg(long, value_name = "DIR", default_value = "policy/example")]
    policy: PathBuf,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(demo) => {
            signals::remove_labs_on_end()?;
            let keep = demo.keep || std::env::var_os("KEEP").is_some_and(|value| !value.is_empty() && value != "0");
            tour::take(&demo.policy, &demo.only, demo.json, keep)
        }
        Command::Drill { name, json, policy } => {
            signals::remove_labs_on_end()?;
            drill::practise(&policy, &name, json)
        }
        Command::Fallback { rounds, policy } => {
            signals::remove_labs_on_end()?;
            fallback::measure(&policy, rounds)
        }
        Command::Up { policy } => up(&policy),
        Command::Down { id } => down(id.as_deref()),
        Command::Reap { id } => reap(&parse(&id)?),
    }
}

fn up(policy: &Path) -> Result<ExitCode> {
    signals::remove_labs_on_end()?;
    let mut lab = Lab::build(policy)?;
    lab.internet_mut().serve()?;
    lab.internet_mut().serve_tls()?;
    lab.issue_authorities(&[tour::CITY])?;
    lab.start_daemon()?;
    keep(&mut lab)?;
    Ok(ExitCode::SUCCESS)
}

/// Leaves a lab running, and says how to go on.
fn keep(lab: &mut Lab) -> Result<()> {
    lab.keep()?;
    print!("{}", tour::invitation(lab)?);
    Ok(())
}

fn down(id: Option<&str>) -> Result<ExitCode> {
    let swept = record::sweep()?;
    let chosen = match id {
        Some(id) => vec![parse(id)?],
        None => record::all().into_iter().filter(record::is_kept).collect(),
    };
    if let Some(id) = chosen.iter().find(|id| !record::all().contains(id) && !swept.contains(id)) {
        bail!("there is no lab {id}");
    }
    for id in &chosen {
        record::remove(id)?;
        println!("lab {id} removed · 片付けました");
    }
    if chosen.is_empty() {
        println!("no lab was left running");
    }
    Ok(ExitCode::SUCCESS)
}

fn reap(id: &InstanceId) -> Result<ExitCode> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    if record::all().contains(id) && !record::is_kept(id) {
        record::remove(id)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(id: &str) -> Result<InstanceId> {
    InstanceId::parse(id)
        .with_context(|| format!("`{id}` is not the id of a lab; `ls {}` shows them", lab::names::RECORDS))
}
