//! The two readers: bytes in, heads, parts and ends out. No IO, and the same whichever way the bytes are cut.

use bytes::{Bytes, BytesMut};

use super::chunks::{self, Chunks, Piece};
use super::framing::Framing;
use super::lines::{MAX_REQUEST_LINE, MAX_RESPONSE_LINE, Scan};
use super::request::Request;
use super::response::{Asked, Kind, Response};
use crate::http::refusal::Refusal;
use crate::seam::fields::Fields;

/// Interim responses before a final one: a few early hints and 100.
const MAX_INTERIM: u32 = 32;

/// What a reader has read.
#[derive(Debug)]
pub(crate) enum Event<H> {
    /// A head. Boxed: a reader is asked for parts far more often.
    Head(Box<H>),
    /// A part of the body, never empty.
    Part(Bytes),
    /// The end of the message, and its trailers.
    End(Fields),
}

/// Reads the requests of a connection.
#[derive(Debug)]
pub(crate) struct Requests {
    state: State,
    /// Whether the one empty line that may come before a request has come.
    had_empty_line: bool,
    /// The host of requests that name none.
    name: Option<String>,
}

/// Reads the responses of a connection, each for the request that it answers.
#[derive(Debug)]
pub(crate) struct Responses {
    state: State,
    interim: u32,
}

#[derive(Debug)]
enum State {
    Head(Scan),
    Nothing,
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl State {
    fn of(framing: &Framing) -> Self {
        match framing {
            Framing::Nothing | Framing::Length(0) => Self::Nothing,
            Framing::Length(length) => Self::Length(*length),
            Framing::Chunked(_) => Self::Chunked(Chunks::new()),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// The next piece of a body.
    fn piece(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, Refusal> {
        match self {
            Self::Head(_) => Ok(None),
            Self::Nothing | Self::Length(0) => Ok(Some(Piece::End(Fields::default()))),
            Self::Length(_) | Self::UntilClose if input.is_empty() => Ok(None),
            Self::Length(left) => Ok(Some(Piece::Part(chunks::take(input, left)))),
            Self::UntilClose => Ok(Some(Piece::Part(input.split().freeze()))),
            Self::Chunked(chunks) => chunks.next(input),
        }
    }
}

impl Requests {
    pub(crate) fn new(name: Option<String>) -> Self {
        Self { state: State::Head(Scan::head(MAX_REQUEST_LINE)), had_empty_line: false, name }
    }

    /// The next of what is there; `None` if more is needed.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event<Request>>, Refusal> {
        let State::Head(scan) = &mut self.state else {
            let piece = self.state.piece(input)?;
            if let Some(Piece::End(_)) = piece {
                self.state = State::Head(Scan::head(MAX_REQUEST_LINE));
            }
            return Ok(piece.map(Event::of));
        };
        if !self.had_empty_line {
            if input.starts_with(b"\r\n") {
                let _ = input.split_to(2);
                self.had_empty_line = true;
            } else if input.as_ref() == b"\r" {
                return Ok(None);
            }
        }
        let Some(end) = scan.end(input)? else {
            return Ok(None);
        };
        let request = Request::parse(&input.split_to(end), self.name.as_deref())?;
        self.had_empty_line = false;
        self.state = State::of(&request.framing);
        Ok(Some(Event::Head(Box::new(request))))
    }

    /// Whether a next request has begun and its head is not whole.
    pub(crate) fn is_inside_head(&self, input: &BytesMut) -> bool {
        matches!(self.state, State::Head(_)) && !input.is_empty()
    }

    /// Whether nothing of a next request has come: the client may go.
    pub(crate) fn is_between(&self, input: &BytesMut) -> bool {
        matches!(self.state, State::Head(_)) && input.is_empty()
    }
}

impl Responses {
    pub(crate) fn new() -> Self {
        Self { state: State::Head(Scan::head(MAX_RESPONSE_LINE)), interim: 0 }
    }

    /// The next of what is there; `None` if more is needed.
    pub(crate) fn next(&mut self, input: &mut BytesMut, asked: &Asked) -> Result<Option<Event<Response>>, Refusal> {
        let State::Head(scan) = &mut self.state else {
            let piece = self.state.piece(input)?;
            if let Some(Piece::End(_)) = piece {
                *self = Self::new();
            }
            return Ok(piece.map(Event::of));
        };
        let Some(end) = scan.end(input)? else {
            return Ok(None);
        };
        let response = Response::parse(&input.split_to(end), asked)?;
        self.state = match response.kind {
            Kind::Interim => {
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Refusal::Interim);
                }
                State::Head(Scan::head(MAX_RESPONSE_LINE))
            }
            Kind::Switch | Kind::Final => State::of(&response.framing),
        };
        Ok(Some(Event::Head(Box::new(response))))
    }

    /// Upstream has closed: the end of a body that ends so.
    pub(crate) fn close(&mut self) -> Result<Fields, Refusal> {
        match self.state {
            State::UntilClose => {
                *self = Self::new();
                Ok(Fields::default())
            }
            _ => Err(Refusal::Truncated),
        }
    }
}

impl<H> Event<H> {
    fn of(piece: Piece) -> Self {
        match piece {
            Piece::Part(part) => Self::Part(part),
            Piece::End(trailers) => Self::End(trailers),
        }
    }
}
