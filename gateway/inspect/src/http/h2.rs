//! HTTP/2: each stream of the client is one of upstream, whose window, trailers, resets and end it passes on.
//!
//! Frames, HPACK, windows and the rules about them are the `h2` crate's; here is what it is told to bound, and what it
//! cannot know because it has one side only. `heads` turns heads into what inspections see, `stream` carries an exchange,
//! `answer` its response, `pump` a body.

mod answer;
mod counted;
mod heads;
mod pump;
mod stream;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, client, server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};

use super::{End, Outcome};
use crate::seam::{Inspector, Side};
use counted::Counted;
use stream::{Done, Stream};

/// Streams of a client at one time.
const STREAMS: u32 = 100;
/// Longest header list, by HTTP/2's own count.
const HEADER_LIST_BYTES: u32 = 64 << 10;
/// What a side may send ahead on one stream. More is faster far away, and is what a client that stops reading costs.
const STREAM_WINDOW: u32 = 512 << 10;
/// What a side may send ahead on all streams together.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What waits to be written, a stream. A client that opens all of its streams and reads none holds as much of each.
const SEND_BUFFER: usize = 32 << 10;
/// Streams that were reset and are still remembered.
const RESET_STREAMS: usize = 32;
/// Requests that a client may take back beyond those that it let be answered. A page that is left takes back as many as it
/// has open; who goes on so is attacking upstream through us.
const TAKEN_BACK: u32 = 400;
/// Patience with a side that does not take a connection's end.
const CLOSING: Duration = Duration::from_secs(5);

/// Relays HTTP/2.
pub(super) async fn relay<C, U>(client: C, upstream: U, inspector: Arc<dyn Inspector>) -> Outcome
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    U: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (client, bytes) = Counted::new(client);
    let mut relay = Relay { requests: 0, blocked: 0, taken_back: 0, end: End::ClientClosed };
    // Handshakes are large, and over when the connection is idle.
    match Box::pin(relay.connect(client, upstream)).await {
        Ok(both) => relay.run(both, inspector).await,
        Err(end) => relay.end = end,
    }
    let Relay { requests, blocked, end, .. } = relay;
    Outcome { from_client: bytes.read(), to_client: bytes.written(), requests, blocked, end }
}

struct Relay {
    requests: u64,
    blocked: u64,
    taken_back: u32,
    end: End,
}

/// Both sides, after their prefaces.
struct Both<C, U> {
    client: server::Connection<Counted<C>, Bytes>,
    upstream: Option<client::Connection<U, Bytes>>,
    requests: client::SendRequest<Bytes>,
    streams: JoinSet<Done>,
    /// Whether the client knows that upstream takes CONNECT for other protocols (RFC 8441).
    has_connect: bool,
    /// Whether the client knows that no more streams are taken.
    is_leaving: bool,
    closing: Option<Pin<Box<Sleep>>>,
}

/// What happens on a connection.
enum Event {
    Stream(Box<(http::Request<h2::RecvStream>, server::SendResponse<Bytes>)>),
    ClientClosed(Option<h2::Error>),
    UpstreamClosed(Option<h2::Error>),
    Done(Done),
    Late,
}

