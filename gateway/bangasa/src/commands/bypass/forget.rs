//! `bangasa bypass forget`: opens a name again.

use control::{Client, Request};

use super::Decision;
use crate::exit::Exit;

/// Open connections to a name again, and learn nothing of it for a while
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Open connections to a name again: an approval is taken back, and connections that go by it end. What was \
        learned of the name does not count any more, and nothing is learned of it anew for as long as an approval would have \
        held by the policy's `bypass`, however many clients refuse. `approve` is possible meanwhile.",
    after_help = "Example:\n  bangasa bypass forget sendai api.example.jp --because 'replaced by the browser version'"
)]
pub struct Arguments {
    #[command(flatten)]
    decision: Decision,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let request = Request::BypassForget { decide: arguments.decision.decide()? };
    arguments.decision.run(&request, daemon, |row| {
        let until = row.until.as_deref().unwrap_or("further notice");
        format!("{}: connections to {} are opened; nothing is learned of it until {until}", row.municipality, row.name)
    })
}
