//! What the policy's HTTP rules say: where a request may go, how much may be uploaded, of which types files may be, and which
//! organisations may be signed in to.
//!
//! A type is known by a body's first bytes, whatever a message calls it. Where rules speak of types servers are asked not
//! to encode what they send, and what comes encoded all the same counts as of a type that may not pass. Archives are not
//! opened: a program in a ZIP is a ZIP. What an upgraded connection carries is seen by nobody.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use policy::http::{FileType, HttpAction, HttpAsked, HttpDecider, HttpRuling, HttpVerdict};
use policy::tls::RuleRef;

use super::fields::Fields;
use super::heads::{RequestHead, ResponseHead};
use super::uploads::Uploads;
use super::verdict::{Status, Verdict, Why};
use super::{Connection, Inspection, Inspector, Interest, Side};

/// Says whether rules open connections to a host of this name, or whether a certificate is for one.
pub type Opens = dyn Fn(&str) -> bool + Send + Sync;

/// The inspector of a connection that goes by rules.
#[derive(Clone)]
pub struct ByRules(Arc<Inner>);

struct Inner {
    connection: Connection,
    client: IpAddr,
    decider: Arc<HttpDecider>,
    opens: Box<Opens>,
    /// Set once the server has shown who it is.
    covers: OnceLock<Box<Opens>>,
    blocked_by: Mutex<Option<RuleRef>>,
}

impl ByRules {
    /// For one client's connection. A request for another host than the one that has proved its name must be one that
    /// `opens` says may be opened: else it would pass where a connection of its own would not.
    pub fn new(connection: Connection, client: IpAddr, decider: Arc<HttpDecider>, opens: Box<Opens>) -> Self {
        let (covers, blocked_by) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { connection, client, decider, opens, covers, blocked_by }))
    }

    /// The server has proved to be whoever its certificate is for. A request for another of its names must be covered.
    pub fn prove(&self, covers: Box<Opens>) {
        // A connection has one server.
        let _ = self.0.covers.set(covers);
    }

    /// Whether there is any rule on what is carried.
    pub fn has_rules(&self) -> bool {
        !self.0.decider.is_empty()
    }

    /// The rule that was the first to block something.
    pub fn blocked_by(&self) -> Option<RuleRef> {
        self.0.blocked_by.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Inspector for ByRules {
    fn connection(&self) -> &Connection {
        &self.0.connection
    }

    fn exchange(&self) -> Vec<Box<dyn Inspection>> {
        vec![Box::new(Exchange::of(&self.0))]
    }
}

/// One request and its response.
struct Exchange {
    rules: Arc<Inner>,
    /// What was asked, kept where a type decides later.
    asked: Option<(String, String, String)>,
    uploads: Option<Uploads>,
    request: Interest,
    response: Interest,
    /// The beginning of the request's body, where its parts are counted as well.
    start: Vec<u8>,
    is_response_judged: bool,
}

impl Exchange {
    fn of(rules: &Arc<Inner>) -> Self {
        Self {
            rules: Arc::clone(rules),
            asked: None,
            uploads: None,
            request: Interest::Nothing,
            response: Interest::Nothing,
            start: Vec::new(),
            is_response_judged: false,
        }
    }

    fn ruling(&self) -> Option<HttpRuling<'_>> {
        let (host, path, method) = self.asked.as_ref()?;
        Some(self.rules.decide(host, path, method))
    }

    /// What becomes of a body that begins like this.
    fn judge_start(&self, start: &[u8]) -> Verdict<Bytes> {
        let Some(ruling) = self.ruling() else { return Verdict::Pass };
        let kind = FileType::of(start);
        let verdict = ruling.of_type(kind);
        if verdict.action == HttpAction::Allow {
            return Verdict::Pass;
        }
        let name = kind.map_or("?", FileType::name);
        Verdict::Block(self.rules.why(
            &verdict,
            format!("この種類のファイル({name})は許可されていません。"),
            format!("Files of the type `{name}` may not pass."),
        ))
    }
}

impl Inner {
    /// Whether a request for this host may go to the server of this connection: it is the one whose name was verified, or
    /// one of whom the certificate is as well, and whom rules open. In the clear nobody proves anything.
    fn is_proved(&self, host: &str) -> bool {
        let (name, covers) = (self.connection.server_name.as_deref(), self.covers.get());
        if name.is_none() && covers.is_none() || name.is_some_and(|name| name.eq_ignore_ascii_case(host)) {
            return true;
        }
        (self.opens)(host) && covers.is_none_or(|covers| covers(host))
    }

