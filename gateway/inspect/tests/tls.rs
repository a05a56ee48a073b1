//! Real clients and servers on both sides: OpenSSL and curl of the system, rustls, and the chains of badssl.com from
//! `BANGASA_CORPORA`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "tls/badssl.rs"]
mod badssl;
#[path = "tls/client.rs"]
mod client;
#[path = "tls/errors.rs"]
mod errors;
#[path = "tls/gateway.rs"]
mod gateway;
#[path = "tls/made.rs"]
mod made;
#[path = "tls/pki.rs"]
mod pki;
#[path = "tls/serve.rs"]
mod serve;
#[path = "tls/server.rs"]
mod server;
#[path = "tls/table.rs"]
mod table;
#[path = "tls/upstream.rs"]
mod upstream;
