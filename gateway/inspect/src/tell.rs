//! What a client is told in the clear when its connection is refused.

use crate::opening::Kind;

/// A fatal TLS alert, `access_denied`, in a record of TLS 1.2: what RFC 8446 §6.2 has for a peer that is refused by
/// decision. Before any handshake it is the only thing that can be said.
const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// The last words to a client that opened like this; nothing: the connection is reset.
pub fn refusal(kind: &Kind) -> Option<&'static [u8]> {
    match kind {
        Kind::Tls(_) => Some(ACCESS_DENIED),
        _ => None,
    }
}
