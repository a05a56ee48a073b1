//! A stream of HTTP/1: the same however it is cut, and what is sent on is read again as the same.

use inspect::http::Rehearsal;

/// The target.
pub fn run(bytes: &[u8]) {
    // Where it is cut is part of the input.
    let (cut, stream) = bytes.split_first().map_or((0, bytes), |(cut, stream)| (usize::from(*cut), stream));
    let (first, second) = stream.split_at(cut.min(stream.len()));

    let whole = Rehearsal::requests(Some("a.example"), [stream]);
    assert_eq!(Rehearsal::requests(Some("a.example"), [first, second]), whole, "requests depend on where they are cut");
    for message in &whole.messages {
        let head = head(message);
        let again = Rehearsal::requests(None, [head]);
        assert_eq!(again.refused.filter(|_| names_a_host(head)), None, "what was sent on is refused");
        assert!(
            again.messages.first().is_none_or(|again| again.starts_with(head)),
            "what was sent on is read as another"
        );
    }

    let whole = Rehearsal::responses([stream]);
    assert_eq!(Rehearsal::responses([first, second]), whole, "responses depend on where they are cut");
    for message in &whole.messages {
        let head = head(message);
        let again = Rehearsal::responses([head]);
        assert!(
            again.messages.first().is_some_and(|again| again.starts_with(head)),
            "what was sent on is read as another"
        );
    }
}

/// Every request is sent on with a host, which its connection has named if it did not.
fn names_a_host(head: &[u8]) -> bool {
    head.windows(7).any(|seven| seven.eq_ignore_ascii_case(b"\r\nhost:"))
}

fn head(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
    &message[..end + 4]
}
