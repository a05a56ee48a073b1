//! One body on its way: a part is taken from one side's window when the other side's window had room for it.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;

use super::heads;
use crate::seam::Side;
use crate::seam::body::{Sieve, Stop};
use crate::seam::exchange::Exchange;
use crate::seam::fields::Fields;

/// Why a body went no further.
#[derive(Debug)]
pub(super) enum Broken {
    /// An inspection stopped it.
    Stopped(Stop),
    /// The trailers of a request are no trailers.
    Malformed,
    /// Who sends it has reset the stream, or is gone.
    From(Reason),
    /// Who gets it has.
    To(Reason),
}

impl From<Stop> for Broken {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// Reads the next part, unless who gets it resets the stream meanwhile.
pub(super) async fn next(from: &mut RecvStream, to: Option<&mut SendStream<Bytes>>) -> Result<Option<Bytes>, Broken> {
    let mut to = to;
    poll_fn(|cx| {
        if let Some(to) = &mut to
            && let Poll::Ready(reset) = to.poll_reset(cx)
        {
            return Poll::Ready(Err(Broken::To(reset.unwrap_or(Reason::CANCEL))));
        }
        from.poll_data(cx).map(|part| part.transpose().map_err(|error| Broken::From(reason(&error))))
    })
    .await
}

/// Passes a whole body on, with its trailers.
pub(super) async fn pump(
    from: &mut RecvStream,
    to: &mut SendStream<Bytes>,
    sieve: &mut Sieve,
    exchange: &Exchange,
) -> Result<(), Broken> {
    while let Some(part) = next(from, Some(to)).await? {
        let length = part.len();
        let part = if sieve.is_open() { Some(part) } else { sieve.part(exchange, part).await? };
        let is_last = sieve.is_open() && from.is_end_stream();
        if let Some(part) = part {
            send(to, part, is_last).await?;
        }
        // Only now: what is not taken here is not sent there.
        let _ = from.flow_control().release_capacity(length);
        if is_last {
            return Ok(());
        }
    }
    finish(from, to, sieve, exchange).await
}

/// The end of a body: what inspections held back, and trailers.
pub(super) async fn finish(
    from: &mut RecvStream,
    to: &mut SendStream<Bytes>,
    sieve: &mut Sieve,
    exchange: &Exchange,
) -> Result<(), Broken> {
    let trailers = from.trailers().await.map_err(|error| Broken::From(reason(&error)))?;
    if sieve.side() == Side::Request && trailers.as_ref().is_some_and(HeaderMap::is_empty) {
        // What h2 leaves of pseudo-fields, which are malformed there (RFC 9113 §8.1).
        return Err(Broken::Malformed);
    }
    // A block of no fields is an error to some (nginx), and says nothing.
    let mut trailers = trailers.filter(|trailers| !trailers.is_empty());
    if !sieve.is_open() {
        let mut fields = trailers.as_ref().map_or_else(Fields::default, heads::fields);
        for part in sieve.end(exchange, &mut fields).await? {
            send(to, part, false).await?;
        }
        if fields.is_changed() {
            let trailers = trailers.get_or_insert_default();
            // Fields check what is added to them.
            let _ = heads::apply_fields(trailers, &fields, false);
        }
    }
    let sent = match trailers {
        Some(trailers) => to.send_trailers(trailers),
        None => to.send_data(Bytes::new(), true),
    };
    sent.map_err(|error| Broken::To(reason(&error)))
}

/// The end of a body whose sender has taken leave with it: no trailers can come.
pub(super) async fn finish_early(
    to: &mut SendStream<Bytes>,
    sieve: &mut Sieve,
    exchange: &Exchange,
) -> Result<(), Broken> {
    if !sieve.is_open() {
        for part in sieve.end(exchange, &mut Fields::default()).await? {
            send(to, part, false).await?;
        }
    }
    to.send_data(Bytes::new(), true).map_err(|error| Broken::To(reason(&error)))
}

/// Sends a part as the window allows.
pub(super) async fn send(to: &mut SendStream<Bytes>, mut part: Bytes, is_last: bool) -> Result<(), Broken> {
    if part.is_empty() && is_last {
        return to.send_data(part, true).map_err(|error| Broken::To(reason(&error)));
    }
    while !part.is_empty() {
        to.reserve_capacity(part.len());
        let room = match to.capacity() {
            // A reset wakes this too, as an error or as the end of the capacity.
            0 => match poll_fn(|cx| to.poll_capacity(cx)).await {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Err(Broken::To(reason(&error))),
                None => return Err(Broken::To(Reason::CANCEL)),
            },
            // What is there already wakes nobody.
            room => room,
        };
        let piece = part.split_to(room.min(part.len()));
        let ends = is_last && part.is_empty();
        to.send_data(piece, ends).map_err(|error| Broken::To(reason(&error)))?;
    }
    Ok(())
}

/// The reason to tell the other side.
pub(super) fn reason(error: &h2::Error) -> Reason {
    error.reason().unwrap_or(Reason::CANCEL)
}
