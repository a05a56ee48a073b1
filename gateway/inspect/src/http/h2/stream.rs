//! One stream of a client and the stream of upstream that answers it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response};
use tokio::time::timeout;

use super::answer::{answer, taken_back};
use super::heads;
use super::pump::{self, Broken, pump};
use crate::http::refusal::Refusal;
use crate::seam::body::{Sieve, Stop};
use crate::seam::exchange::{Exchange, Interests};
use crate::seam::verdict::Why;
use crate::seam::{Blocked, Inspector, Side, page};

/// For a client that was answered to stop sending.
const LINGER: Duration = Duration::from_secs(5);

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The client has its response.
    Answered,
    /// The client did not want it any more.
    TakenBack,
    /// An inspection blocked it.
    Blocked,
    /// The request was refused, or upstream failed.
    Failed,
}

/// A stream of a client.
pub(super) struct Stream {
    number: u64,
    respond: SendResponse<Bytes>,
    inspector: Arc<dyn Inspector>,
    exchange: Exchange,
    host: String,
    path: String,
    is_head: bool,
    json: bool,
}

/// Why there is nothing more to pass on.
pub(super) enum Stopped {
    /// This half was blocked.
    Blocked(Side, Why),
    /// The client gets this.
    Reset(Reason),
    /// The client reset the stream, with this.
    TakenBack(Reason),
}

impl Stream {
    pub(super) fn new(number: u64, respond: SendResponse<Bytes>, inspector: Arc<dyn Inspector>) -> Self {
        let exchange = Exchange::new(inspector.exchange());
        Self {
            number,
            respond,
            inspector,
            exchange,
            host: String::new(),
            path: String::new(),
            is_head: false,
            json: false,
        }
    }

    /// Carries it to its end.
    pub(super) async fn run(mut self, request: Request<RecvStream>, upstream: SendRequest<Bytes>) -> Done {
        let mut down = None;
        match self.carry(request, upstream, &mut down).await {
            Ok(()) => Done::Answered,
            Err(Stopped::TakenBack(_)) => Done::TakenBack,
            Err(Stopped::Reset(reason)) => {
                self.reset(&mut down, reason);
                Done::Failed
            }
            Err(Stopped::Blocked(side, why)) => {
                self.block(&mut down, side, &why).await;
                Done::Blocked
            }
        }
    }

    async fn carry(
        &mut self,
        request: Request<RecvStream>,
        upstream: SendRequest<Bytes>,
        down: &mut Option<SendStream<Bytes>>,
    ) -> Result<(), Stopped> {
        let (mut parts, body) = request.into_parts();
        let name = self.inspector.connection().server_name.as_deref();
        let authority = heads::check(&mut parts, name).map_err(refused)?;
        let is_connect = parts.method == Method::CONNECT;
        self.is_head = parts.method == Method::HEAD;
        let mut interests = Interests::default();
        if !self.exchange.is_empty() {
            let mut head = heads::request(&parts, authority, !body.is_end_stream());
            self.host.clone_from(&head.host);
            head.path_alone().clone_into(&mut self.path);
            self.json = page::wants_json(head.fields.get("accept"));
            let told = self.exchange.request_head(&mut head).await;
            interests = told.map_err(|why| Stopped::Blocked(Side::Request, why))?;
            let rewrites = Sieve::new(Side::Request, interests).rewrites();
            heads::apply(&mut parts, head, rewrites).map_err(refused)?;
        }
        // What a tunnel carries is not a body.
        let interests = if is_connect { Interests::default() } else { interests };
        let sieve = Sieve::new(Side::Request, interests);

        let mut upstream = self.unless_reset(async { upstream.ready().await.map_err(unsent) }).await?;
        let ends = body.is_end_stream() && !is_connect;
        let (response, mut up) = upstream.send_request(Request::from_parts(parts, ()), ends).map_err(unsent)?;
        // A handle that waits keeps a connection from ending.
        drop(upstream);

        let Self { respond, exchange, .. } = self;
        let carried =
            both_ways(Bodies { body, up: &mut up, sieve, ends }, response, respond, exchange, is_connect, down);
        let carried = carried.await;
        match &carried {
            Err(Stopped::TakenBack(reason)) => up.send_reset(*reason),
            Err(Stopped::Blocked(..) | Stopped::Reset(_)) => up.send_reset(Reason::CANCEL),
            _ => {}
        }
        carried
    }

