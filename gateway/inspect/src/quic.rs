//! QUIC: connections of datagrams that the gateway hands over. They are heard until their hello is whole, decided like any
//! other, and copied datagram by datagram or refused; nothing is opened here.
//!
//! ```text
//! socket ─► place (whose datagram?) ─┬─► connection: hearing ─► rules ─► copies both ways, or a refusal
//!                                    └─► straight on, where it is decided and no hello can be in it
//! ```
//! A refusal is an Initial that closes the connection, with which browsers go to TCP at once: Chromium waits no longer than where
//! it never tries QUIC, and 300 ms where nobody answers. A connection that its client moves to another port arrives as
//! something that has not begun, and is treated as what is not QUIC. So is what an inspector carried before another one followed
//! it: datagrams come to whoever holds the port, and the one before ends its connections.

mod connection;
mod hearing;
#[cfg(test)]
mod initial;
mod place;
mod socket;

pub use place::listen;
pub use socket::{Datagrams, Socket};
