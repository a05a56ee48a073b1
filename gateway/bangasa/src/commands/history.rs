//! `bangasa history`: the policies that judged.

use anyhow::bail;
use control::{Client, HistoryRow, Request, Response};

use crate::exit::Exit;
use crate::output::Output;

/// List the policies that judged: who applied them, when, why, and what became of them
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List the policies that judged, the latest last: who applied them, when, why, and what became of them. The last \
        fifty are kept; `bangasa diff` compares two, `bangasa rollback` brings one back.",
    after_help = "Examples:\n  \
        bangasa history\n  \
        bangasa history --json | jq 'select(.in_force)'"
)]
pub struct Arguments {
    /// Print one JSON object a policy
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let rows = match daemon.ask(&Request::History)? {
        Response::History { rows } => rows,
        other => bail!("bangasad answered `history` with {other:?}"),
    };
    let mut output = Output::stdout();
    for row in &rows {
        if arguments.json {
            output.json(row)?;
        } else {
            output.line(told(row))?;
        }
    }
    if rows.is_empty() && !arguments.json {
        output.line("no policy was applied yet")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn told(row: &HistoryRow) -> String {
    let mark = if row.in_force { '*' } else { ' ' };
    let because = row.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
    let mut text = format!("{mark} {:>5}  {}  by {}{because}", row.generation, row.applied_at, row.who);
    if let Some(restores) = row.restores {
        text.push_str(&format!("; brought generation {restores} back"));
    }
    if let Some(trial) = row.trial {
        text.push_str(&format!("; to be confirmed until {}", trial.until));
    }
    if let Some(why) = &row.taken_back {
        text.push_str(&format!("; taken back: {why}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_became_of_it() {
        let row = HistoryRow {
            generation: 12,
            applied_at: "2026-11-24T08:00:00Z".into(),
            who: "課長".into(),
            because: Some("新しい基準".into()),
            digest: String::new(),
            in_force: true,
            restores: Some(9),
            taken_back: None,
            trial: None,
        };
        assert_eq!(told(&row), "*    12  2026-11-24T08:00:00Z  by 課長: 新しい基準; brought generation 9 back");
        let row = HistoryRow { in_force: false, restores: None, taken_back: Some("too strict".into()), ..row };
        assert_eq!(told(&row), "     12  2026-11-24T08:00:00Z  by 課長: 新しい基準; taken back: too strict");
    }
}
