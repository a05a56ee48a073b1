//! HTTP/3: a server for the lab's Internet, and a client that asks one question.

mod client;
mod server;

use anyhow::Result;

pub use client::{Fetched, fetch};
pub use server::Http3;

/// What HTTP/3 is called in ALPN.
const ALPN: &[u8] = b"h3";

/// Runs it to its end on a runtime of the calling thread, which may be in a namespace.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
