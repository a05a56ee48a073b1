//! Directions by their ends, bounded in number and in bytes.

use std::collections::{HashMap, VecDeque};

use super::{MAX_FLOWS, MAX_KEPT_BYTES, feed};
use crate::frame::Ends;
use crate::quic::Client;
use crate::records::{Found, Records};
use crate::stream::Stream;

/// What is known of one direction.
pub(super) trait Flow: Default {
    /// Bytes that it keeps.
    fn kept_bytes(&self) -> usize;
    /// Whether giving it up may lose a hello.
    fn is_undecided(&self) -> bool;
}

/// Directions, the oldest of which gives way.
pub(super) struct Flows<F> {
    by_ends: HashMap<Ends, F>,
    ages: VecDeque<Ends>,
    kept_bytes: usize,
    given_up: u64,
}

impl<F> Default for Flows<F> {
    fn default() -> Self {
        Self { by_ends: HashMap::new(), ages: VecDeque::new(), kept_bytes: 0, given_up: 0 }
    }
}

impl<F: Flow> Flows<F> {
    pub(super) fn update_or_begin(&mut self, ends: Ends, change: impl FnOnce(&mut F)) {
        if !self.by_ends.contains_key(&ends) {
            while self.by_ends.len() >= MAX_FLOWS {
                self.give_up_oldest();
            }
            self.by_ends.insert(ends, F::default());
            self.ages.push_back(ends);
        }
        self.update(ends, change);
        while self.kept_bytes > MAX_KEPT_BYTES {
            self.give_up_oldest();
        }
    }

    pub(super) fn update(&mut self, ends: Ends, change: impl FnOnce(&mut F)) {
        let Some(flow) = self.by_ends.get_mut(&ends) else { return };
        let before = flow.kept_bytes();
        change(flow);
        self.kept_bytes = self.kept_bytes + flow.kept_bytes() - before;
    }

    pub(super) fn each(&mut self, mut change: impl FnMut(Ends, &mut F)) {
        for ends in &self.ages {
            if let Some(flow) = self.by_ends.get_mut(ends) {
                change(*ends, flow);
            }
        }
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    fn give_up_oldest(&mut self) {
        let Some(flow) = self.ages.pop_front().and_then(|ends| self.by_ends.remove(&ends)) else {
            self.kept_bytes = 0;
            return;
        };
        self.kept_bytes -= flow.kept_bytes();
        self.given_up += u64::from(flow.is_undecided());
    }
}

/// One direction of a TCP connection.
#[derive(Default)]
pub(super) struct Tcp {
    stream: Stream,
    records: Records,
    last_packet: u64,
}

impl Tcp {
    pub(super) fn segment(&mut self, packet: u64, sequence: u32, syn: bool, data: &[u8], tell: &mut dyn FnMut(Found)) {
        if syn && self.stream.syn(sequence) {
            self.end(tell);
            *self = Self::default();
            self.stream.syn(sequence);
        }
        if self.records.is_done() {
            return;
        }
        self.last_packet = packet;
        // The SYN takes a number; data may come with it (RFC 7413).
        let sequence = sequence.wrapping_add(syn.into());
        let Self { stream, records, .. } = self;
        stream.segment(sequence, data, &mut |piece| feed(records, piece, tell));
        self.tidy();
    }

    pub(super) fn acknowledged(&mut self, packet: u64, sequence: u32, tell: &mut dyn FnMut(Found)) {
        if self.stream.waiting_bytes() == 0 {
            return;
        }
        self.last_packet = packet;
        let Self { stream, records, .. } = self;
        stream.acknowledged(sequence, &mut |piece| feed(records, piece, tell));
        self.tidy();
    }

    pub(super) fn end(&mut self, tell: &mut dyn FnMut(Found)) {
        let Self { stream, records, .. } = self;
        stream.end(&mut |piece| feed(records, piece, tell));
    }

    pub(super) fn last_packet(&self) -> u64 {
        self.last_packet
    }

    /// A direction that is done needs no order any more, only to be known as done.
    fn tidy(&mut self) {
        if self.records.is_done() {
            self.stream.stop();
        }
    }
}

impl Flow for Tcp {
    fn kept_bytes(&self) -> usize {
        self.stream.waiting_bytes() + self.records.kept_bytes()
    }

    fn is_undecided(&self) -> bool {
        self.kept_bytes() > 0
    }
}

impl Flow for Client {
    fn kept_bytes(&self) -> usize {
        self.kept_bytes()
    }

    fn is_undecided(&self) -> bool {
        self.is_undecided()
    }
}
