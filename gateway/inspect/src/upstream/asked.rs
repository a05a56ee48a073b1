//! Noticing that a server asks for a client certificate. The gateway has none and must not: what is asked for lies in the
//! user's terminal, and only a spliced connection can present it.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

tokio::task_local! {
    /// Whether the handshake that is being polled was asked. Sessions are resumed only under one and the same resolver,
    /// so that a resolver for each connection, which could simply remember, would end resumption.
    static WAS_ASKED: Cell<bool>;
}

/// Answers with no certificate, and notes that it was asked.
#[derive(Debug)]
pub(super) struct Asks;

impl ResolvesClientCert for Asks {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Outside of a handshake there is nobody to tell.
        let _ = WAS_ASKED.try_with(|was_asked| was_asked.set(true));
        None
    }

    /// Without certificates rustls would not ask.
    fn has_certs(&self) -> bool {
        true
    }
}

/// Runs a handshake, and says whether the server asked during it.
pub(super) async fn asked_during<T>(handshake: impl Future<Output = T>) -> (T, bool) {
    let both = async {
        let made = handshake.await;
        (made, WAS_ASKED.with(Cell::get))
    };
    WAS_ASKED.scope(Cell::new(false), both).await
}
