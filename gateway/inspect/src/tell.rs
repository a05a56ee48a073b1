//! What a client is told in the clear when its connection is refused before any handshake: a fatal alert, in a record of
//! TLS 1.2, is the only thing that can be said then (RFC 8446 §6.2). Who does not speak TLS is reset.

use tokio::net::TcpStream;

use crate::opening::Kind;
use crate::splice::reset;

/// Why there is no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The server cannot be spoken to.
    HandshakeFailure = 40,
    /// It was decided so.
    AccessDenied = 49,
    /// The fault is ours.
    InternalError = 80,
}

/// The last words to a client that has begun TLS.
pub fn alert(client: &TcpStream, alert: Alert) {
    // A client that does not read is owed nothing.
    let _ = client.try_write(&[21, 3, 3, 0, 2, 2, alert as u8]);
}

/// The last words to a client that opened like this.
pub fn refuse(client: &TcpStream, kind: &Kind) {
    match kind {
        Kind::Tls(_) => alert(client, Alert::AccessDenied),
        _ => reset(client),
    }
}
