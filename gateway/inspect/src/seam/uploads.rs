//! How large a request's body may be: by its length where that is announced, by counting where it is not.

use bytes::Bytes;

use super::heads::RequestHead;
use super::verdict::{Status, Verdict, Why};
use super::{Inspection, Interest, Side};

/// The inspection.
pub struct Uploads {
    rule: String,
    limit: u64,
    counted: u64,
    interest: Interest,
}

impl Uploads {
    /// Up to `limit` bytes, by this rule.
    pub fn new(rule: &str, limit: u64) -> Self {
        Self { rule: rule.to_owned(), limit, counted: 0, interest: Interest::Nothing }
    }

    fn too_large<T>(&self) -> Verdict<T> {
        let (limit, unit) = readable(self.limit);
        Verdict::Block(Why {
            status: Status::ContentTooLarge,
            rule: self.rule.clone(),
            japanese: format!("送信できる大きさの上限（{limit} {unit}）を超えています。").into(),
            english: format!("This is larger than may be uploaded, which is {limit} {unit}.").into(),
        })
    }
}

impl Inspection for Uploads {
    fn request_head(&mut self, head: &mut RequestHead) -> Verdict<RequestHead> {
        match head.length {
            Some(length) if length > self.limit => return self.too_large(),
            Some(_) => {}
            None => self.interest = Interest::Parts,
        }
        // What an upgraded connection carries is not an upload.
        Verdict::Pass
    }

    fn interest(&self, side: Side) -> Interest {
        match side {
            Side::Request => self.interest,
            Side::Response => Interest::Nothing,
        }
    }

    fn part(&mut self, _side: Side, part: &Bytes) -> Verdict<Bytes> {
        self.counted = self.counted.saturating_add(part.len() as u64);
        if self.counted > self.limit { self.too_large() } else { Verdict::Pass }
    }
}

fn readable(bytes: u64) -> (u64, &'static str) {
    match bytes {
        _ if bytes > 0 && bytes.is_multiple_of(1 << 30) => (bytes >> 30, "GiB"),
        _ if bytes > 0 && bytes.is_multiple_of(1 << 20) => (bytes >> 20, "MiB"),
        _ if bytes > 0 && bytes.is_multiple_of(1 << 10) => (bytes >> 10, "KiB"),
        _ => (bytes, "bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::heads::tests::get;

    #[test]
    fn an_announced_length_decides_at_once_and_costs_nothing_after() {
        let mut head = get("a", "/");
        for (length, passes) in [(1 << 20, true), ((1 << 20) + 1, false)] {
            head.length = Some(length);
            let mut uploads = Uploads::new("small", 1 << 20);
            assert_eq!(matches!(uploads.request_head(&mut head), Verdict::Pass), passes, "{length}");
            assert_eq!(uploads.interest(Side::Request), Interest::Nothing);
        }
    }

    #[test]
    fn what_announces_no_length_is_counted() {
        let mut head = get("a", "/");
        head.length = None;
        let mut uploads = Uploads::new("small", 10);
        assert!(matches!(uploads.request_head(&mut head), Verdict::Pass));
        assert_eq!(uploads.interest(Side::Request), Interest::Parts);
        assert_eq!(uploads.interest(Side::Response), Interest::Nothing);
        let part = Bytes::from_static(b"12345");
        assert!(matches!(uploads.part(Side::Request, &part), Verdict::Pass));
        assert!(matches!(uploads.part(Side::Request, &part), Verdict::Pass));
        let Verdict::Block(why) = uploads.part(Side::Request, &Bytes::from_static(b"6")) else {
            panic!("one byte more than may pass has passed");
        };
        assert_eq!((why.status, why.rule.as_str()), (Status::ContentTooLarge, "small"));
        assert!(why.english.contains("10 bytes"));
    }
}
