//! `bangasa bypass approve`: passes a name on unopened.

use control::{Client, Request};
use policy::span;
use policy::tls::bypass::limits::FOR;

use super::Decision;
use crate::exit::{Exit, WrongUsage};

/// Pass connections to a name on unopened
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Pass connections to a name on unopened, where TLS rules would open them. Nothing needs to be known of the name; \
        one that was forgotten is approved again. The approval ends by itself, and connections that go by it then end, too.",
    after_help = "Example:\n  bangasa bypass approve sendai api.example.jp --for 90d --because 'ticket 4712: the fleet app'"
)]
pub struct Arguments {
    #[command(flatten)]
    decision: Decision,
    /// For how long, such as 12h or 90d; without it as the policy's `bypass` says
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let read = |text: &String| {
        span::parse(text, FOR.1, FOR.2).map_err(|error| WrongUsage(format!("`--for` cannot be `{text}`: {error}")))
    };
    let for_seconds = arguments.span.as_ref().map(read).transpose()?;
    let request = Request::BypassApprove { decide: arguments.decision.decide()?, for_seconds };
    arguments.decision.run(&request, daemon, |row| {
        let until = row.until.as_deref().unwrap_or("further notice");
        format!("{}: connections to {} are passed on unopened until {until}", row.municipality, row.name)
    })
}
