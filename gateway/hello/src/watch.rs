//! Frames in, ClientHellos out: every TCP direction and every QUIC client of a capture, each with its state.
//!
//! Memory is bounded, for TCP and for QUIC each: [`MAX_FLOWS`] directions, [`MAX_KEPT_BYTES`] in all of these together.
//! Beyond that the oldest gives way, and [`Watch::given_up`] says how often that cut something short.

mod flows;

use crate::client_hello::{ClientHello, Malformed};
use crate::frame::{self, Carried, Ends, Fragments};
use crate::ja4::Transport;
use crate::quic::{self, Client};
use crate::stream::Piece;

use flows::{Flows, Tcp};

/// Directions of one kind that are followed at once.
pub const MAX_FLOWS: usize = 1 << 17;

/// Bytes that wait or are undecided, in all directions of one kind together.
pub const MAX_KEPT_BYTES: usize = 1 << 27;

/// A ClientHello, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The packet that completed it.
    pub packet: u64,
    /// Client and server.
    pub ends: Ends,
    /// What carried it.
    pub transport: Transport,
    /// What it says.
    pub hello: Result<ClientHello, Malformed>,
}

/// Watches a capture.
#[derive(Default)]
pub struct Watch {
    fragments: Fragments,
    tcp: Flows<Tcp>,
    quic: Flows<Client>,
}

impl Watch {
    /// The next frame, with its number and its link type; `tell` gets what it completes.
    pub fn frame(&mut self, number: u64, link: u16, frame: &[u8], tell: &mut dyn FnMut(Hello)) {
        let Self { fragments, tcp, quic } = self;
        frame::walk(link, frame, fragments, &mut |ends, carried| match carried {
            Carried::Tcp { sequence, acknowledgement, syn, rst: _, data } => {
                let mut found = |ends, hello| tell(Hello { packet: number, ends, transport: Transport::Tcp, hello });
                if let Some(sequence) = acknowledgement {
                    tcp.update(ends.reversed(), |direction| {
                        direction.acknowledged(number, sequence, &mut |hello| found(ends.reversed(), hello));
                    });
                }
                if syn || !data.is_empty() {
                    tcp.update_or_begin(ends, |direction| {
                        direction.segment(number, sequence, syn, data, &mut |hello| found(ends, hello));
                    });
                }
            }
            Carried::Udp(datagram) => {
                if quic::looks_initial(datagram) {
                    quic.update_or_begin(ends, |client| {
                        client.datagram(datagram, &mut |hello| {
                            tell(Hello { packet: number, ends, transport: Transport::Quic, hello });
                        });
                    });
                }
            }
        });
    }

    /// No more frames: what waits for missing bytes is looked at without them.
    pub fn end(&mut self, tell: &mut dyn FnMut(Hello)) {
        self.tcp.each(|ends, direction| {
            let packet = direction.last_packet();
            direction.end(&mut |hello| tell(Hello { packet, ends, transport: Transport::Tcp, hello }));
        });
    }

    /// Directions that were given up for lack of room while they were undecided.
    pub fn given_up(&self) -> u64 {
        self.tcp.given_up() + self.quic.given_up()
    }
}

/// What a direction of a TCP connection does with a piece.
fn feed(records: &mut crate::records::Records, piece: Piece<'_>, tell: &mut dyn FnMut(crate::records::Found)) {
    match piece {
        Piece::Bytes(bytes) => records.push(bytes, tell),
        Piece::Gap => records.gap(),
    }
}
