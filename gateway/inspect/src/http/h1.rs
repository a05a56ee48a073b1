//! HTTP/1.1 and 1.0: two directions that take turns on the answers.
//!
//! `lines`, `target`, `framing`, `chunks`, `connection`, `request`, `response` and `reader` read and write messages and know
//! no IO. `upward` carries requests, `downward` responses, `turns` keeps who is answered next.

mod answer;
mod chunks;
mod connection;
mod downward;
mod framing;
mod input;
mod lines;
mod out;
pub(crate) mod proxied;
mod reader;
pub(super) mod rehearsal;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;
mod turns;
mod upward;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{End, Outcome};
use crate::seam::Inspector;
use downward::Downward;
use input::Input;
use out::Out;
use turns::Turns;
use upward::{Stopped, Upward};

/// Patience with who does not take a connection's end.
const CLOSING: Duration = Duration::from_secs(5);
/// What a client may still send after the last answer before its connection is cut: without reading it, the kernel would
/// reset the connection, and the client might never see the answer.
const LINGER_BYTES: u64 = 1 << 20;

/// Relays HTTP/1.
pub(super) async fn relay<C, U>(client: C, upstream: U, inspector: Arc<dyn Inspector>) -> Outcome
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let turns = Turns::default();
    let mut upward = Upward::new(Input::new(from_client), Out::new(to_upstream), &turns, &*inspector);
    let mut downward = Downward::new(Input::new(from_upstream), Out::new(to_client), &turns, &*inspector);
    let mut stopped = None;
    let end = {
        let up = upward.run();
        let down = downward.run();
        tokio::pin!(up, down);
        loop {
            tokio::select! {
                biased;
                end = &mut down => break end,
                end = &mut up, if stopped.is_none() => {
                    turns.stop(end);
                    stopped = Some(end);
                }
            }
        }
    };
    if end.is_whole {
        let has_left = matches!(stopped, Some(Stopped::ClientClosed | Stopped::ClientFailed(_)));
        let closes = async {
            let linger = async {
                if !has_left {
                    upward.input.discard(LINGER_BYTES).await;
                }
            };
            // Who is not there any more need not be told.
            let _ = tokio::join!(downward.out.shutdown(), upward.out.shutdown(), linger);
        };
        // Whoever does not take it has had its time.
        let _ = timeout(CLOSING, closes).await;
    }
    Outcome {
        from_client: upward.input.received,
        to_client: downward.out.sent,
        requests: upward.requests,
        blocked: upward.blocked + downward.blocked,
        end: end.end,
    }
}

/// How the downward direction ended, which is how the connection did.
#[derive(Clone, Copy, Debug)]
struct Ended {
    end: End,
    /// Whether the client has whole messages, and may be told that there are no more.
    is_whole: bool,
}
