//! What is written: parts in their order, as few writes as there can be, no part copied.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::framing::Framing;
use super::request::write_fields;
use crate::seam::fields::Fields;

/// Parts that may wait before they have to be written: bounds what many tiny chunks cost.
const WAITING: usize = 64;
/// Parts of one write.
const SLICES: usize = 16;
/// Room that stays when nothing waits.
const KEPT: usize = 8;

/// One side, as it is written.
#[derive(Debug)]
pub(crate) struct Out<W> {
    io: W,
    waiting: VecDeque<Bytes>,
    /// Bytes written altogether.
    pub(crate) sent: u64,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    pub(crate) fn new(io: W) -> Self {
        Self { io, waiting: VecDeque::new(), sent: 0 }
    }

    /// To be written by the next [`Self::drain`].
    pub(crate) fn push(&mut self, part: impl Into<Bytes>) {
        let part = part.into();
        if !part.is_empty() {
            self.waiting.push_back(part);
        }
    }

    /// A part of a body, framed.
    pub(crate) fn push_part(&mut self, framing: &Framing, part: Bytes) {
        if part.is_empty() {
            // As a chunk it would be the last one.
            return;
        }
        if matches!(framing, Framing::Chunked(_)) {
            self.push(format!("{:x}\r\n", part.len()));
            self.push(part);
            self.push(&b"\r\n"[..]);
        } else {
            self.push(part);
        }
    }

    /// The end of a body, framed.
    pub(crate) fn push_end(&mut self, framing: &Framing, trailers: &Fields) {
        if matches!(framing, Framing::Chunked(_)) {
            let mut end = b"0\r\n".to_vec();
            write_fields(&mut end, trailers);
            end.extend_from_slice(b"\r\n");
            self.push(end);
        }
    }

    /// Nothing of what waits is written.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Whether more should not be pushed.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// Writes everything that waits.
    pub(crate) async fn drain(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        while !self.waiting.is_empty() {
            let Self { io, waiting, .. } = self;
            let written = poll_fn(|cx| {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let mut count = 0;
                for (slice, part) in slices.iter_mut().zip(waiting.iter()) {
                    *slice = IoSlice::new(part);
                    count += 1;
                }
                Pin::new(&mut *io).poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
            })
            .await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += written as u64;
            self.advance(written);
        }
        self.waiting.shrink_to(KEPT);
        // A TLS session may hold what the socket did not take.
        self.io.flush().await
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(part) = self.waiting.front_mut() {
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            self.waiting.pop_front();
        }
    }

    /// Writes everything that waits, and that there is no more.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.drain().await?;
        self.io.shutdown().await
    }
}
