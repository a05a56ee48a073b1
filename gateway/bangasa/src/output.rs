//! Standard output, buffered, and the reader that has gone away.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Whoever read our output has had enough, as in `bangasa replay … | head`: not a failure.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub struct ReaderGone;

/// Buffered standard output. Commands write to it and [`flush`](Self::finish) at the end.
pub struct Output {
    inner: BufWriter<StdoutLock<'static>>,
}

impl Output {
    /// Locks standard output for as long as this lives.
    pub fn stdout() -> Self {
        Self { inner: BufWriter::with_capacity(1 << 16, io::stdout().lock()) }
    }

    /// One line of text.
    pub fn line(&mut self, text: impl std::fmt::Display) -> anyhow::Result<()> {
        told(writeln!(self.inner, "{text}"))
    }

    /// One JSON object, on a line of its own.
    pub fn json(&mut self, object: &impl serde::Serialize) -> anyhow::Result<()> {
        told(serde_json::to_writer(&mut self.inner, object).map_err(io::Error::from))?;
        told(self.inner.write_all(b"\n"))
    }

    /// Everything written so far reaches the reader.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        told(self.inner.flush())
    }
}

fn told(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to standard output")),
    }
}
