//! A stream that is read ahead of who asks: TLS asks for 4 KiB at a time, a quarter of a full record, and each question
//! would be a call of the kernel.
//!
//! The buffer is lent by the thread while there is something in it. A connection that waits has none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of one call: four full records.
const CALL: usize = 64 << 10;
/// Who asks for so much needs no buffer between.
const LARGE: usize = 32 << 10;
/// Buffers that a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A stream, and what was read of it ahead.
#[derive(Debug)]
pub struct Ahead<S> {
    stream: S,
    /// Empty, or what was read and not yet taken: from, until.
    buffer: Option<Box<[u8]>>,
    from: usize,
    until: usize,
}

impl<S> Ahead<S> {
    /// Nothing was read yet.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: None, from: 0, until: 0 }
    }

    fn give_back(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            give_back(buffer);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, wanted: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.buffer.is_none() {
            if wanted.remaining() >= LARGE {
                return Pin::new(&mut this.stream).poll_read(cx, wanted);
            }
            let mut buffer = borrow();
            let mut room = ReadBuf::new(&mut buffer);
            let read = Pin::new(&mut this.stream).poll_read(cx, &mut room);
            let count = room.filled().len();
            if count == 0 {
                give_back(buffer);
                ready!(read)?;
                return Poll::Ready(Ok(()));
            }
            (this.buffer, this.from, this.until) = (Some(buffer), 0, count);
        }
        if let Some(buffer) = &this.buffer {
            let fits = (this.until - this.from).min(wanted.remaining());
            wanted.put_slice(&buffer[this.from..this.from + fits]);
            this.from += fits;
        }
        if this.from == this.until {
            this.give_back();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S> Drop for Ahead<S> {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn borrow() -> Box<[u8]> {
    let kept = BUFFERS.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| vec![0; CALL].into_boxed_slice())
}

/// What is in it was another's ciphertext, and is overwritten before it is read.
fn give_back(buffer: Box<[u8]>) {
    // At the thread's end there is no place for it any more.
    let _ = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_come_in_order_and_who_waits_has_no_buffer() {
        let (mut far, near) = tokio::io::duplex(1 << 20);
        let mut ahead = Ahead::new(near);
        let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        far.write_all(&sent).await.unwrap();
        let mut got = vec![0; 4_096];
        ahead.read_exact(&mut got).await.unwrap();
        assert_eq!(ahead.until - ahead.from, CALL - 4_096);
        while got.len() < sent.len() {
            ahead.read_buf(&mut got).await.unwrap();
        }
        assert!(got == sent);
        assert!(ahead.buffer.is_none());
        let mut byte = [0];
        let waits = Box::pin(ahead.read(&mut byte));
        assert!(tokio::time::timeout(std::time::Duration::ZERO, waits).await.is_err());
        assert!(ahead.buffer.is_none());
        drop(far);
        assert_eq!(ahead.read(&mut byte).await.unwrap(), 0);
    }
}
