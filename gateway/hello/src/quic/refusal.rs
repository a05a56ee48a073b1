//! What a server says to a client that it does not want (RFC 9000 §10.2.3): an Initial of its own that closes the
//! connection. Whoever has seen the client's first packet can say so in the server's place.

use super::keys::Keys;
use super::packet::{initials, servers_header};

/// `CONNECTION_REFUSED`, RFC 9000 §20.1.
const REFUSED: u8 = 0x02;
/// CONNECTION_CLOSE of the transport: its type, the error, no type of frame to blame, no words.
const CLOSE: [u8; 4] = [0x1c, REFUSED, 0, 0];
/// What protects a packet's frames.
const TAG_BYTES: usize = 16;

/// The answer to a client whose datagram has an Initial that can be opened; never longer than what it answers.
pub fn refusal(datagram: &[u8]) -> Option<Vec<u8>> {
    let initial = initials(datagram).next()?;
    // Somebody who only looks like a client is owed nothing.
    Keys::of_client(initial.version, initial.destination_id)?.open(&initial, 0)?;
    let header = servers_header(&initial, 1 + CLOSE.len() + TAG_BYTES);
    let answer = Keys::of_server(initial.version, initial.destination_id)?.seal(header, &CLOSE)?;
    (answer.len() <= datagram.len()).then_some(answer)
}
