//! The content seam: what passes an opened connection, as a stream of parts that inspections may look at, change or block.
//!
//! A connection has an [`Inspector`], an exchange (a request and its response) its [`Inspection`]s, which are asked in
//! their order; the first block decides. Who does not want a body says so at its head, and the relay then passes it on
//! without asking: large bodies cost an uninterested inspection nothing. An inspection that has to wait, for ICAP or for a
//! scanner, returns [`Verdict::Wait`], and its direction stands still meanwhile.
//!
//! Not here: reading and writing HTTP, which is `http`'s; nothing of `seam` knows which version carries an exchange.

pub mod body;
pub mod exchange;
pub mod fields;
pub mod heads;
pub mod page;
pub mod refuse;
pub mod rules;
pub mod uploads;
pub mod verdict;

use std::net::IpAddr;

use bytes::Bytes;

use fields::Fields;
use heads::{RequestHead, ResponseHead};
use verdict::{Verdict, Why};

/// What is known of a connection before its first request.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Names the connection in events and on pages.
    pub id: String,
    /// Whose it is, by name, as people read it.
    pub municipality: String,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// Who upstream has proved to be. A request that names no host means this one; without it, such a request is refused.
    pub server_name: Option<String>,
}

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the client.
    Request,
    /// From upstream.
    Response,
}

/// How much of a body an inspection asks for. Ordered by how much that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Nothing; neither its parts nor its end.
    #[default]
    Nothing,
    /// Its first [`body::START_BYTES`] in one part, or all of it if it is shorter. A response's head waits for them.
    Start,
    /// Every part, and the end. Parts may be changed, but not in their length.
    Parts,
    /// The same, and what comes out may have another length, so that none is announced.
    Rewrite,
}

/// What inspects the exchanges of one connection.
pub trait Inspector: Send + Sync {
    /// What is known of the connection.
    fn connection(&self) -> &Connection;

    /// The inspections of one exchange, in the order in which they are asked. None: nobody looks.
    fn exchange(&self) -> Vec<Box<dyn Inspection>>;

    /// An exchange was blocked; for the event. The relay has told the client, or is about to.
    fn blocked(&self, _blocked: &Blocked<'_>) {}
}

/// A blocked exchange, as an event tells it.
#[derive(Clone, Copy, Debug)]
pub struct Blocked<'b> {
    /// Which exchange: the connection's id, and the exchange's number on it. The page shows the same.
    pub id: &'b str,
    /// Which half was blocked.
    pub side: Side,
    /// The host that was asked for.
    pub host: &'b str,
    /// The path that was asked for, without its query, which may hold secrets.
    pub path: &'b str,
    /// By what, and why.
    pub why: &'b Why,
}

/// What looks at one exchange. Every method has a default that lets everything pass.
pub trait Inspection: Send {
    /// Looks at a request's head, and may change it in place.
    fn request_head(&mut self, _head: &mut RequestHead) -> Verdict<RequestHead> {
        Verdict::Pass
    }

    /// Looks at the head of the final response, and may change it in place.
    fn response_head(&mut self, _head: &mut ResponseHead) -> Verdict<ResponseHead> {
        Verdict::Pass
    }

    /// How much of the body it wants: asked once a side, after the head.
    fn interest(&self, _side: Side) -> Interest {
        Interest::Nothing
    }

    /// Looks at a part of a body.
    fn part(&mut self, _side: Side, _part: &Bytes) -> Verdict<Bytes> {
        Verdict::Pass
    }

    /// The body has ended; these are its trailers, which may be changed in place. `Change` adds a last part: what was
    /// held back.
    fn end(&mut self, _side: Side, _trailers: &mut Fields) -> Verdict<Bytes> {
        Verdict::Pass
    }
}
