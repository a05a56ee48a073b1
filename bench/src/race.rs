//! Contenders with what each is sent, and the turns they take. Sending, forwarding and receiving share one CPU, so a figure
//! is what one CPU carries, harness included.

use std::cell::Cell;

use anyhow::Result;

use crate::contender::Contender;
use crate::frame::Frame;
use crate::judge::Side;
use crate::measure::Turns;
use crate::policies::Fit;
use crate::report::Scenario;
use crate::sender::Sender;

/// What must become of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They arrive at the other side.
    Delivered,
    /// None arrives.
    Stopped,
    /// As each deserves.
    Any,
}

/// A contender and what it is sent, a batch a round.
pub struct Lane<'f> {
    contender: Contender<'f>,
    into: Side,
    batches: Vec<Sender>,
    fate: Fate,
    next: Cell<usize>,
}

impl<'f> Lane<'f> {
    /// The batches follow each other, round by round, and begin again.
    pub fn new(contender: Contender<'f>, into: Side, batches: &[&[Frame]], fate: Fate) -> Result<Self> {
        let batches = batches.iter().map(|frames| contender.sender(into, frames)).collect::<Result<_>>()?;
        Ok(Self { contender, into, batches, fate, next: Cell::new(0) })
    }

    /// Frames of any length, the same in every round.
    pub fn of_captured(contender: Contender<'f>, into: Side, frames: &[Vec<u8>], fate: Fate) -> Result<Self> {
        let batches = vec![Sender::of_captured(frames, contender.stretch.entrance(into))?];
        Ok(Self { contender, into, batches, fate, next: Cell::new(0) })
    }

    /// One round; million frames a second.
    pub fn run(&self) -> Result<f64> {
        let batch = &self.batches[self.next.replace((self.next.get() + 1) % self.batches.len())];
        match self.fate {
            Fate::Delivered => self.contender.delivered(self.into, batch),
            Fate::Stopped => self.contender.stopped(self.into, batch),
            Fate::Any => {
                let passed = self.contender.stretch.pass(self.into, batch)?;
                Ok(batch.frames() as f64 / passed.seconds / 1e6)
            }
        }
    }
}

/// A lane for a contender, if there is one.
pub fn willing<'f>(
    contender: Fit<Contender<'f>>,
    lane: impl FnOnce(Contender<'f>) -> Result<Lane<'f>>,
) -> Result<Fit<Lane<'f>>> {
    match contender {
        Ok(contender) => lane(contender).map(Ok),
        Err(why) => Ok(Err(why)),
    }
}

/// What everyone reaches, ours first.
pub fn race(
    scenario: Scenario,
    rounds: usize,
    ours: Fit<Lane<'_>>,
    floor: &Lane<'_>,
    peers: &[(&str, Fit<Lane<'_>>)],
) -> Result<Scenario> {
    let mut turns = Turns::default();
    let our_turn = ours.as_ref().map(|lane| turns.add(|| lane.run()));
    let peer_turns: Vec<_> = peers.iter().map(|(_, lane)| lane.as_ref().map(|lane| turns.add(|| lane.run()))).collect();
    let floor = turns.add(|| floor.run());
    let figures = turns.run(rounds)?;
    let scenario = scenario.floor(figures[floor]);
    let mut scenario = match our_turn {
        Ok(turn) => scenario.ours(figures[turn]),
        Err(why) => scenario.note(why),
    };
    for ((name, _), turn) in peers.iter().zip(peer_turns) {
        scenario = match turn {
            Ok(turn) => scenario.peer(*name, figures[turn]),
            Err(why) => scenario.absent(*name, why),
        };
    }
    Ok(scenario)
}