impl Relay {
    async fn connect<C, U>(&mut self, client: Counted<C>, upstream: U) -> Result<Box<Both<C, U>>, End>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let (requests, upstream) = client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST_BYTES)
            .max_send_buffer_size(SEND_BUFFER)
            .max_concurrent_reset_streams(RESET_STREAMS)
            .handshake(upstream)
            .await
            .map_err(|error| end_of(Side::Response, &error))?;
        let client = server::Builder::new()
            .max_concurrent_streams(STREAMS)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST_BYTES)
            .max_send_buffer_size(SEND_BUFFER)
            .max_concurrent_reset_streams(RESET_STREAMS)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(Some(RESET_STREAMS))
            .handshake(client)
            .await
            .map_err(|error| end_of(Side::Request, &error))?;
        let streams = JoinSet::new();
        let upstream = Some(upstream);
        Ok(Box::new(Both { client, upstream, requests, streams, has_connect: false, is_leaving: false, closing: None }))
    }

    async fn run<C, U>(&mut self, mut both: Box<Both<C, U>>, inspector: Arc<dyn Inspector>)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        U: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        loop {
            match poll_fn(|cx| both.poll(cx)).await {
                Event::Stream(stream) => {
                    self.requests += 1;
                    let (request, respond) = *stream;
                    let stream = Stream::new(self.requests, respond, Arc::clone(&inspector));
                    both.streams.spawn(stream.run(request, both.requests.clone()));
                }
                Event::Done(done) => {
                    self.blocked += u64::from(done == Done::Blocked);
                    self.taken_back = match done {
                        Done::TakenBack => self.taken_back + 1,
                        _ => self.taken_back.saturating_sub(1),
                    };
                    if self.taken_back > TAKEN_BACK {
                        self.end = End::Protocol(Side::Request, Reason::ENHANCE_YOUR_CALM.into());
                        both.client.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                        both.close();
                    }
                }
                Event::UpstreamClosed(error) => {
                    if self.end == End::ClientClosed {
                        self.end = error.map_or(End::UpstreamClosed, |error| end_of(Side::Response, &error));
                    }
                    both.leave();
                    both.close();
                }
                Event::ClientClosed(error) => {
                    if let Some(error) = error
                        && self.end == End::ClientClosed
                    {
                        self.end = end_of(Side::Request, &error);
                    }
                    break;
                }
                Event::Late => break,
            }
        }
        Box::pin(both.end()).await;
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin, U: AsyncRead + AsyncWrite + Unpin> Both<C, U> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Some(upstream) = &mut self.upstream
            && let Poll::Ready(closed) = Pin::new(upstream).poll(cx)
        {
            self.upstream = None;
            return Poll::Ready(Event::UpstreamClosed(closed.err()));
        }
        self.follow_upstream(cx);
        if let Poll::Ready(accepted) = pin!(self.client.accept()).poll(cx) {
            return Poll::Ready(match accepted {
                Some(Ok(stream)) => Event::Stream(Box::new(stream)),
                Some(Err(error)) => Event::ClientClosed(Some(error)),
                None => Event::ClientClosed(None),
            });
        }
        // A stream that panicked has reset itself by being dropped.
        if let Poll::Ready(Some(done)) = self.streams.poll_join_next(cx) {
            return Poll::Ready(Event::Done(done.unwrap_or(Done::Failed)));
        }
        match self.closing.as_mut().map(|closing| closing.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Event::Late),
            _ => Poll::Pending,
        }
    }

    /// What upstream has said about itself, and its client has to know.
    fn follow_upstream(&mut self, cx: &mut Context<'_>) {
        if !self.has_connect && self.requests.is_extended_connect_protocol_enabled() {
            // Refused while earlier settings are on their way; asked again with the next frame.
            self.has_connect = self.client.enable_connect_protocol().is_ok();
        }
        // An error here is GOAWAY: upstream ends its streams and takes no more.
        if !self.is_leaving && matches!(self.requests.poll_ready(cx), Poll::Ready(Err(_))) {
            self.leave();
        }
    }

    /// The client is gone; upstream is told.
    async fn end(self) {
        let Self { upstream, requests, mut streams, .. } = self;
        streams.shutdown().await;
        drop(requests);
        if let Some(upstream) = upstream {
            // With nobody left to ask, it says goodbye and closes.
            let _ = timeout(CLOSING, upstream).await;
        }
    }

    fn leave(&mut self) {
        if !self.is_leaving {
            self.is_leaving = true;
            self.client.graceful_shutdown();
        }
    }

    fn close(&mut self) {
        self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING)));
    }
}

fn end_of(side: Side, error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if reason == Reason::NO_ERROR => match side {
            Side::Request => End::ClientClosed,
            Side::Response => End::UpstreamClosed,
        },
        Some(reason) => End::Protocol(side, reason.into()),
        None => End::Failed(side, error.get_io().map_or(io::ErrorKind::Other, io::Error::kind)),
    }
}
