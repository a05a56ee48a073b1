//! Whether the threads that serve still take their turns: the daemon asks, and each of them has to answer.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

/// The question, and the threads' answers.
pub struct Pulse {
    asked: watch::Sender<u64>,
    answered: Vec<AtomicU64>,
    heard: Notify,
}

impl Pulse {
    /// For so many threads.
    pub fn new(threads: u16) -> Self {
        let answered = (0..threads).map(|_| AtomicU64::new(0)).collect();
        Self { asked: watch::Sender::new(0), answered, heard: Notify::new() }
    }

    /// Asks all of them.
    pub fn ask(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }

    /// Ends when all of them have answered the latest question.
    pub async fn answered(&self) {
        let asked = *self.asked.borrow();
        while self.answered.iter().any(|answered| answered.load(Ordering::Acquire) < asked) {
            self.heard.notified().await;
        }
    }

    /// Answers for the thread with this number, for as long as it turns.
    pub async fn answer(&self, thread: u16) {
        let mut asked = self.asked.subscribe();
        let Some(answered) = self.answered.get(usize::from(thread)) else { return };
        loop {
            let latest = *asked.borrow_and_update();
            answered.store(latest, Ordering::Release);
            self.heard.notify_one();
            if asked.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_thread_that_stands_still_is_enough_to_be_silent() {
        let pulse = Pulse::new(2);
        let mut first = pin!(pulse.answer(0));
        let mut second = pin!(pulse.answer(1));
        let moment = Duration::from_millis(1);
        for turns in [true, false, true] {
            pulse.ask();
            let _ = timeout(moment, first.as_mut()).await;
            if turns {
                let _ = timeout(moment, second.as_mut()).await;
            }
            assert_eq!(timeout(moment, pulse.answered()).await.is_ok(), turns);
        }
    }
}
