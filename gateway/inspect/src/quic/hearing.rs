//! A client's datagrams until its hello is whole, in order and within bounds. Pure: no clock, no socket.
//!
//! It goes on after the first hello: datagrams that may begin another connection between the same ends are held again until
//! that one's hello is whole, so that a name that is let through does not open the way for another. A Retry, or a second
//! hello that the server has asked for, looks like that too.

use std::sync::Arc;

use hello::Transport;
use hello::quic::{Begins, Client, begins};
use quinn_udp::EcnCodepoint;

use crate::opening::TlsHello;

/// Datagrams that are held: hellos of today take two, and what comes early in a resumed connection a few more.
const MOST_HELD: usize = 32;
const MOST_HELD_BYTES: usize = 40 << 10;

/// A datagram on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub bytes: Vec<u8>,
    pub ecn: Option<EcnCodepoint>,
}

/// One client's side.
#[derive(Default)]
pub struct Hearing {
    client: Client,
    held: Vec<Datagram>,
    held_bytes: usize,
    /// Something of it was decided.
    is_settled: bool,
    /// It began as something else than QUIC.
    is_other: bool,
}

/// What a datagram comes to.
#[derive(Debug)]
pub enum Heard {
    /// More must come before anything can be said.
    Waiting,
    /// Nothing about it needs to be decided: it goes the way of those before it.
    Passes,
    /// A hello is whole.
    Hello(Arc<TlsHello>),
    /// It is not QUIC, or none that has begun here.
    Other,
    /// It may not go on: nobody can say what the server would hear, or it would be too much.
    Malformed,
}

impl Hearing {
    /// Takes a datagram and holds it until it is [released](Self::release).
    pub fn take(&mut self, datagram: Datagram) -> Heard {
        let begins = begins(&datagram.bytes);
        let is_first = self.held.is_empty() && !self.is_settled;
        let fits = self.held.len() < MOST_HELD && self.held_bytes + datagram.bytes.len() <= MOST_HELD_BYTES;
        match begins {
            Begins::Initial if !fits => Heard::Malformed,
            Begins::Initial => {
                let mut told = None;
                self.client.datagram(&datagram.bytes, &mut |hello| told = Some(hello));
                self.hold(datagram);
                match told {
                    _ if self.client.has_given_up() => Heard::Malformed,
                    Some(Ok(hello)) => {
                        let hello = TlsHello::new(&hello, Transport::Quic);
                        hello.map_or(Heard::Malformed, |hello| Heard::Hello(Arc::new(hello)))
                    }
                    Some(Err(_)) => Heard::Malformed,
                    None => self.undecided(),
                }
            }
            Begins::UnknownVersion | Begins::Short if is_first => {
                self.is_other = true;
                self.hold(datagram);
                Heard::Other
            }
            // In QUIC there might be another hello in it, which the server can read and we cannot.
            Begins::UnknownVersion if !self.is_other => Heard::Waiting,
            Begins::Long | Begins::Short | Begins::UnknownVersion => {
                if fits {
                    self.hold(datagram);
                }
                self.undecided()
            }
        }
    }

