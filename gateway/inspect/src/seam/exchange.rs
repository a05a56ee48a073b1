//! One exchange and its inspections: asks them in their order, waits for those that have to, and keeps the first block.
//!
//! Request and response may be under way at once, so each inspection is behind a lock, which is held for a call and never
//! while waiting.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::fields::Fields;
use super::heads::{RequestHead, ResponseHead};
use super::verdict::{Later, Verdict, Why};
use super::{Inspection, Interest, Side};

/// The inspections of one exchange.
#[derive(Default)]
pub(crate) struct Exchange {
    members: Vec<Mutex<Member>>,
}

struct Member {
    inspection: Box<dyn Inspection>,
    request: Interest,
    response: Interest,
}

impl Member {
    fn interest(&mut self, side: Side) -> &mut Interest {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

impl Exchange {
    pub(crate) fn new(inspections: Vec<Box<dyn Inspection>>) -> Self {
        let member =
            |inspection| Mutex::new(Member { inspection, request: Interest::Nothing, response: Interest::Nothing });
        Self { members: inspections.into_iter().map(member).collect() }
    }

    /// Whether nobody looks.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Shows a request's head; tells who wants its body.
    pub(crate) async fn request_head(&self, head: &mut RequestHead) -> Result<Interests, Why> {
        for member in &self.members {
            let verdict = with(member, |member| member.inspection.request_head(head));
            if let Some(changed) = settle(verdict).await? {
                *head = changed;
            }
        }
        Ok(self.interests(Side::Request))
    }

    /// Shows a response's head; tells who wants its body.
    pub(crate) async fn response_head(&self, head: &mut ResponseHead) -> Result<Interests, Why> {
        for member in &self.members {
            let verdict = with(member, |member| member.inspection.response_head(head));
            if let Some(changed) = settle(verdict).await? {
                *head = changed;
            }
        }
        Ok(self.interests(Side::Response))
    }

    /// Shows a part to those who want at least so much of the body.
    pub(crate) async fn part(&self, side: Side, from: Interest, mut part: Bytes) -> Result<Bytes, Why> {
        for member in &self.members {
            let verdict = with(member, |member| {
                let wants = *member.interest(side) >= from;
                wants.then(|| member.inspection.part(side, &part))
            });
            if let Some(verdict) = verdict
                && let Some(changed) = settle(verdict).await?
            {
                part = changed;
            }
        }
        Ok(part)
    }

    /// Shows the end to those who wanted every part; what they held back goes past those after them.
    pub(crate) async fn end(&self, side: Side, trailers: &mut Fields) -> Result<Vec<Bytes>, Why> {
        let mut tail = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            let verdict = with(member, |member| {
                let wants = *member.interest(side) >= Interest::Parts;
                wants.then(|| member.inspection.end(side, trailers))
            });
            let Some(verdict) = verdict else { continue };
            if let Some(mut last) = settle(verdict).await? {
                for next in self.members.iter().skip(index + 1) {
                    let verdict = with(next, |next| {
                        let wants = *next.interest(side) >= Interest::Parts;
                        wants.then(|| next.inspection.part(side, &last))
                    });
                    if let Some(verdict) = verdict
                        && let Some(changed) = settle(verdict).await?
                    {
                        last = changed;
                    }
                }
                tail.push(last);
            }
        }
        Ok(tail)
    }

    fn interests(&self, side: Side) -> Interests {
        let mut interests = Interests::default();
        for member in &self.members {
            let interest = with(member, |member| {
                let interest = member.inspection.interest(side);
                *member.interest(side) = interest;
                interest
            });
            interests.wants_start |= interest == Interest::Start;
            interests.most = interests.most.max(interest);
        }
        interests
    }
}

/// What the inspections of an exchange want of one body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Interests {
    /// Whether somebody wants the start alone.
    pub(crate) wants_start: bool,
    /// The most that somebody wants.
    pub(crate) most: Interest,
}

fn with<R>(member: &Mutex<Member>, does: impl FnOnce(&mut Member) -> R) -> R {
    // An inspection that panicked takes its connection with it; what it left behind is asked by nobody.
    does(&mut member.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn settle<T>(verdict: Verdict<T>) -> Result<Option<T>, Why> {
    let mut verdict = verdict;
    loop {
        let later: Later<T> = match verdict {
            Verdict::Pass => return Ok(None),
            Verdict::Change(to) => return Ok(Some(to)),
            Verdict::Block(why) => return Err(why),
            Verdict::Wait(later) => later,
        };
        verdict = later.await;
    }
}
