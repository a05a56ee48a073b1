//! What is read: a side that has sent nothing holds no buffer.
//!
//! Buffers are lent by the thread for as long as there is something in them, so that idle connections, which are nearly all
//! there are, cost none.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of one read: two full TLS records.
pub(crate) const READ_BYTES: usize = 32 << 10;
/// Least room for more of a message that is there in part.
const MORE_BYTES: usize = 4 << 10;
/// Buffers that a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// One side, as it is read.
#[derive(Debug)]
pub(crate) struct Input<R> {
    io: R,
    /// What was read and not yet taken.
    pub(crate) bytes: BytesMut,
    /// Bytes read altogether.
    pub(crate) received: u64,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(crate) fn new(io: R) -> Self {
        Self { io, bytes: BytesMut::new(), received: 0 }
    }

    /// Reads more; how much, 0 at the end. Nothing is lost if it is dropped while it waits.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut room = mem::take(&mut self.bytes);
        if !room.is_empty() {
            room.reserve(MORE_BYTES);
        } else if !room.try_reclaim(READ_BYTES) {
            room = borrow();
        }
        let read = pin!(self.io.read_buf(&mut room)).poll(cx);
        if let Poll::Ready(Ok(read)) = &read {
            self.received += *read as u64;
        }
        if room.is_empty() {
            give_back(room);
        } else {
            self.bytes = room;
        }
        read
    }

    /// Reads up to so many bytes that nobody wants, or to the end.
    pub(crate) async fn discard(&mut self, mut limit: u64) {
        loop {
            self.bytes.clear();
            match self.fill().await {
                Ok(read) if read > 0 && read as u64 <= limit => limit -= read as u64,
                _ => return,
            }
        }
    }
}

fn borrow() -> BytesMut {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(READ_BYTES))
}

fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT && buffer.try_reclaim(READ_BYTES) {
            buffers.push(buffer);
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn who_waits_holds_no_buffer() {
        let (mut theirs, ours) = tokio::io::duplex(100);
        let mut input = Input::new(ours);
        let mut waits = Box::pin(input.fill());
        assert!(poll_fn(|cx| Poll::Ready(waits.as_mut().poll(cx).is_pending())).await);
        drop(waits);
        assert_eq!(input.bytes.capacity(), 0);
        theirs.write_all(b"abc").await.unwrap();
        assert_eq!(input.fill().await.unwrap(), 3);
        let part = input.bytes.split_to(2).freeze();
        theirs.write_all(b"d").await.unwrap();
        assert_eq!(input.fill().await.unwrap(), 1);
        assert_eq!((&part[..], &input.bytes[..], input.received), (&b"ab"[..], &b"cd"[..], 4));
        drop(theirs);
        assert_eq!(input.fill().await.unwrap(), 0);
    }
}
