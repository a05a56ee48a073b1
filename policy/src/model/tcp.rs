//! The state of a TCP connection as a gateway between its ends sees it. Pure: a connection and a segment give a
//! connection and an opinion. Sequence numbers are compared modulo 2^32 (RFC 9293, 3.4).

use abi::flow::{RST_SLACK, state};

use super::packet::Segment;
use super::syn_cookies::Redeemed;

/// Where a connection stands; the numbers are those of [`abi::flow::state`], by which timeouts are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    SynSent = state::SYN_SENT,
    SynBoth = state::SYN_BOTH,
    SynReceived = state::SYN_RECEIVED,
    Established = state::ESTABLISHED,
    FinOriginator = state::FIN_ORIGINATOR,
    FinResponder = state::FIN_RESPONDER,
    Closing = state::CLOSING,
    Closed = state::CLOSED,
}

/// Who sent a segment. The originator sent the connection's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Originator,
    Responder,
}

/// A connection. Numbers are indexed by the side that sent the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) state: State,
    /// One past the highest sequence number seen.
    pub(crate) end: [u32; 2],
    /// Highest number that the other side has acknowledged.
    pub(crate) acked: [u32; 2],
    /// The gateway answered the originator itself.
    pub(crate) proxied: Option<Proxied>,
}

/// What the originator of such a connection was told, and by how much the responder's numbers differ from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    cookie: u32,
    shift: u32,
}

/// What the connection makes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// It fits.
    Fits,
    /// It begins a new connection in the place of a finished one.
    Reopens,
    /// It does not fit, and why.
    Refused(&'static str),
}

use Opinion::{Fits, Refused, Reopens};

impl Connection {
    /// The connection that a SYN begins.
    pub(crate) fn opened_by(segment: &Segment) -> Self {
        let (end, acked) = ([end_of(segment), 0], [segment.sequence, 0]);
        Self { state: State::SynSent, end, acked, proxied: None }
    }

    /// The connection that a SYN began of which only a cookie has told.
    pub(crate) fn redeemed(redeemed: Redeemed) -> Self {
        let Redeemed { start, cookie } = redeemed;
        let syn = Segment { syn: true, sequence: start, ..Segment::default() };
        Self { proxied: Some(Proxied { cookie, shift: 0 }), ..Self::opened_by(&syn) }
    }

    /// The connection that the inspector terminates: its handshake is not seen here.
    pub(crate) fn inspected(segment: &Segment) -> Self {
        Self { state: State::Established, ..Self::opened_by(segment) }
    }

    /// Judges a segment from one side and moves on.
    pub(crate) fn receive(&mut self, from: Side, segment: &Segment) -> Opinion {
        match self.proxied {
            Some(proxied) => self.receive_proxied(proxied, from, segment),
            None => self.receive_own(from, segment),
        }
    }

    /// Takes the segment for one in the responder's own numbers.
    fn receive_proxied(&mut self, Proxied { cookie, shift }: Proxied, from: Side, segment: &Segment) -> Opinion {
        match (from, self.state) {
            (Side::Responder, State::SynSent) => {
                let place = match segment {
                    Segment { rst: true, .. } => cookie.wrapping_add(1),
                    Segment { syn: true, ack: true, .. } => cookie,
                    _ => return Refused("neither SYN-ACK nor RST in answer to the SYN"),
                };
                self.proxied = Some(Proxied { cookie, shift: place.wrapping_sub(segment.sequence) });
                self.receive_own(from, segment)
            }
            (Side::Originator, State::SynSent) if !segment.rst => {
                // The responder has not answered: whatever the originator sends asks it once more.
                match !segment.syn && segment.acknowledgement == cookie.wrapping_add(1) {
                    true => Fits,
                    false => Refused("not what the cookie's client can send"),
                }
            }
            (Side::Originator, _) => {
                let acknowledgement = segment.acknowledgement.wrapping_sub(shift);
                self.receive_own(from, &Segment { acknowledgement, ..*segment })
            }
            (Side::Responder, _) => self.receive_own(from, segment),
        }
    }

    fn receive_own(&mut self, from: Side, segment: &Segment) -> Opinion {
        let is_finished = matches!(self.state, State::Closing | State::Closed);
        match segment {
            Segment { syn: true, ack: false, .. } if is_finished => Reopens,
            Segment { rst: true, .. } => self.reset(from, segment),
            Segment { syn: true, ack: false, .. } => self.syn(from, segment),
            Segment { syn: true, .. } => self.syn_ack(from, segment),
            Segment { ack: false, .. } => Refused("neither SYN nor RST, yet without ACK"),
            _ => self.ack(from, segment),
        }
    }

    /// The same for an inspected connection, of which only the originator's side passes here: nothing is refused.
    pub(crate) fn receive_inspected(&mut self, segment: &Segment) -> Opinion {
        let is_finished = matches!(self.state, State::Closing | State::Closed);
        match segment {
            Segment { syn: true, ack: false, .. } if is_finished => return Reopens,
            Segment { rst: true, .. } => self.state = State::Closed,
            Segment { fin: true, .. } => self.state = State::FinOriginator,
            _ => {}
        }
        Fits
    }

