//! What became of connections: counters that only rise, and the sessions themselves for the daemon.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use policy::tls::{TlsAction, Transport};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::wire::{Ended, Reason, Session, Totals};

/// Sessions that may wait for the daemon, which may be away.
const QUEUE: usize = 8_192;
/// Ways to end that are told apart. Rules change over the weeks; what does not fit is counted without its rule.
const MOST_WAYS: usize = 2_000;

type Way = (Transport, TlsAction, Reason, Option<(String, String)>);

/// An open connection. Whatever ends it, it is not counted any more.
#[derive(Debug)]
pub struct Open {
    account: Arc<Account>,
    /// How many were open when it began, with it.
    pub count: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.account.open.fetch_sub(1, Ordering::Release);
    }
}

/// A place where connections may begin.
#[derive(Debug)]
pub struct Door(Arc<Account>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.doors.fetch_sub(1, Ordering::Release);
    }
}

/// All of it. Telling never blocks: what does not fit is counted.
#[derive(Debug)]
pub struct Account {
    ended: Mutex<HashMap<Way, (u64, [u64; 2])>>,
    open: AtomicU64,
    doors: AtomicU64,
    lost: AtomicU64,
    lost_datagrams: AtomicU64,
    queue: Sender<Box<Session>>,
}

impl Account {
    /// Nothing yet, and where sessions come out.
    pub fn new() -> (Arc<Self>, Receiver<Box<Session>>) {
        let (queue, sessions) = channel(QUEUE);
        (
            Arc::new(Self {
                ended: Mutex::default(),
                open: AtomicU64::new(0),
                doors: AtomicU64::new(0),
                lost: AtomicU64::new(0),
                lost_datagrams: AtomicU64::new(0),
                queue,
            }),
            sessions,
        )
    }

    /// A connection was accepted: it is open for as long as this lives.
    pub fn begin(self: &Arc<Self>) -> Open {
        Open { count: self.open.fetch_add(1, Ordering::Relaxed) + 1, account: Arc::clone(self) }
    }

    /// Connections may begin somewhere for as long as this lives.
    pub fn door(self: &Arc<Self>) -> Door {
        self.doors.fetch_add(1, Ordering::Relaxed);
        Door(Arc::clone(self))
    }

    /// Whether nothing is open and nothing can begin any more. What began has been counted when its door is shut.
    pub fn is_idle(&self) -> bool {
        self.doors.load(Ordering::Acquire) == 0 && self.open.load(Ordering::Acquire) == 0
    }

    /// It has ended.
    pub fn end(&self, session: Box<Session>) {
        let rule = session.rule.as_ref().map(|rule| (rule.location.clone(), rule.name.clone()));
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let rule = rule.filter(|_| ended.len() < MOST_WAYS);
        let (connections, bytes) = ended.entry((session.transport, session.action, session.reason, rule)).or_default();
        *connections += 1;
        for (sum, more) in bytes.iter_mut().zip(session.bytes) {
            *sum += more;
        }
        drop(ended);
        if self.queue.try_send(session).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Datagrams were lost in this process, and not on the way.
    pub fn lost_datagrams(&self, count: u64) {
        self.lost_datagrams.fetch_add(count, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Everything so far.
    pub fn totals(&self) -> Totals {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended: Vec<Ended> = ended
            .iter()
            .map(|((transport, action, reason, rule), (connections, bytes))| Ended {
                transport: *transport,
                action: *action,
                reason: *reason,
                rule: rule.clone(),
                connections: *connections,
                bytes: *bytes,
            })
            .collect();
        let order = |it: &Ended| (it.transport, it.action, it.reason, it.rule.clone());
        ended.sort_by_cached_key(order);
        Totals {
            ended,
            open: self.open(),
            sessions_lost: self.lost.load(Ordering::Relaxed),
            datagrams_lost: self.lost_datagrams.load(Ordering::Relaxed),
        }
    }
}
