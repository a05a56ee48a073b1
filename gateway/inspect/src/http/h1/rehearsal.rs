//! What a stream would be sent on as, without anybody to send it to: for tests and fuzzing, which compare.

use bytes::BytesMut;

use super::reader::{Event, Requests, Responses};
use super::request::Version;
use super::response::{Asked, AskedMethod};
use crate::http::refusal::Refusal;

/// What came of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rehearsal {
    /// Each message: its head as it is sent on, its body without framing, and its trailers between bars.
    pub messages: Vec<Vec<u8>>,
    /// Why it was not read to its end.
    pub refused: Option<Refusal>,
    /// Whether it ends where a stream may.
    pub is_between: bool,
}

impl Rehearsal {
    /// Requests, arriving in these parts, to a server of this name.
    pub fn requests<'p>(name: Option<&str>, parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut reader = Requests::new(name.map(str::to_owned));
        let mut input = BytesMut::new();
        let mut told = Self::default();
        for part in parts {
            input.extend_from_slice(part);
            if let Err(refusal) = told.read(|| {
                Ok(match reader.next(&mut input)? {
                    Some(Event::Head(request)) => Some(Event::Head(Box::new(request.write()?))),
                    other => other.map(without_head),
                })
            }) {
                told.refused = Some(refusal);
                return told;
            }
        }
        told.is_between = reader.is_between(&input);
        told
    }

    /// Responses to GET, arriving in these parts before upstream closes.
    pub fn responses<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let asked = Asked { method: AskedMethod::Other, version: Version::Http11, offers_upgrade: false };
        let mut reader = Responses::new();
        let mut input = BytesMut::new();
        let mut told = Self::default();
        for part in parts {
            input.extend_from_slice(part);
            if let Err(refusal) = told.read(|| {
                Ok(match reader.next(&mut input, &asked)? {
                    Some(Event::Head(response)) => Some(Event::Head(Box::new(response.write(false)))),
                    other => other.map(without_head),
                })
            }) {
                told.refused = Some(refusal);
                return told;
            }
        }
        told.is_between = reader.close().is_ok();
        told
    }

    fn read(&mut self, mut next: impl FnMut() -> Result<Option<Event<Vec<u8>>>, Refusal>) -> Result<(), Refusal> {
        while let Some(event) = next()? {
            match (event, self.messages.last_mut()) {
                (Event::Head(head), _) => self.messages.push(*head),
                (Event::Part(part), Some(message)) => message.extend_from_slice(&part),
                (Event::End(trailers), Some(message)) => {
                    message.extend_from_slice(format!("|{trailers:?}|").as_bytes())
                }
                (Event::Part(_) | Event::End(_), None) => {}
            }
        }
        Ok(())
    }
}

fn without_head<H>(event: Event<H>) -> Event<Vec<u8>> {
    match event {
        Event::Head(_) => Event::Head(Box::default()),
        Event::Part(part) => Event::Part(part),
        Event::End(trailers) => Event::End(trailers),
    }
}
