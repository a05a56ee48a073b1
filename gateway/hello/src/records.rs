//! ClientHellos in the bytes of a TCP stream: where TLS begins, its records, the handshake messages inside them.
//!
//! TLS need not begin with the stream: STARTTLS, CONNECT and SOCKS speak plain text first. So a beginning is looked for:
//! with few demands where a segment begins, with strict ones anywhere else. After the first hello the records are followed
//! until the client sends data, because a HelloRetryRequest is answered by a second one.

use std::ops::Range;

use crate::client_hello::{CLIENT_HELLO, ClientHello, Flavour, MAX_BODY_BYTES, Malformed};

/// Bytes of one direction that are looked through for a beginning.
pub const MAX_SEARCHED_BYTES: usize = 1 << 18;

/// Most bytes that one direction keeps: the longest hello in records of one byte would be more, and is given up.
pub const MAX_KEPT_BYTES: usize = 2 * MAX_BODY_BYTES;

/// Segments whose beginnings are remembered while TLS has not begun.
const MAX_BEGINNINGS: usize = 1_024;

/// Type, version, length.
const RECORD_HEADER_BYTES: usize = 5;
/// RFC 5246 §6.2.3: plaintext, compression and cipher expansion.
const MAX_RECORD_BYTES: usize = (1 << 14) + 2_048;
const MESSAGE_HEADER_BYTES: usize = 4;
/// Version, random and the lengths of what follows.
const MIN_BODY_BYTES: usize = 34 + 1 + 2 + 1;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// A hello, or why it is none.
pub type Found = Result<ClientHello, Malformed>;

/// What a stream begins with, for whoever holds its first bytes and not the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// A ClientHello.
    Hello(Box<ClientHello>),
    /// The beginning of one: with fewer bytes than this in all there is nothing new to find.
    Unfinished {
        /// How many from the beginning of the stream.
        needed_bytes: usize,
    },
    /// A ClientHello that is broken.
    Malformed(Malformed),
    /// Something else.
    NotTls,
}

/// Reads the first bytes of a stream. Each answer but [`First::Unfinished`] is final; that one says how many bytes to
/// wait for, so that a stream in tiny pieces or tiny records is not read over and over.
pub fn first(bytes: &[u8]) -> First {
    match hello(bytes, true) {
        Here::Unfinished(needed_bytes) => First::Unfinished { needed_bytes },
        Here::Other => First::NotTls,
        Here::Hello => {
            let mut found = None;
            let mut records = Records { state: State::Following, kept: bytes.to_vec(), ..Records::default() };
            records.follow(&mut |hello| {
                found.get_or_insert(hello);
            });
            match found {
                Some(Ok(hello)) => First::Hello(Box::new(hello)),
                Some(Err(flaw)) => First::Malformed(flaw),
                None => First::NotTls,
            }
        }
    }
}

/// Looks for hellos in one direction of a connection.
#[derive(Debug, Default)]
pub struct Records {
    state: State,
    /// Bytes that are not decided yet.
    kept: Vec<u8>,
    /// Offsets in `kept` where segments begin.
    beginnings: Vec<usize>,
    searched_bytes: usize,
    /// Bytes of handshake messages that are not whole yet.
    handshake: Vec<u8>,
    /// A ChangeCipherSpec has come: what follows may be encrypted.
    may_be_encrypted: bool,
    /// So many bytes have to be kept before looking again can help.
    needed_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// TLS has not begun.
    #[default]
    Searching,
    /// At the beginning of a record.
    Following,
    /// Nothing more is expected.
    Done,
}

/// What the bytes at one place are.
enum Here {
    /// A hello, whole records.
    Hello,
    /// The beginning of one, which so many bytes at least would finish.
    Unfinished(usize),
    /// Not the beginning of one.
    Other,
}

