//! ClientHellos in QUIC: the Initial packets of a client, whose keys everybody can know (RFC 9001 §5.2).
//!
//! The keys come from the connection id that the client chose first, and from its version. They are tried, not guessed:
//! what does not decrypt is a server's packet, or none. A Retry makes the client begin again with other keys and the same
//! hello, which is told once.

mod keys;
mod packet;
mod refusal;
#[cfg(test)]
mod tests;

use keys::Keys;
use packet::Initial;

use crate::assembly::Assembly;
use crate::client_hello::{CLIENT_HELLO, ClientHello, Flavour, MAX_BODY_BYTES, Malformed};

pub use packet::{Begins, begins, looks_initial};
pub use refusal::refusal;

/// Sets of keys that one pair of ends may go through: Retry, version negotiation, a port used again.
const MAX_ATTEMPTS: usize = 8;

/// The client's side of the connections between two ends.
#[derive(Default)]
pub struct Client {
    attempts: Vec<Attempt>,
    /// The last hello, to know it again.
    last: Vec<u8>,
    has_given_up: bool,
}

/// One set of keys, and what came under it.
struct Attempt {
    keys: Keys,
    crypto: Assembly,
    /// In order, and not told yet.
    handshake: Vec<u8>,
    largest_number: u64,
}

impl Client {
    /// The next datagram from the client's end; `tell` gets what it completes.
    pub fn datagram(&mut self, datagram: &[u8], tell: &mut dyn FnMut(Result<ClientHello, Malformed>)) {
        for initial in packet::initials(datagram) {
            if let Some((at, frames)) = self.open(&initial) {
                let attempt = &mut self.attempts[at];
                let Attempt { crypto, handshake, .. } = attempt;
                let mut is_kept = true;
                packet::crypto_frames(&frames, &mut |offset, data| {
                    // A client that sends more pieces than wait is not listened to any more.
                    is_kept &= offset <= crypto.next() + MAX_BODY_BYTES as u64
                        && crypto
                            .insert(offset, data, MAX_BODY_BYTES, &mut |bytes| handshake.extend_from_slice(bytes))
                            .is_ok();
                });
                self.has_given_up |= !is_kept;
                Self::messages(handshake, &mut self.last, tell);
            }
        }
    }

    /// Bytes that are kept.
    pub fn kept_bytes(&self) -> usize {
        let waiting = self.attempts.iter().map(|it| it.crypto.waiting_bytes() + it.handshake.len());
        self.last.len() + waiting.sum::<usize>()
    }

    /// Whether a hello has begun and is not whole.
    pub fn is_undecided(&self) -> bool {
        self.attempts.iter().any(|it| it.crypto.waiting_bytes() + it.handshake.len() > 0)
    }

    /// Whether something was not kept that may have been a hello: its server may have heard another one than was told.
    pub fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// The packet's frames, and which keys opened it.
    fn open(&mut self, initial: &Initial<'_>) -> Option<(usize, Vec<u8>)> {
        for (at, attempt) in self.attempts.iter_mut().enumerate().rev() {
            if let Some((number, frames)) = attempt.keys.open(initial, attempt.largest_number) {
                attempt.largest_number = attempt.largest_number.max(number);
                return Some((at, frames));
            }
        }
        let keys = Keys::of_client(initial.version, initial.destination_id)?;
        let (largest_number, frames) = keys.open(initial, 0)?;
        if self.attempts.len() == MAX_ATTEMPTS {
            self.attempts.remove(0);
            self.has_given_up = true;
        }
        self.attempts.push(Attempt { keys, crypto: Assembly::default(), handshake: Vec::new(), largest_number });
        Some((self.attempts.len() - 1, frames))
    }

    fn messages(handshake: &mut Vec<u8>, last: &mut Vec<u8>, tell: &mut dyn FnMut(Result<ClientHello, Malformed>)) {
        while let Some((&[kind, high, middle, low], after)) = handshake.split_first_chunk() {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MAX_BODY_BYTES {
                handshake.clear();
                if kind == CLIENT_HELLO {
                    tell(Err(Malformed::TooLong));
                }
                return;
            }
            let Some(body) = after.get(..length) else { return };
            if kind == CLIENT_HELLO && body != last.as_slice() {
                *last = body.to_vec();
                tell(ClientHello::parse(body, Flavour::Tls));
            }
            handshake.drain(..4 + length);
        }
    }
}
