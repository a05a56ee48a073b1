//! `bangasa bypass`: names that applications refuse our certificates for.

mod approve;
mod forget;
mod line;
mod list;

use anyhow::bail;
use clap::Subcommand;
use control::bypass::{BypassRow, Decide};
use control::{Client, Request, Response};

use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::who::who;

/// List, approve and forget names that applications refuse our certificates for
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List, approve and forget names that applications refuse our certificates for.\n\n\
        Some applications know their server's certificate and take no other, so they do not work where connections are \
        opened. A name becomes a candidate when a client refuses the certificate minted for it although the server's own is \
        good, and is suggested when as many different clients have done so as the policy's `bypass` says. A client does not \
        count whose program opens the name on another machine, or that refuses whatever it meets: it lacks the root. Once \
        approved, by a person or, where the mode is `automatic`, by itself, connections to the name that TLS rules would \
        open are passed on unopened until the approval ends. Nothing else changes: what is blocked stays blocked, a client's \
        name for the server must be true, and what HTTP rules or tenants must see is never passed on. Clients that offer ECH \
        are left out, since another name may be hidden. A name that a TLS rule inspects by name is approved by people only.",
    after_help = "Every change is an event (`bangasa events`), with who and why.\n\nExamples:\n  \
        bangasa bypass list --municipality sendai\n  \
        bangasa bypass list --json | jq -r 'select(.state == \"suggested\") | .name'\n  \
        bangasa bypass approve sendai api.example.jp --for 90d --because 'ticket 4712: the fleet app'\n  \
        bangasa bypass forget sendai api.example.jp --because 'replaced by the browser version'"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Arguments),
    Approve(approve::Arguments),
    Forget(forget::Arguments),
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments, daemon),
        Command::Approve(arguments) => approve::run(arguments, daemon),
        Command::Forget(arguments) => forget::run(arguments, daemon),
    }
}

/// What both decisions ask for.
#[derive(Debug, clap::Args)]
struct Decision {
    /// Municipality
    #[arg(value_name = "ID")]
    municipality: String,
    /// Host name, in any script
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    because: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Decision {
    fn decide(&self) -> anyhow::Result<Decide> {
        if self.because.trim().is_empty() {
            return Err(WrongUsage("`--because` is empty; say why, for whoever looks into it later".into()).into());
        }
        let Self { municipality, name, because, .. } = self;
        Ok(Decide { municipality: municipality.clone(), name: name.clone(), because: because.clone(), who: who() })
    }

    /// Asks, and prints the answer; people read what it means.
    fn run(&self, request: &Request, daemon: &Client, means: impl Fn(&BypassRow) -> String) -> anyhow::Result<Exit> {
        let row = match daemon.ask(request)? {
            Response::BypassChanged(row) => row,
            other => bail!("bangasad answered `bypass` with {other:?}"),
        };
        let mut output = Output::stdout();
        if self.json {
            output.json(&row)?
        } else {
            output.line(means(&row))?
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}