    /// Waits for upstream while the client still wants it to.
    async fn unless_reset<T>(&mut self, waits: impl Future<Output = Result<T, Stopped>>) -> Result<T, Stopped> {
        tokio::pin!(waits);
        poll_fn(|cx| {
            taken_back(&mut self.respond, cx)?;
            waits.as_mut().poll(cx)
        })
        .await
    }

    /// A page instead of the response; if that has begun, its end.
    async fn block(&mut self, down: &mut Option<SendStream<Bytes>>, side: Side, why: &Why) {
        let connection = self.inspector.connection();
        let id = format!("{}-{}", connection.id, self.number);
        self.inspector.blocked(&Blocked { id: &id, side, host: &self.host, path: &self.path, why });
        if down.is_some() {
            return self.reset(down, Reason::CANCEL);
        }
        let page = page::blocked(why, connection, &id, self.json);
        let response = Response::builder()
            .status(why.status.number())
            .header("content-type", page.content_type)
            .header("content-length", page.text.len())
            .header("cache-control", "no-store")
            .body(());
        let Ok(response) = response else { return };
        if let Ok(mut body) = self.respond.send_response(response, self.is_head)
            && !self.is_head
        {
            // A client that takes no page has reset the stream.
            let _ = pump::send(&mut body, page.text.into(), true).await;
        }
    }

    fn reset(&mut self, down: &mut Option<SendStream<Bytes>>, reason: Reason) {
        match down {
            Some(down) => down.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }
}

/// A request's body and where it goes.
struct Bodies<'s> {
    body: RecvStream,
    up: &'s mut SendStream<Bytes>,
    sieve: Sieve,
    ends: bool,
}

/// The request's body up, the response down, at once.
async fn both_ways(
    request: Bodies<'_>,
    response: ResponseFuture,
    respond: &mut SendResponse<Bytes>,
    exchange: &Exchange,
    is_connect: bool,
    down: &mut Option<SendStream<Bytes>>,
) -> Result<(), Stopped> {
    let Bodies { mut body, up, mut sieve, ends } = request;
    let mut is_taken = ends;
    let sends = async {
        match ends {
            true => Ok(()),
            false => match pump(&mut body, up, &mut sieve, exchange).await {
                Ok(()) => {
                    is_taken = true;
                    Ok(())
                }
                Err(Broken::Stopped(stop)) => Err(stopped(Side::Request, stop)),
                Err(Broken::Malformed) => Err(Stopped::Reset(Reason::PROTOCOL_ERROR)),
                Err(Broken::From(reason)) => Err(Stopped::TakenBack(reason)),
                // Upstream wants no more of it, and may have answered: the response tells.
                Err(Broken::To(_)) => Ok(()),
            },
        }
    };
    let answers = answer(response, respond, exchange, is_connect, down);
    {
        tokio::pin!(sends, answers);
        let mut is_sent = false;
        loop {
            tokio::select! {
                biased;
                answered = &mut answers => {
                    answered?;
                    break;
                }
                sent = &mut sends, if !is_sent => {
                    sent?;
                    is_sent = true;
                }
            }
        }
        if !is_sent {
            // Answered early; upstream may still want the rest, and says so if not.
            let _ = sends.await;
        }
    }
    if !is_taken {
        // Nobody wants the rest. The client, who has the answer, may stop by itself: some lose the answer (curl 7.88) when
        // their stream is reset while they send. What it sends meanwhile uses up its window, which is not opened again.
        let _ = timeout(LINGER, async { while let Some(Ok(_)) = body.data().await {} }).await;
    }
    Ok(())
}

pub(super) fn stopped(side: Side, stop: Stop) -> Stopped {
    match stop {
        Stop::Blocked(why) => Stopped::Blocked(side, why),
        Stop::LengthChanged => broken_response(),
    }
}

pub(super) fn broken_response() -> Stopped {
    Stopped::Reset(Reason::INTERNAL_ERROR)
}

fn refused(_: Refusal) -> Stopped {
    Stopped::Reset(Reason::PROTOCOL_ERROR)
}

/// Upstream has not seen the request, so that the client may send it again elsewhere.
fn unsent(_: h2::Error) -> Stopped {
    Stopped::Reset(Reason::REFUSED_STREAM)
}