    fn decide(&self, host: &str, path: &str, method: &str) -> HttpRuling<'_> {
        let host = (!host.is_empty()).then_some(host);
        self.decider.decide(&HttpAsked { client: self.client, host, path, method })
    }

    fn why(&self, verdict: &HttpVerdict<'_>, japanese: String, english: String) -> Why {
        if let Some(rule) = verdict.rule {
            self.blocked_by.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| rule.clone());
        }
        let rule = verdict.rule.map_or_else(String::new, |rule| rule.name.clone());
        Why { status: Status::Forbidden, rule, japanese: japanese.into(), english: english.into() }
    }
}

/// Whether some type of file may not pass.
fn blocks_some_type(ruling: &HttpRuling<'_>) -> bool {
    FileType::WORDS.iter().any(|(_, kind)| ruling.of_type(Some(*kind)).action == HttpAction::Block)
}

fn is_encoded(fields: &Fields) -> bool {
    !fields.all("content-encoding").all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
}

impl Inspection for Exchange {
    fn request_head(&mut self, head: &mut RequestHead) -> Verdict<RequestHead> {
        let rules = Arc::clone(&self.rules);
        if !rules.is_proved(&head.host) {
            return Verdict::Block(Why {
                status: Status::Misdirected,
                rule: String::new(),
                japanese: "この接続では、別の名前のサーバーへの要求は扱えません。".into(),
                english: "Requests for a server of another name need a connection of their own.".into(),
            });
        }
        let ruling = rules.decide(&head.host, &head.path, head.method.as_str());
        if ruling.blocks_at_once() {
            return Verdict::Block(rules.why(
                &ruling.verdict,
                "このアドレスへの接続は規則により許可されていません。".into(),
                "A rule does not allow this address.".into(),
            ));
        }
        for (name, value) in rules.decider.headers(&head.host) {
            head.fields.remove(name);
            // Checked with the policy.
            let _ = head.fields.add(name, value);
        }
        let has_body = head.length != Some(0);
        if ruling.heeds_types() {
            // A part of a file has no type of its own.
            for name in ["accept-encoding", "range", "if-range"] {
                head.fields.remove(name);
            }
            let _ = head.fields.add("Accept-Encoding", "identity");
            self.asked = Some((head.host.clone(), head.path.clone(), head.method.as_str().to_owned()));
            self.response = Interest::Start;
            if has_body && is_encoded(&head.fields) && blocks_some_type(&ruling) {
                return Verdict::Block(rules.why(&ruling.verdict, ENCODED.0.into(), ENCODED.1.into()));
            }
            if has_body {
                self.request = Interest::Start;
            }
        }
        if let Some(limit) = ruling.verdict.upload_limit {
            let rule = ruling.verdict.rule.map_or("", |rule| rule.name.as_str());
            let mut uploads = Uploads::new(rule, limit);
            let verdict = uploads.request_head(head);
            self.request = self.request.max(uploads.interest(Side::Request));
            self.uploads = Some(uploads);
            return verdict;
        }
        Verdict::Pass
    }

    fn response_head(&mut self, head: &mut ResponseHead) -> Verdict<ResponseHead> {
        let Some(ruling) = self.ruling() else { return Verdict::Pass };
        // The start of a stream of events may be long in coming, and its reader waits for the head: its first part is judged
        // as it comes.
        let is_events = head.fields.get("content-type").is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        if head.length != Some(0) && is_encoded(&head.fields) && blocks_some_type(&ruling) {
            let why = self.rules.why(&ruling.verdict, ENCODED.0.into(), ENCODED.1.into());
            return Verdict::Block(why);
        }
        if head.length == Some(0) {
            self.response = Interest::Nothing;
        } else if is_events {
            self.response = Interest::Parts;
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
        if side == Side::Response {
            return if std::mem::replace(&mut self.is_response_judged, true) {
                Verdict::Pass
            } else {
                self.judge_start(part)
            };
        }
        if self.asked.is_some() && self.start.len() < FileType::BYTES {
            let room = FileType::BYTES - self.start.len();
            self.start.extend_from_slice(&part[..part.len().min(room)]);
            let is_enough = self.start.len() == FileType::BYTES || self.request == Interest::Start;
            if is_enough && let Verdict::Block(why) = self.judge_start(&self.start) {
                return Verdict::Block(why);
            }
        }
        match &mut self.uploads {
            Some(uploads) if self.request >= Interest::Parts => uploads.part(side, part),
            _ => Verdict::Pass,
        }
    }

    /// A body whose parts were counted may be over before its beginning was long enough.
    fn end(&mut self, side: Side, _trailers: &mut Fields) -> Verdict<Bytes> {
        let is_short = side == Side::Request && !self.start.is_empty() && self.start.len() < FileType::BYTES;
        if is_short { self.judge_start(&self.start) } else { Verdict::Pass }
    }
}

const ENCODED: (&str, &str) = (
    "圧縮されているため、ファイルの種類を確認できません。",
    "The content is encoded, so that its type cannot be told.",
);