    fn reset(&mut self, from: Side, segment: &Segment) -> Opinion {
        let believed = match (self.state, from) {
            (State::Closed, _) => true,
            // The answer of a closed port: it has sent nothing yet, so only its acknowledgement can be checked.
            (State::SynSent, Side::Responder) => segment.ack && self.acknowledges_news(Side::Originator, segment),
            (_, from) => self.is_near(from, segment.sequence),
        };
        if !believed {
            return Refused("RST with numbers that its sender cannot have meant");
        }
        self.state = State::Closed;
        Fits
    }

    fn syn(&mut self, from: Side, segment: &Segment) -> Opinion {
        match (self.state, from) {
            (State::SynSent, Side::Originator) => self.start(from, segment),
            (State::SynSent, Side::Responder) => {
                self.start(from, segment);
                self.state = State::SynBoth;
            }
            _ => {}
        }
        Fits
    }

    fn syn_ack(&mut self, from: Side, segment: &Segment) -> Opinion {
        match (self.state, from) {
            (State::SynSent | State::SynReceived, Side::Originator) => {
                return Refused("SYN-ACK from the side that sent the SYN");
            }
            (State::SynSent | State::SynReceived, Side::Responder) => {
                // The same SYN-ACK again is a retransmission: its acknowledgement has got lost.
                let is_again = self.state == State::SynReceived && segment.acknowledgement == self.acked[0];
                if !is_again && !self.acknowledges_news(Side::Originator, segment) {
                    return Refused("SYN-ACK that does not acknowledge the SYN");
                }
                self.start(from, segment);
                self.acked[Side::Originator as usize] = segment.acknowledgement;
                self.state = State::SynReceived;
            }
            (State::SynBoth, from) => {
                self.acked[other(from) as usize] = segment.acknowledgement;
                self.state = State::SynReceived;
            }
            (State::Closed, _) => return Refused("the connection was reset"),
            _ => {}
        }
        Fits
    }

    fn ack(&mut self, from: Side, segment: &Segment) -> Opinion {
        match (self.state, from) {
            (State::SynSent, Side::Originator) => return Refused("data before the handshake"),
            (State::SynSent, Side::Responder) if segment.fin => return Refused("FIN before the handshake"),
            // A challenge ACK (RFC 5961) from an end that remembers an older connection; the originator resets it.
            (State::SynSent, Side::Responder) => return Fits,
            (State::SynBoth, _) => return Refused("data before the handshake"),
            (State::Closed, _) => return Refused("the connection was reset"),
            (State::SynReceived, Side::Originator) => self.state = State::Established,
            _ => {}
        }
        self.follow(from, segment);
        if segment.fin {
            self.state = match (self.state, from) {
                (State::Established, Side::Originator) => State::FinOriginator,
                (State::Established, Side::Responder) => State::FinResponder,
                (State::FinOriginator, Side::Responder) | (State::FinResponder, Side::Originator) => State::Closing,
                (unchanged, _) => unchanged,
            };
        }
        Fits
    }

    /// Both numbers anew from a side's SYN.
    fn start(&mut self, from: Side, segment: &Segment) {
        self.end[from as usize] = end_of(segment);
        self.acked[from as usize] = segment.sequence;
    }

    /// Takes note of how far the sender's stream and the acknowledged part of the other's have come.
    fn follow(&mut self, from: Side, segment: &Segment) {
        let (sender, receiver) = (from as usize, other(from) as usize);
        let end = end_of(segment);
        let ahead = end.wrapping_sub(self.end[sender]);
        if is_before(self.end[sender], end) && ahead <= MOST_AHEAD {
            self.end[sender] = end;
        }
        let ack = segment.acknowledgement;
        if is_before(self.acked[receiver], ack) && !is_before(self.end[receiver], ack) {
            self.acked[receiver] = ack;
        }
    }

    /// Whether the segment acknowledges more of a side's stream than was acknowledged, and no more than was sent.
    fn acknowledges_news(&self, of: Side, segment: &Segment) -> bool {
        let ack = segment.acknowledgement;
        is_before(self.acked[of as usize], ack) && !is_before(self.end[of as usize], ack)
    }

    /// Whether a number lies in what the sender may still be sending (against blind resets, RFC 5961).
    fn is_near(&self, from: Side, sequence: u32) -> bool {
        let (acked, end) = (self.acked[from as usize], self.end[from as usize]);
        sequence.wrapping_sub(acked) <= end.wrapping_sub(acked).saturating_add(RST_SLACK)
    }
}

/// One past the last number that a segment takes: data, SYN and FIN count.
fn end_of(segment: &Segment) -> u32 {
    segment
        .sequence
        .wrapping_add(segment.payload_len)
        .wrapping_add(u32::from(segment.syn))
        .wrapping_add(u32::from(segment.fin))
}

fn is_before(a: u32, b: u32) -> bool {
    b.wrapping_sub(a).cast_signed() > 0
}

fn other(side: Side) -> Side {
    match side {
        Side::Originator => Side::Responder,
        Side::Responder => Side::Originator,
    }
}

/// A segment further ahead than any window (RFC 7323 allows a GiB, nobody uses it) does not move the numbers.
const MOST_AHEAD: u32 = 1 << 24;

#[cfg(test)]
#[path = "tcp/tests.rs"]
mod tests;
