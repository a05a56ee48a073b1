//! Types of files by their first bytes, in both directions, whatever a message calls them.
//!
//! A body with a `Content-Encoding` hides its type: it is not decoded here, so what is inside is unknown and passes,
//! unless the rule says that what cannot be told may not. Archives are not opened: a program in a ZIP is a ZIP.

mod table;

use std::sync::Arc;

use bytes::Bytes;

use super::fields::Fields;
use super::heads::{RequestHead, ResponseHead};
use super::verdict::{Status, Verdict, Why};
use super::{Inspection, Interest, Side};

pub use table::Kind;

/// What may not pass.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// The rule's name.
    pub rule: String,
    /// Kinds that may not be uploaded.
    pub uploads: Vec<Kind>,
    /// Kinds that may not be downloaded.
    pub downloads: Vec<Kind>,
    /// Whether what is encoded, and so cannot be told, may not pass where some kind may not.
    pub blocks_encoded: bool,
}

/// The inspection.
pub struct Magic {
    types: Arc<Types>,
    request: Interest,
    response: Interest,
}

impl Magic {
    /// With these types.
    pub fn new(types: Arc<Types>) -> Self {
        Self { types, request: Interest::Nothing, response: Interest::Nothing }
    }

    /// What to ask of a body, or why it is blocked unseen.
    fn judge(&self, kinds: &[Kind], fields: &Fields) -> Result<Interest, Why> {
        if kinds.is_empty() {
            return Ok(Interest::Nothing);
        }
        if fields.all("content-encoding").all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")) {
            return Ok(Interest::Start);
        }
        match self.types.blocks_encoded {
            false => Ok(Interest::Nothing),
            true => Err(self.why(
                "圧縮されているため、ファイルの種類を確認できません。".into(),
                "The content is encoded, so that its type cannot be told.".into(),
            )),
        }
    }

    fn why(&self, japanese: String, english: String) -> Why {
        Why {
            status: Status::Forbidden,
            rule: self.types.rule.clone(),
            japanese: japanese.into(),
            english: english.into(),
        }
    }
}

impl Inspection for Magic {
    fn request_head(&mut self, head: &mut RequestHead) -> Verdict<RequestHead> {
        if head.length == Some(0) {
            return Verdict::Pass;
        }
        match self.judge(&self.types.uploads, &head.fields) {
            Ok(interest) => self.request = interest,
            Err(why) => return Verdict::Block(why),
        }
        Verdict::Pass
    }

    fn response_head(&mut self, head: &mut ResponseHead) -> Verdict<ResponseHead> {
        // The start of a stream of events may be long in coming, and its reader waits for the head.
        let is_events = head.fields.get("content-type").is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        // A later part of a file has no magic; its first part has.
        let is_later =
            head.status == 206 && !head.fields.get("content-range").is_some_and(|r| r.starts_with(b"bytes 0-"));
        if head.length == Some(0) || is_events || is_later {
            return Verdict::Pass;
        }
        match self.judge(&self.types.downloads, &head.fields) {
            Ok(interest) => self.response = interest,
            Err(why) => return Verdict::Block(why),
        }
        Verdict::Pass
    }

    fn interest(&self, side: Side) -> Interest {
        match side {
            Side::Request => self.request,
            Side::Response => self.response,
        }
    }

    fn part(&mut self, side: Side, part: &Bytes) -> Verdict<Bytes> {
        let kinds = match side {
            Side::Request => &self.types.uploads,
            Side::Response => &self.types.downloads,
        };
        match Kind::of(part).filter(|kind| kinds.contains(kind)) {
            None => Verdict::Pass,
            Some(kind) => Verdict::Block(self.why(
                format!("この種類のファイル（{}）は許可されていません。", kind.name()),
                format!("Files of the type `{}` may not pass.", kind.name()),
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn types(blocks_encoded: bool) -> Arc<Types> {
        Arc::new(Types {
            rule: "no-programs".into(),
            downloads: vec![Kind::WindowsProgram],
            blocks_encoded,
            ..Types::default()
        })
    }

    fn head(encoding: Option<&str>) -> ResponseHead {
        let mut fields = Fields::default();
        if let Some(encoding) = encoding {
            fields.add("Content-Encoding", encoding).unwrap();
        }
        ResponseHead { status: 200, length: None, fields }
    }

    #[test]
    fn a_program_is_known_whatever_it_is_called() {
        let mut magic = Magic::new(types(false));
        assert!(matches!(magic.response_head(&mut head(None)), Verdict::Pass));
        assert_eq!(magic.interest(Side::Response), Interest::Start);
        assert_eq!(magic.interest(Side::Request), Interest::Nothing);
        assert!(matches!(magic.part(Side::Response, &Bytes::from_static(b"GIF89a..")), Verdict::Pass));
        let Verdict::Block(why) = magic.part(Side::Response, &Bytes::from_static(b"MZ\x90\0")) else {
            panic!("a program has passed");
        };
        assert!(why.english.contains("windows-program"));
    }

    #[test]
    fn what_is_encoded_is_unknown() {
        let mut magic = Magic::new(types(false));
        assert!(matches!(magic.response_head(&mut head(Some("gzip"))), Verdict::Pass));
        assert_eq!(magic.interest(Side::Response), Interest::Nothing);
        let mut strict = Magic::new(types(true));
        assert!(matches!(strict.response_head(&mut head(Some("br"))), Verdict::Block(_)));
        assert!(matches!(strict.response_head(&mut head(Some("identity"))), Verdict::Pass));
    }
}
