//! Who is answered next: requests in their order, and what the gateway itself answers, in its place among them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::response::Asked;
use super::upward::Stopped;
use crate::http::End;
use crate::seam::exchange::Exchange;

/// Requests that may wait for their responses. Browsers send one; the rest waits in the client's socket.
const PIPELINED: usize = 16;

/// What both directions share.
#[derive(Default)]
pub(crate) struct Turns {
    state: Mutex<State>,
    /// Something for the downward direction.
    asked: Notify,
    /// Something for the upward direction.
    answered: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Turn>,
    cut: Option<(u64, Answer)>,
    switches: Option<bool>,
    stopped: Option<Stopped>,
}

/// One that waits.
#[derive(Clone)]
pub(crate) enum Turn {
    /// For upstream's response.
    Asking(Arc<Asking>),
    /// For us.
    Answer(Answer),
}

/// A request that went upstream.
pub(crate) struct Asking {
    pub(crate) number: u64,
    pub(crate) asked: Asked,
    /// Whether no other request follows.
    pub(crate) is_last: bool,
    pub(crate) exchange: Exchange,
    /// What a page and an event about it need; empty where nobody looks.
    pub(crate) about: About,
}

/// Where a request went, and how its client wants to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) json: bool,
}

/// An answer of ours.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Bytes,
    /// Why the connection ends with it, if it does.
    pub(crate) closes: Option<End>,
}

/// What there is to do for the downward direction.
pub(crate) enum Next {
    Turn(Turn),
    Nothing,
    Stopped(Stopped),
}

impl Turns {
    /// Takes a place in the queue, which [`Self::room`] found room in.
    pub(crate) fn push(&self, turn: Turn) {
        self.state().waiting.push_back(turn);
        self.asked.notify_one();
    }

    /// Whether there is room in the queue.
    pub(crate) fn has_room(&self) -> bool {
        self.state().waiting.len() < PIPELINED
    }

    /// Waits for room.
    pub(crate) async fn room(&self) {
        while !self.has_room() {
            self.answered.notified().await;
        }
    }

    /// The rest of this request does not come; this is what its client gets instead of a response, if none has begun.
    pub(crate) fn cut(&self, number: u64, answer: Answer) {
        self.state().cut = Some((number, answer));
        self.asked.notify_one();
    }

    /// The answer to a request that was cut.
    pub(crate) fn cut_of(&self, number: u64) -> Option<Answer> {
        let state = self.state();
        state.cut.as_ref().filter(|(cut, _)| *cut == number).map(|(_, answer)| answer.clone())
    }

    /// The first in the queue.
    pub(crate) fn next(&self) -> Next {
        let state = self.state();
        match (state.waiting.front(), state.stopped) {
            (Some(turn), _) => Next::Turn(turn.clone()),
            (None, Some(stopped)) => Next::Stopped(stopped),
            (None, None) => Next::Nothing,
        }
    }

    /// The first in the queue is answered.
    pub(crate) fn pop(&self) {
        let mut state = self.state();
        state.waiting.pop_front();
        drop(state);
        self.answered.notify_one();
    }

    /// No more requests, and why.
    pub(crate) fn stop(&self, why: Stopped) {
        self.state().stopped = Some(why);
        self.asked.notify_one();
    }

    /// Why there are no more requests.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.state().stopped
    }

    /// Waits for something to have changed for the downward direction.
    pub(crate) async fn changed(&self) {
        self.asked.notified().await;
    }

    /// Whether the protocols that a request offered are switched to.
    pub(crate) fn decide(&self, switches: bool) {
        self.state().switches = Some(switches);
        self.answered.notify_one();
    }

    /// Waits for that decision.
    pub(crate) async fn switches(&self) -> bool {
        loop {
            if let Some(switches) = self.state().switches.take() {
                return switches;
            }
            self.answered.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
