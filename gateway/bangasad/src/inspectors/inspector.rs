//! One process: what the daemon knows of it. What is not known of one that this daemon did not start is empty.

use std::io;
use std::os::fd::RawFd;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use inspect::wire::{BypassName, Totals};
use tokio::sync::mpsc;

use super::namespace::Namespace;
use super::places::Places;
use super::process::{Process, Program};

/// A process that inspects, has done so, or is about to.
pub struct Inspector {
    /// Started by this daemon, and not seen to have ended.
    pub child: Option<Child>,
    /// The process itself.
    pub process: Arc<Process>,
    /// Since when this daemon knows it.
    pub known_since: Instant,
    /// What it runs.
    pub program: Option<Program>,
    /// The network namespace that it has called from.
    pub namespace: Option<Namespace>,
    /// Since when it should call.
    pub silent_since: Option<Instant>,
    /// Pings since its last answer, and when the last one was sent.
    pub unanswered: u32,
    pub pinged_at: Option<Instant>,
    /// It was sent a setting and has not said what became of it.
    pub owes_answer: bool,
    /// The conversation, for as long as anything is heard.
    pub conversation: Option<u64>,
    /// Where orders are taken.
    pub orders: Option<mpsc::Sender<Arc<Vec<u8>>>>,
    /// It speaks another version of the language: it can be told to go, and nothing else.
    pub is_foreign: bool,
    /// Digest of what the setting was made of that was sent in this conversation.
    pub sent: Option<blake3::Hash>,
    /// Names that it was told in this conversation to pass on unopened.
    pub bypassed: Option<Vec<BypassName>>,
    /// Where it listens.
    pub places: Places,
    /// Numbers of its sockets, which this daemon does not have yet.
    pub untaken: Vec<RawFd>,
    /// Generation that it has said to be in force.
    pub accepted: Option<u64>,
    /// Its counters.
    pub totals: Totals,
}

impl Inspector {
    /// One that this daemon has just started.
    pub fn started(child: Child) -> io::Result<Self> {
        let mut inspector = Self::of(Process::of(child.id())?);
        inspector.child = Some(child);
        Ok(inspector)
    }

    /// One that is there.
    pub fn of(process: Process) -> Self {
        let now = Instant::now();
        Self {
            child: None,
            process: Arc::new(process),
            known_since: now,
            program: None,
            namespace: None,
            silent_since: Some(now),
            unanswered: 0,
            pinged_at: None,
            owes_answer: false,
            conversation: None,
            orders: None,
            is_foreign: false,
            sent: None,
            bypassed: None,
            places: Places::default(),
            untaken: Vec::new(),
            accepted: None,
            totals: Totals::default(),
        }
    }

    /// How it ended, if it has: in brackets, where the kernel told us.
    pub fn end(&mut self) -> Option<String> {
        if !self.process.has_ended() {
            return None;
        }
        let status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
        Some(status.map_or_else(String::new, |status| format!(" ({status})")))
    }

    /// Whether it can be told what others are told.
    pub fn can_be_told(&self) -> bool {
        self.orders.is_some() && !self.is_foreign
    }
}
