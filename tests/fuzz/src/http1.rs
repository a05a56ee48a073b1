//! A stream of HTTP/1: the same however it is cut, and what is sent on is read again as the same.

use inspect::http::{Refusal, Rehearsal};

/// The target.
pub fn run(bytes: &[u8]) {
    // Where it is cut is part of the input.
    let (cut, stream) = bytes.split_first().map_or((0, bytes), |(cut, stream)| (usize::from(*cut), stream));
    let (first, second) = stream.split_at(cut.min(stream.len()));

    let whole = Rehearsal::requests(Some("a.example"), [stream]);
    assert_eq!(Rehearsal::requests(Some("a.example"), [first, second]), whole, "requests depend on where they are cut");
    for message in &whole.messages {
        // Every request is sent on with a host: without a name to fall back on it is still one.
        check(head(message), Rehearsal::requests(None, [head(message)]));
    }

    let whole = Rehearsal::responses([stream]);
    assert_eq!(Rehearsal::responses([first, second]), whole, "responses depend on where they are cut");
    for message in &whole.messages {
        check(head(message), Rehearsal::responses([head(message)]));
    }
}

fn check(head: &[u8], again: Rehearsal) {
    // The one space that is sent after a colon may be the one byte too many, and the host the one field.
    let refused = again.refused.filter(|refusal| *refusal != Refusal::LongFields);
    assert_eq!(refused, None, "what was sent on is refused: {}", head.escape_ascii());
    let is_same = again.messages.first().is_none_or(|again| again.starts_with(head));
    assert!(is_same, "what was sent on is read as another: {}", head.escape_ascii());
}

fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
    &message[..end + 4]
}
