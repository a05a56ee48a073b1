//! A municipality's post: the inspector that holds it, the one that is to follow, and those that were before.
//!
//! ```text
//! started or found ─► successor ── its setting is in force ─► holder ── another one's is ─► retires ─► ended
//! ```
//! New connections are accepted by whoever holds the post or is about to, at the same sockets. One that retires goes on with
//! what it carries, and is told every policy for that. There are two such at most: a third one's succession ends the first.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspect::wire::{RETIREMENT, Totals};
use policy::model::InspectorState;

use super::inspector::Inspector;
use super::namespace::Namespace;
use super::sockets::Sockets;
use super::{LONGEST_PAUSE, PATIENCE, setting, told};
use crate::log;

/// Inspectors that go on with what they carry at a time.
const MOST_RETIRING: usize = 2;
/// For one that is to follow to be ready: a setting may have a million names.
const SUCCESSION: Duration = Duration::from_secs(120);

/// One municipality's.
#[derive(Default)]
pub struct Post {
    /// Serves, or is to: the one that the fast path is told of.
    pub holder: Option<Inspector>,
    /// Was started while there was a holder.
    pub successor: Option<Inspector>,
    /// Were told to go, or have ended.
    pub leaving: Vec<Leaving>,
    /// The namespace in which the sockets listen.
    pub namespace: Option<Namespace>,
    /// At which all of them listen.
    pub sockets: Sockets,
    /// What the fast path is told; none: nothing is known that it could be.
    pub state: Option<InspectorState>,
    /// What stands in its way.
    pub trouble: Option<String>,
    /// What an operator should know of what it was told.
    pub warning: Option<String>,
    pub failures: u32,
    pub retry_at: Option<Instant>,
    /// Counters of those that have ended.
    pub before: Totals,
}

/// On its way out.
pub struct Leaving {
    pub inspector: Inspector,
    pub farewell: Farewell,
    pub is_told: bool,
    /// Then it is ended.
    until: Instant,
}

/// How it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It may end what it carries.
    Retire,
    /// Soon.
    End,
}

impl Leaving {
    /// One that goes from now on.
    pub fn new(inspector: Inspector, farewell: Farewell) -> Self {
        let patience = if farewell == Farewell::Retire { RETIREMENT + 2 * PATIENCE } else { 2 * PATIENCE };
        Self { inspector, farewell, is_told: false, until: Instant::now() + patience }
    }

    /// Hurries it, if it is not hurried yet.
    fn end(&mut self) {
        if self.farewell == Farewell::Retire {
            (self.farewell, self.is_told, self.until) = (Farewell::End, false, Instant::now() + 2 * PATIENCE);
        }
    }

    fn tell(&mut self) {
        let Some(orders) = self.inspector.orders.as_ref().filter(|_| !self.is_told) else { return };
        let order = match self.farewell {
            Farewell::Retire => setting::retire(),
            Farewell::End => setting::end(),
        };
        // Where too many orders wait, with the next look.
        self.is_told = orders.try_send(Arc::new(order)).is_ok();
        if self.is_told && self.farewell == Farewell::End {
            self.inspector.orders = None;
        }
    }
}

impl Post {
    /// All processes of it.
    pub fn all(&self) -> impl Iterator<Item = &Inspector> {
        let leaving = self.leaving.iter().map(|leaving| &leaving.inspector);
        self.holder.iter().chain(&self.successor).chain(leaving)
    }