    /// What is held, which has been decided.
    pub fn release(&mut self) -> Vec<Datagram> {
        self.is_settled = true;
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// An Initial among what is held, to answer.
    pub fn initial(&self) -> Option<&[u8]> {
        self.held.iter().map(|held| held.bytes.as_slice()).find(|bytes| begins(bytes) == Begins::Initial)
    }

    fn hold(&mut self, datagram: Datagram) {
        self.held_bytes += datagram.bytes.len();
        self.held.push(datagram);
    }

    fn undecided(&self) -> Heard {
        if self.is_settled && !self.client.is_undecided() { Heard::Passes } else { Heard::Waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::super::initial::{Client, initial};
    use super::*;

    /// An Initial of a client of this id, as a datagram: a part of its hello for `name`.
    fn part(id: u8, name: &str, part: std::ops::Range<usize>) -> Datagram {
        let hello = Client::new(name).hello;
        let end = part.end.min(hello.len());
        let bytes = initial(&[id; 8], part.start as u64, part.start, &hello[part.start..end]);
        Datagram { bytes, ecn: None }
    }

    const ALL: std::ops::Range<usize> = 0..usize::MAX;

    fn name(heard: Heard) -> Option<String> {
        match heard {
            Heard::Hello(hello) => hello.sni.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_hello_in_pieces_is_held_in_order_until_it_is_whole() {
        let mut hearing = Hearing::default();
        let early = Datagram { bytes: [&[0xd0, 0, 0, 0, 1, 0, 0, 20], [0; 20].as_slice()].concat(), ecn: None };
        let parts = [early, part(1, "www.example.jp", 100..usize::MAX), part(1, "www.example.jp", 0..100)];
        assert!(matches!(hearing.take(parts[0].clone()), Heard::Waiting));
        assert!(matches!(hearing.take(parts[1].clone()), Heard::Waiting));
        assert_eq!(name(hearing.take(parts[2].clone())).as_deref(), Some("www.example.jp"));
        assert_eq!(hearing.initial(), Some(parts[1].bytes.as_slice()));
        assert_eq!(hearing.release(), parts);
    }

    #[test]
    fn another_connection_between_the_same_ends_is_held_again() {
        let mut hearing = Hearing::default();
        assert_eq!(name(hearing.take(part(1, "www.bank.example", ALL))).as_deref(), Some("www.bank.example"));
        hearing.release();
        // A Retry gives another id and the same hello.
        assert!(matches!(hearing.take(part(2, "www.bank.example", ALL)), Heard::Passes));
        assert_eq!(hearing.release().len(), 1);
        assert!(matches!(hearing.take(part(3, "www.example.jp", 0..100)), Heard::Waiting));
        let short = Datagram { bytes: vec![0x40; 50], ecn: None };
        assert!(matches!(hearing.take(short), Heard::Waiting), "nothing of what may follow goes on");
        assert_eq!(name(hearing.take(part(3, "www.example.jp", 100..usize::MAX))).as_deref(), Some("www.example.jp"));
        let unknown = Datagram { bytes: vec![0xca; 1_200], ecn: None };
        assert!(matches!(hearing.take(unknown), Heard::Waiting));
        assert_eq!(hearing.release().len(), 3, "what nobody can read is not passed on");
    }

    #[test]
    fn what_is_no_quic_passes_until_it_becomes_some() {
        let mut hearing = Hearing::default();
        let other = |first| Datagram { bytes: vec![first; 50], ecn: None };
        assert!(matches!(hearing.take(other(0x17)), Heard::Other));
        hearing.release();
        for first in [0x17, 0x40, 0xca] {
            assert!(matches!(hearing.take(other(first)), Heard::Passes));
            assert_eq!(hearing.release().len(), 1);
        }
        assert!(matches!(hearing.take(part(1, "www.example.jp", ALL)), Heard::Hello(_)));
    }

    #[test]
    fn what_is_held_is_bounded() {
        // More connections begun than anybody follows: the server may have heard one that was forgotten here.
        let mut hearing = Hearing::default();
        let heard: Vec<_> = (0..20).map(|id| hearing.take(part(id, "www.example.jp", 0..50))).collect();
        assert!(matches!(heard[7], Heard::Waiting) && matches!(heard[8], Heard::Malformed), "{heard:?}");
        // The same piece again and again.
        let mut hearing = Hearing::default();
        let mut count = 0;
        while matches!(hearing.take(part(1, "www.example.jp", 0..50)), Heard::Waiting) {
            count += 1;
            assert!(hearing.held_bytes <= MOST_HELD_BYTES);
        }
        assert_eq!(count, MOST_HELD);
        // A piece too far ahead to be kept.
        let mut hearing = Hearing::default();
        let far = Datagram { bytes: initial(&[1; 8], 0, 1 << 20, &[0; 50]), ecn: None };
        assert!(matches!(hearing.take(far), Heard::Malformed));
    }

    #[test]
    fn of_two_pieces_for_one_place_the_first_counts() {
        let mut hearing = Hearing::default();
        let hello = Client::new("www.bank.example").hello;
        let at = hello.windows(16).position(|bytes| bytes == b"www.bank.example").unwrap();
        let lie = [&hello[..at], b"www.game.example".as_slice()].concat();
        let datagram =
            |number, offset: usize, data: &[u8]| Datagram { bytes: initial(&[1; 8], number, offset, data), ecn: None };
        assert!(matches!(hearing.take(datagram(0, 1, &lie[1..])), Heard::Waiting));
        assert!(matches!(hearing.take(datagram(1, 1, &hello[1..])), Heard::Waiting));
        assert_eq!(name(hearing.take(datagram(2, 0, &hello[..1]))).as_deref(), Some("www.game.example"));
    }
}
