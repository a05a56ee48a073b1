//! A stream of which something was read already, and which is read from its beginning again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream, and before it the bytes that were looked at.
#[derive(Debug)]
pub struct Rewind<S> {
    read_before: Bytes,
    stream: S,
}

impl<S> Rewind<S> {
    /// `read_before` will be read once more, then the stream.
    pub fn new(read_before: Bytes, stream: S) -> Self {
        Self { read_before, stream }
    }

    /// What was not read again, and the stream.
    pub fn into_parts(self) -> (Bytes, S) {
        (self.read_before, self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let fits = self.read_before.len().min(buffer.remaining());
        buffer.put_slice(&self.read_before[..fits]);
        self.read_before.advance(fits);
        if self.read_before.is_empty() {
            // Even an empty rest would keep the memory of the whole.
            self.read_before = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_read_again_and_then_the_rest() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut rewound = Rewind::new(Bytes::from_static(b"hello "), near);
        far.write_all(b"world").await.unwrap();
        let mut three = [0; 3];
        rewound.read_exact(&mut three).await.unwrap();
        assert_eq!((&three, rewound.read_before.len()), (b"hel", 3));
        rewound.write_all(b"answer").await.unwrap();
        drop(far.shutdown().await);
        let mut rest = String::new();
        rewound.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "lo world");
        drop(rewound);
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    }
}
