//! Answers of the gateway itself: refusals and blocks.

use super::turns::{About, Answer};
use crate::http::End;
use crate::http::refusal::Refusal;
use crate::seam::verdict::Why;
use crate::seam::{Blocked, Inspector, Side, page};

/// The answer to a client whose request is refused; its connection ends with it.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    let (status, phrase) = refusal.status();
    let text = format!("The gateway refused this request: {refusal}.\n");
    make(status, phrase, "text/plain; charset=utf-8", &text, true, Some(End::Refused(refusal)))
}

/// The answer instead of a response that is malformed.
pub(crate) fn malformed(refusal: Refusal) -> Answer {
    let text = format!("The server's response was refused by the gateway: {refusal}.\n");
    make(502, "Bad Gateway", "text/plain; charset=utf-8", &text, true, Some(End::Malformed(refusal)))
}

/// The page instead of what was blocked; tells the inspector.
pub(crate) fn blocked(
    inspector: &dyn Inspector,
    number: u64,
    side: Side,
    about: &About,
    why: &Why,
    shape: Shape,
) -> Answer {
    let connection = inspector.connection();
    let id = format!("{}-{number}", connection.id);
    inspector.blocked(&Blocked { id: &id, side, host: &about.host, path: &about.path, why });
    let page = page::blocked(why, connection, &id, about.json);
    make(
        why.status.number(),
        why.status.phrase(),
        page.content_type,
        &page.text,
        !shape.is_head,
        shape.closes.then_some(End::Blocked),
    )
}

/// What a page must look like in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The answer to HEAD.
    pub(crate) is_head: bool,
    /// The connection ends with it.
    pub(crate) closes: bool,
}

fn make(status: u16, phrase: &str, content_type: &str, text: &str, has_body: bool, closes: Option<End>) -> Answer {
    let length = text.len();
    let connection = if closes.is_some() { "close" } else { "keep-alive" };
    let body = if has_body { text } else { "" };
    let bytes = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: {connection}\r\n\r\n{body}"
    );
    Answer { bytes: bytes.into(), closes }
}
