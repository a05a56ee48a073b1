//! What `bangasa events --follow --json` prints, kept as it comes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

pub use control::Line;

use crate::daemon::find_binary;
use crate::wire::wait_until;

/// A running `bangasa events --follow`; it ends with its guard.
#[derive(Debug)]
pub struct Events {
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
}

/// A moment in the stream of events; by default its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(usize);

impl Events {
    /// Starts following.
    pub fn follow(socket: &Path) -> Result<Self> {
        let mut command = Command::new(find_binary("bangasa")?);
        command.arg("--socket").arg(socket).args(["events", "--follow", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start `bangasa events`")?;
        let output = child.stdout.take().context("`bangasa events` has no output")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            for text in BufReader::new(output).lines().map_while(Result::ok) {
                // A line of another shape is no event; what a step expects will then be missing, and say so.
                if let Ok(line) = serde_json::from_str::<Line>(&text) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Now.
    pub fn mark(&self) -> Mark {
        Mark(self.lines.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// Lets go of everything so far, and of every mark in it.
    pub fn forget(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What came after `mark` and is `wanted`.
    pub fn since(&self, mark: Mark, wanted: impl Fn(&Line) -> bool) -> Vec<Line> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(mark.0).filter(|line| wanted(line)).cloned().collect()
    }

    /// Waits for the first event after `mark` that is `wanted`.
    pub fn wait(&self, mark: Mark, wanted: impl Fn(&Line) -> bool) -> Result<Option<Line>> {
        let mut found = None;
        wait_until(Duration::from_secs(10), || {
            found = self.since(mark, &wanted).into_iter().next();
            Ok(found.is_some())
        })?;
        Ok(found)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It may have ended with the daemon.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
