//! Where event lines go: a bounded memory of the latest, followers, and standard output or a file. Every way has a
//! bounded queue, and whatever does not fit into one is counted.

mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::broadcast;

/// Events kept for `bangasa events`.
const HISTORY: usize = 10_000;
/// Events that may wait for each follower.
const FOLLOWER_QUEUE: usize = 4_096;
/// Events that may wait for an output.
const OUTPUT_QUEUE: usize = 16_384;

/// One event as it is written.
#[derive(Debug)]
pub struct Entry {
    /// Whose.
    pub municipality: Option<String>,
    /// One JSON object, no line break.
    pub text: String,
}

/// Where lines are written besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Appended to a file.
    File(PathBuf),
}

/// All of it.
#[derive(Debug)]
pub struct Journal {
    history: Mutex<VecDeque<Arc<Entry>>>,
    followers: broadcast::Sender<Arc<Entry>>,
    outputs: Vec<SyncSender<Arc<Entry>>>,
    counts: Arc<Counts>,
}

/// What became of events.
#[derive(Debug, Default)]
pub struct Counts {
    /// Recorded here.
    pub received: AtomicU64,
    /// Not written by an output that could not keep up, or failed.
    pub lost_output: AtomicU64,
    /// Not seen by a follower that could not keep up.
    pub lost_followers: AtomicU64,
    /// How often files were asked to be opened again.
    reopened: AtomicU64,
}

impl Journal {
    /// Opens the outputs; each gets a thread of its own, so that a full disk or a stopped terminal holds up nobody.
    pub fn open(outputs: &[Output]) -> io::Result<Self> {
        let counts = Arc::new(Counts::default());
        let mut senders = Vec::new();
        for output in outputs {
            let writer = writer::Writer::open(output)?;
            let (sender, receiver) = sync_channel(OUTPUT_QUEUE);
            let counts = Arc::clone(&counts);
            thread::Builder::new().name("events".into()).spawn(move || writer.run(&receiver, &counts))?;
            senders.push(sender);
        }
        let (followers, _) = broadcast::channel(FOLLOWER_QUEUE);
        Ok(Self { history: Mutex::default(), followers, outputs: senders, counts })
    }

    /// Records an event everywhere. Never waits.
    pub fn record(&self, entry: Entry) {
        let entry = Arc::new(entry);
        self.counts.received.fetch_add(1, Ordering::Relaxed);
        for output in &self.outputs {
            if output.try_send(Arc::clone(&entry)).is_err() {
                self.counts.lost_output.fetch_add(1, Ordering::Relaxed);
            }
        }
        // History and followers change together, so that a new follower sees each event once.
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(Arc::clone(&entry));
        // No follower is no loss.
        let _ = self.followers.send(entry);
    }

    /// Opens files again before the next event is written: somebody has moved them away.
    pub fn reopen(&self) {
        self.counts.reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// The latest events, oldest first, and whatever comes after them.
    pub fn follow(&self) -> (Vec<Arc<Entry>>, Follower) {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let follower = Follower { receiver: self.followers.subscribe(), counts: Arc::clone(&self.counts) };
        (history.iter().cloned().collect(), follower)
    }

    /// What became of events.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// Events as they come.
#[derive(Debug)]
pub struct Follower {
    receiver: broadcast::Receiver<Arc<Entry>>,
    counts: Arc<Counts>,
}

impl Follower {
    /// The next event; none when the journal is gone.
    pub async fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            match self.receiver.recv().await {
                Ok(entry) => return Some(entry),
                Err(broadcast::error::RecvError::Lagged(lost)) => {
                    self.counts.lost_followers.fetch_add(lost, Ordering::Relaxed);
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn entry(number: usize) -> Entry {
        Entry { municipality: None, text: number.to_string() }
    }

    #[test]
    fn history_is_bounded_and_keeps_the_latest() {
        let journal = Journal::open(&[]).unwrap();
        (0..HISTORY + 5).for_each(|number| journal.record(entry(number)));
        let (history, _) = journal.follow();
        assert_eq!(history.len(), HISTORY);
        assert_eq!(history[0].text, "5");
    }

    #[tokio::test]
    async fn a_slow_follower_loses_a_counted_number() {
        let journal = Journal::open(&[]).unwrap();
        let (_, mut follower) = journal.follow();
        (0..FOLLOWER_QUEUE + 7).for_each(|number| journal.record(entry(number)));
        assert_eq!(follower.next().await.unwrap().text, "7");
        assert_eq!(journal.counts().lost_followers.load(Ordering::Relaxed), 7);
    }
}
