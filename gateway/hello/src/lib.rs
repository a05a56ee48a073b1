//! What a TLS client says before anything is encrypted, out of bytes from anywhere.
//!
//! [`client_hello`] reads the message, [`ja4`] names who speaks like that. Before it lie the ways on which the message
//! comes: [`records`] over TCP, put in order by [`stream`], and [`quic`]. [`watch`] walks whole frames of a capture
//! through all of them.
//!
//! Pure: no IO, no clock. Every byte is a stranger's: nothing panics, no length is believed before the bytes are there,
//! and whatever is kept has a bound.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod assembly;
mod bytes;
pub mod client_hello;
pub mod frame;
pub mod ja4;
pub mod quic;
pub mod records;
pub mod stream;
pub mod watch;

pub use client_hello::{ClientHello, Ech, Malformed, NoSni};
pub use ja4::{Transport, ja4};
pub use watch::{Hello, Watch};