impl Records {
    /// The next bytes of the stream, as one segment brought them.
    pub fn push(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Found)) {
        if self.state == State::Done || bytes.is_empty() {
            return;
        }
        if self.beginnings.len() < MAX_BEGINNINGS {
            self.beginnings.push(self.kept.len());
        }
        self.kept.extend_from_slice(bytes);
        if self.kept.len() >= self.needed_bytes {
            self.needed_bytes = 0;
            self.advance(tell);
        }
        if self.kept.len() > MAX_KEPT_BYTES {
            self.finish();
        }
    }

    /// Bytes are missing here: what was begun is given up, and TLS may begin after them.
    pub fn gap(&mut self) {
        if self.state != State::Done {
            self.state = State::Searching;
            self.forget(self.kept.len());
        }
    }

    /// Whether anything may still be found.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept.len()
    }

    fn advance(&mut self, tell: &mut dyn FnMut(Found)) {
        if self.state == State::Following || self.search() {
            self.follow(tell);
        }
    }

    /// Looks for the beginning of TLS; `true` if it is there.
    fn search(&mut self) -> bool {
        let mut at = 0;
        let mut unfinished = None;
        while let Some(ahead) = self.kept[at..].iter().position(|byte| *byte == HANDSHAKE) {
            at += ahead;
            let trusted = self.beginnings.binary_search(&at).is_ok();
            match hello(&self.kept[at..], trusted) {
                Here::Hello => {
                    self.forget(at);
                    self.state = State::Following;
                    return true;
                }
                // What a segment begins with is what the server reads next: nothing inside it is a beginning.
                Here::Unfinished(needed) if trusted => {
                    let first = unfinished.unwrap_or(at);
                    self.searched(first);
                    self.needed_bytes = at - first + needed;
                    return false;
                }
                Here::Unfinished(_) => {
                    unfinished.get_or_insert(at);
                    at += 1;
                }
                Here::Other => at += 1,
            }
        }
        self.searched(unfinished.unwrap_or(self.kept.len()));
        false
    }

    /// Takes the records that are whole.
    fn follow(&mut self, tell: &mut dyn FnMut(Found)) {
        let mut at = 0;
        while let Some(header) = self.kept[at..].first_chunk::<RECORD_HEADER_BYTES>() {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let payload = at + RECORD_HEADER_BYTES..at + RECORD_HEADER_BYTES + length;
            // Alerts and data: the client has begun to speak, or to complain, and there is no other hello.
            if !matches!(header[0], HANDSHAKE | CHANGE_CIPHER_SPEC) || length > MAX_RECORD_BYTES {
                self.finish();
                return;
            }
            if self.kept.len() < payload.end {
                self.needed_bytes = payload.end - at;
                break;
            }
            at = payload.end;
            if header[0] == CHANGE_CIPHER_SPEC {
                // TLS 1.3 sends one of no meaning before its second hello (RFC 8446 §D.4).
                self.may_be_encrypted = true;
                self.handshake.clear();
            } else if !self.handshake(payload, tell) {
                self.finish();
                return;
            }
        }
        self.forget(at);
    }

    /// Takes a record of handshake messages; `false` if these are none.
    fn handshake(&mut self, payload: Range<usize>, tell: &mut dyn FnMut(Found)) -> bool {
        let payload = &self.kept[payload];
        if self.may_be_encrypted && !(payload.first() == Some(&CLIENT_HELLO) && plausible(payload)) {
            return false;
        }
        self.handshake.extend_from_slice(payload);
        self.messages(tell)
    }

    /// Takes the messages that are whole; `false` if these are none.
    fn messages(&mut self, tell: &mut dyn FnMut(Found)) -> bool {
        while let Some((&[kind, high, middle, low], after)) = self.handshake.split_first_chunk() {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            if length > MAX_BODY_BYTES {
                if kind == CLIENT_HELLO {
                    tell(Err(Malformed::TooLong));
                }
                return false;
            }
            let Some(body) = after.get(..length) else { break };
            if kind == CLIENT_HELLO {
                tell(ClientHello::parse(body, Flavour::Tls));
            }
            self.handshake.drain(..MESSAGE_HEADER_BYTES + length);
        }
        true
    }

    fn searched(&mut self, bytes: usize) {
        self.searched_bytes += bytes;
        self.forget(bytes);
        if self.searched_bytes > MAX_SEARCHED_BYTES {
            self.finish();
        }
    }

    fn forget(&mut self, bytes: usize) {
        self.kept.drain(..bytes);
        self.beginnings.retain_mut(|beginning| match beginning.checked_sub(bytes) {
            Some(left) => {
                *beginning = left;
                true
            }
            None => false,
        });
    }

    fn finish(&mut self) {
        *self = Self { state: State::Done, ..Self::default() };
    }
}

/// Reads the records that begin here as far as the first handshake message goes.
fn hello(bytes: &[u8], trusted: bool) -> Here {
    let mut message = Vec::new();
    let mut rest = bytes;
    // Bytes of the message that are still to come, at least.
    let mut missing = 1;
    loop {
        // As much of the header as there is must fit.
        let fits = rest.iter().take(3).zip([HANDSHAKE..=HANDSHAKE, 3..=3, 0..=4]).all(|(byte, may)| may.contains(byte));
        if !fits {
            return Here::Other;
        }
        let Some((header, after)) = rest.split_first_chunk::<RECORD_HEADER_BYTES>() else {
            return Here::Unfinished(bytes.len() + RECORD_HEADER_BYTES - rest.len() + missing);
        };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let long_enough = trusted || !message.is_empty() || length >= MESSAGE_HEADER_BYTES + 2;
        if length == 0 || length > MAX_RECORD_BYTES || !long_enough {
            return Here::Other;
        }
        let there = &after[..length.min(after.len())];
        message.extend_from_slice(there);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) || !plausible(&message) {
            return Here::Other;
        }
        let body = message.first_chunk().map(|[_, high, middle, low]| u32::from_be_bytes([0, *high, *middle, *low]));
        let body = body.map(|body| body as usize);
        match body {
            // Too long is told by who follows the records.
            Some(body) if body > MAX_BODY_BYTES => return if trusted { Here::Hello } else { Here::Other },
            Some(body) if body < MIN_BODY_BYTES && !trusted => return Here::Other,
            _ => {}
        }
        missing = body.map_or(1, |body| (MESSAGE_HEADER_BYTES + body).saturating_sub(message.len()));
        if there.len() < length {
            return Here::Unfinished(bytes.len() + missing.max(length - there.len()));
        }
        if missing == 0 {
            let body = message.get(MESSAGE_HEADER_BYTES..MESSAGE_HEADER_BYTES + body.unwrap_or_default());
            let whole =
                body.is_some_and(|body| ClientHello::parse(body, Flavour::Tls).is_ok_and(|hello| hello.flaw.is_none()));
            return if trusted || whole { Here::Hello } else { Here::Other };
        }
        rest = &after[length..];
    }
}

/// Whether the version inside the message is one, as far as it is there.
fn plausible(message: &[u8]) -> bool {
    let version = message.get(MESSAGE_HEADER_BYTES..).unwrap_or_default();
    version.first().is_none_or(|major| *major == 3) && version.get(1).is_none_or(|minor| *minor <= 4)
}

#[cfg(test)]
mod tests;