    /// The same, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Inspector> {
        let leaving = self.leaving.iter_mut().map(|leaving| &mut leaving.inspector);
        self.holder.iter_mut().chain(&mut self.successor).chain(leaving)
    }

    /// Takes in one that was started, or found: the youngest is to have the post, and the next one has it until then.
    pub fn arrive(&mut self, inspector: Inspector) {
        let pid = inspector.process.pid;
        if let Some(known) = self.all_mut().find(|known| known.process.pid == pid && !known.process.has_ended()) {
            // It has called before whoever started it came to say so.
            known.child = inspector.child;
            return;
        }
        let known = [self.holder.take(), self.successor.take(), Some(inspector)];
        let mut all: Vec<Inspector> = known.into_iter().flatten().collect();
        all.sort_by_key(|inspector| inspector.process.began);
        (self.successor, self.holder) = (all.pop(), all.pop());
        self.leaving.extend(all.into_iter().map(|inspector| Leaving::new(inspector, Farewell::Retire)));
        self.succeed();
    }

    /// Gives the post to the successor if it is ready, or if there is nobody else.
    pub fn succeed(&mut self) {
        let is_ready = self.successor.as_ref().is_some_and(|successor| successor.accepted.is_some());
        if self.successor.is_none() || self.holder.is_some() && !is_ready {
            return;
        }
        let before = mem::replace(&mut self.holder, self.successor.take());
        self.leaving.extend(before.map(|before| Leaving::new(before, Farewell::Retire)));
        let retiring = self.leaving.iter_mut().filter(|leaving| !leaving.inspector.process.has_ended());
        let mut retiring: Vec<_> = retiring.filter(|leaving| leaving.farewell == Farewell::Retire).collect();
        retiring.sort_by_key(|leaving| leaving.inspector.process.began);
        let too_many = retiring.len().saturating_sub(MOST_RETIRING);
        retiring.into_iter().take(too_many).for_each(Leaving::end);
        self.leaving.iter_mut().for_each(Leaving::tell);
    }

    /// What the one in this conversation was told is in force.
    pub fn accepted(&mut self, id: &str, conversation: u64, generation: u64, warning: Option<String>) {
        let speaks = |inspector: &&mut Inspector| inspector.conversation == Some(conversation);
        let Some(inspector) = self.all_mut().find(speaks).filter(|inspector| inspector.orders.is_some()) else {
            // It was told to end meanwhile.
            return;
        };
        inspector.accepted = Some(generation);
        inspector.owes_answer = false;
        self.succeed();
        if self.holder.as_ref().is_some_and(|holder| holder.conversation == Some(conversation)) {
            self.state = Some(InspectorState::Serving);
            (self.trouble, self.failures, self.retry_at) = (None, 0, None);
            if let Some(warning) = warning {
                self.set_trouble(id, warning.escape_debug().to_string());
            }
        }
    }

    /// What the one in this conversation was told, it cannot use.
    pub fn refused(&mut self, id: &str, conversation: u64, because: &str) {
        let speaks = |inspector: &&mut Inspector| inspector.conversation == Some(conversation);
        let Some(inspector) = self.all_mut().find(speaks) else { return };
        inspector.owes_answer = false;
        if let Some(successor) = self.successor.take_if(|successor| successor.conversation == Some(conversation)) {
            self.leaving.push(Leaving::new(successor, Farewell::End));
            self.pause();
        }
        self.set_trouble(id, because.to_owned());
    }

    /// Notices what has ended, and ends what hangs.
    pub fn look_after(&mut self, id: &str) {
        for inspector in self.all_mut() {
            inspector.ping();
        }
        if self.holder.as_mut().is_some_and(Inspector::end_if_hung) {
            self.state = Some(InspectorState::Down);
            self.set_trouble(id, "the inspector hangs; it was ended, and is started again".into());
        }
        if let Some(mut holder) = self.holder.take_if(|holder| holder.process.has_ended()) {
            let how = holder.end().unwrap_or_default();
            self.state = Some(InspectorState::Down);
            self.leaving.push(Leaving::new(holder, Farewell::End));
            self.pause();
            self.trouble = None;
            self.set_trouble(id, format!("the inspector has ended{how}; it is started again"));
        }
        self.look_after_successor(id);
        self.succeed();
        self.look_after_leaving();
    }

    fn look_after_successor(&mut self, id: &str) {
        let Some(successor) = &mut self.successor else { return };
        if successor.known_since.elapsed() > SUCCESSION {
            successor.process.kill();
        }
        successor.end_if_hung();
        if let Some(how) = successor.end() {
            self.leaving.extend(self.successor.take().map(|ended| Leaving::new(ended, Farewell::End)));
            self.pause();
            self.set_trouble(
                id,
                format!(
                    "the inspector that should follow has ended{how}; the one before goes on, and another is tried"
                ),
            );
        }
    }

    /// One is forgotten when it has ended and everything it said was heard.
    fn look_after_leaving(&mut self) {
        for leaving in &mut self.leaving {
            leaving.tell();
            leaving.inspector.end_if_hung();
            if Instant::now() > leaving.until {
                leaving.inspector.process.kill();
            }
        }
        let is_gone = |it: &mut Leaving| it.inspector.end().is_some() && it.inspector.conversation.is_none();
        for gone in self.leaving.extract_if(.., is_gone) {
            told::add(&mut self.before, gone.inspector.totals);
        }
    }

    /// Tells everybody to end, and lets the sockets go.
    pub fn dismiss(&mut self) {
        self.leaving.iter_mut().for_each(Leaving::end);
        let dismissed = self.successor.take().into_iter().chain(self.holder.take());
        self.leaving.extend(dismissed.map(|inspector| Leaving::new(inspector, Farewell::End)));
        self.leaving.iter_mut().for_each(Leaving::tell);
        self.sockets = Sockets::default();
        self.state = Some(InspectorState::Down);
    }

    /// Before the next attempt to start one.
    pub fn pause(&mut self) {
        let pause = Duration::from_millis(250).saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(Instant::now() + pause);
    }

    pub fn set_trouble(&mut self, id: &str, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            log(&format!("{id}: {trouble}"));
            self.trouble = Some(trouble);
        }
    }
}
