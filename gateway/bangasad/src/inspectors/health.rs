//! Whether inspectors serve: what the fast path is told of it, and the end of those that hang.
//!
//! The fast path's words are changed by what is known, never by what is not: one that this daemon has not heard of yet, as
//! after a restart, may well be serving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inspector::Inspector;
use super::{Inspectors, PATIENCE, setting};
use crate::daemon::Current;

/// Between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Pings that one who serves may leave unanswered. Counted, not timed: a daemon that stood still has not asked.
const UNANSWERED: u32 = 10;
/// The same while it makes a setting its own, which may have a million names.
const UNANSWERED_WHILE_BUSY: u32 = 60;

impl Inspector {
    /// Asks for a sign of life, once in a while.
    pub(super) fn ping(&mut self) {
        let Some(orders) = self.orders.as_ref().filter(|_| !self.is_foreign) else { return };
        if self.pinged_at.is_none_or(|at| at.elapsed() >= PING_INTERVAL) {
            self.pinged_at = Some(Instant::now());
            self.unanswered += 1;
            // Where orders wait because nobody reads them, there is no answer either.
            let _ = orders.try_send(Arc::new(setting::ping()));
        }
    }

    /// Ends a process that is there and answers nothing, or does not even call. Whether it did.
    pub(super) fn end_if_hung(&mut self) -> bool {
        let patience = if self.owes_answer { UNANSWERED_WHILE_BUSY } else { UNANSWERED };
        let is_mute = match self.orders {
            Some(_) => self.unanswered > patience,
            None => self.silent_since.is_some_and(|since| since.elapsed() > PATIENCE),
        };
        if !is_mute || self.process.has_ended() {
            return false;
        }
        self.process.kill();
        self.orders = None;
        self.accepted = None;
        self.unanswered = 0;
        self.silent_since = Some(Instant::now());
        true
    }
}

/// Tells the fast path about one of them, or about all.
pub(super) fn tell_fast_path(inspectors: &Inspectors, current: &Current, only: Option<&str>) {
    let numbers = &current.glossary.numbering.municipalities;
    let by_id = inspectors.lock();
    let told = by_id.iter().filter(|(id, _)| only.is_none_or(|only| only == id.as_str()));
    for (id, post) in told {
        if let (Some(number), Some(state)) = (numbers.get(id), post.state) {
            inspectors.words.set(*number, state);
        }
    }
}
