//! The response to one stream, on its way down.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, StatusCode};

use super::heads;
use super::pump::{self, Broken, pump, reason};
use super::stream::{Stopped, broken_response, stopped};
use crate::seam::Side;
use crate::seam::body::Sieve;
use crate::seam::exchange::{Exchange, Interests};
use crate::seam::heads::ResponseHead;

/// Passes the response on: interim ones, its head, its body.
pub(super) async fn answer(
    mut response: ResponseFuture,
    respond: &mut SendResponse<Bytes>,
    exchange: &Exchange,
    is_connect: bool,
    down: &mut Option<SendStream<Bytes>>,
) -> Result<(), Stopped> {
    let (mut parts, mut body) = final_response(&mut response, respond).await?.into_parts();
    let mut interests = Interests::default();
    if !(exchange.is_empty() || is_connect && parts.status.is_success()) {
        let mut head = ResponseHead {
            status: parts.status.as_u16(),
            length: heads::length(&parts.headers, !body.is_end_stream()),
            fields: heads::fields(&parts.headers),
        };
        interests = exchange.response_head(&mut head).await.map_err(|why| Stopped::Blocked(Side::Response, why))?;
        parts.status = StatusCode::from_u16(head.status).unwrap_or(parts.status);
        let rewrites = Sieve::new(Side::Response, interests).rewrites();
        heads::apply_fields(&mut parts.headers, &head.fields, rewrites).map_err(|_| broken_response())?;
    }
    let mut sieve = Sieve::new(Side::Response, interests);
    // The head waits for the body's start where somebody has to see that first.
    let mut first = None;
    while sieve.is_gathering() {
        let Some(part) = unless_taken_back(&mut body, respond).await? else { break };
        let length = part.len();
        first = sieve.part(exchange, part).await.map_err(|stop| stopped(Side::Response, stop))?;
        let _ = body.flow_control().release_capacity(length);
    }
    let has_ended = first.is_none() && body.is_end_stream() && sieve.is_open();
    let response = Response::from_parts(parts, ());
    let to = down.insert(respond.send_response(response, has_ended).map_err(|error| Stopped::Reset(reason(&error)))?);
    if has_ended {
        return Ok(());
    }
    let passes = async {
        if let Some(first) = first {
            pump::send(to, first, false).await?;
        }
        pump(&mut body, to, &mut sieve, exchange).await
    };
    let passed = match passes.await {
        // RFC 9113 §8.1: after a whole response, "do not send me the rest of the request". What the client is owed is
        // there, and a reset of its stream would throw away what waits to be sent.
        Err(Broken::From(Reason::NO_ERROR)) => pump::finish_early(to, &mut sieve, exchange).await,
        passed => passed,
    };
    passed.map_err(|broken| match broken {
        Broken::Stopped(stop) => stopped(Side::Response, stop),
        Broken::Malformed => broken_response(),
        Broken::From(reason) => Stopped::Reset(reason),
        Broken::To(reason) => Stopped::TakenBack(reason),
    })
}

/// The final response, after the interim ones, while the client still wants it.
async fn final_response(
    response: &mut ResponseFuture,
    respond: &mut SendResponse<Bytes>,
) -> Result<Response<RecvStream>, Stopped> {
    poll_fn(|cx| {
        taken_back(respond, cx)?;
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            // Lost, if the client goes: so is the rest.
            let _ = respond.send_informational(interim);
        }
        Pin::new(&mut *response).poll(cx).map_err(|error| Stopped::Reset(reason(&error)))
    })
    .await
}

async fn unless_taken_back(body: &mut RecvStream, respond: &mut SendResponse<Bytes>) -> Result<Option<Bytes>, Stopped> {
    poll_fn(|cx| {
        taken_back(respond, cx)?;
        body.poll_data(cx).map(|part| part.transpose().map_err(|error| Stopped::Reset(reason(&error))))
    })
    .await
}

/// Whether the client still wants the response.
pub(super) fn taken_back(respond: &mut SendResponse<Bytes>, cx: &mut Context<'_>) -> Result<(), Stopped> {
    match respond.poll_reset(cx) {
        Poll::Pending => Ok(()),
        Poll::Ready(reset) => Err(Stopped::TakenBack(reset.unwrap_or(Reason::CANCEL))),
    }
}
