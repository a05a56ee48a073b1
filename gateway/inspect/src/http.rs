//! The HTTP relay: between the decrypted side of a client and the verified side of its one upstream connection.
//!
//! Upstream was connected with the client's protocols, so both sides speak the same version, and there is one upstream
//! connection a client connection: nothing is pooled, so nobody's request comes out of another's connection. Bodies are
//! streamed, and a side that is read waits for the side that is written; nothing keeps a whole one.
//!
//! No `Via` and no `Forwarded` are added. RFC 9110 §7.6.3 wants `Via` of a proxy, but who reads it elsewhere would learn
//! which networks are inspected, and common servers stop compressing for whoever sends it (nginx's `gzip_proxied`).
//!
//! Not here: TLS, names, sockets, deadlines; what may pass (`seam`).

pub(crate) mod authority;
pub(crate) mod h1;
mod h2;
mod refusal;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::seam::{Inspector, Side};

pub use h1::rehearsal::Rehearsal;
pub use refusal::Refusal;

/// What both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    H1,
    /// HTTP/2.
    H2,
}

/// What a relayed connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes read from the client.
    pub from_client: u64,
    /// Bytes written to the client.
    pub to_client: u64,
    /// Requests, refused and blocked ones included.
    pub requests: u64,
    /// Exchanges that an inspection blocked.
    pub blocked: u64,
    /// Why it ended.
    pub end: End,
}

/// Why a relayed connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed it between two requests.
    ClientClosed,
    /// Upstream closed it between two responses, or instead of one.
    UpstreamClosed,
    /// One side had said that this message is its last.
    LastMessage,
    /// The client sent what is not HTTP, or what two servers could read in two ways.
    Refused(Refusal),
    /// Upstream did.
    Malformed(Refusal),
    /// An inspection blocked an exchange in a place where the connection cannot go on.
    Blocked,
    /// One side broke HTTP/2, which has a number for how.
    Protocol(Side, u32),
    /// One side failed, or went away inside a message.
    Failed(Side, io::ErrorKind),
}

/// What [`relay`] may take, a connection, before the first message and but for the streams themselves: an idle connection
/// keeps that and no buffer, and there are tens of thousands of them.
#[cfg(test)]
const STATE_BYTES: usize = 4 << 10;

/// Relays until one side ends it. The streams are closed in order where the last message was whole, and dropped where not,
/// so that who reads a body to its connection's end can tell.
pub async fn relay<C, U>(client: C, upstream: U, protocol: Protocol, inspector: Arc<dyn Inspector>) -> Outcome
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    U: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Each in its own memory, or every connection would take that of the larger one.
    match protocol {
        Protocol::H1 => Box::pin(h1::relay(client, upstream, inspector)).await,
        Protocol::H2 => Box::pin(h2::relay(client, upstream, inspector)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::{Connection, Inspection};

    #[derive(Default)]
    struct Nobody(Connection);

    impl Inspector for Nobody {
        fn connection(&self) -> &Connection {
            &self.0
        }

        fn exchange(&self) -> Vec<Box<dyn Inspection>> {
            Vec::new()
        }
    }

    #[test]
    fn an_idle_connection_is_small() {
        let nobody = || Arc::new(Nobody::default()) as Arc<dyn Inspector>;
        let size = size_of_val(&h1::relay(tokio::io::empty(), tokio::io::empty(), nobody()));
        assert!(size <= STATE_BYTES, "HTTP/1 takes {size} bytes");
        let size = size_of_val(&h2::relay(tokio::io::empty(), tokio::io::empty(), nobody()));
        assert!(size <= STATE_BYTES, "HTTP/2 takes {size} bytes");
    }
}
