//! What the proxy itself answers: the connection ends with each.

use std::time::Duration;

use policy::proxy::{Refused, pac};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::Refusal;
use crate::seam::verdict::{Status, Why};
use crate::seam::{Connection, page};
use crate::wire::Rule;

/// To who asked for a way to a host, and has it.
pub(super) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Patience with who does not take an answer, and what it may still send before its connection is cut: without reading
/// it, the kernel would reset the connection, and the client might never see the answer.
const CLOSING: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 1 << 20;

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    phrase: &'static str,
    content_type: &'static str,
    text: String,
    has_body: bool,
}

impl Answer {
    fn new(status: u16, phrase: &'static str, content_type: &'static str, text: String) -> Self {
        Self { status, phrase, content_type, text, has_body: true }
    }

    fn plain(status: u16, phrase: &'static str, text: &str) -> Self {
        Self::new(status, phrase, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// The client does not finish its head.
    pub fn slow() -> Self {
        Self::plain(408, "Request Timeout", "要求が時間内に届きませんでした。\nThe request did not arrive in time.")
    }

    /// The head is not what a proxy may be asked.
    pub fn refused(refusal: Refusal) -> Self {
        let (status, phrase) = refusal.status();
        Self::plain(status, phrase, &format!("The proxy refused this request: {refusal}."))
    }

    /// The name has no address, or nobody could say.
    pub fn unresolved() -> Self {
        let text = "サーバー名のアドレスが見つかりません。\nNo address was found for the server's name.";
        Self::plain(502, "Bad Gateway", text)
    }

    /// No address of the host answers.
    pub fn unreachable() -> Self {
        Self::plain(504, "Gateway Timeout", "サーバーに接続できません。\nThe server cannot be reached.")
    }

    /// Neither a request for another host nor anything that is here.
    pub fn not_here() -> Self {
        let text = "これはプロキシです。自動設定ファイルは /proxy.pac です。\nThis is a proxy. Its configuration is at /proxy.pac.";
        Self::plain(404, "Not Found", text)
    }

    /// The file by which browsers find the proxy.
    pub fn pac(text: String) -> Self {
        Self::new(200, "OK", pac::CONTENT_TYPE, text)
    }

    /// The client may not reach what it asked for.
    pub fn packet_rule(refused: Refused<'_>, connection: &Connection, json: bool) -> Self {
        let (rule, japanese, english) = match refused {
            Refused::Rule(rule) => (
                rule.name.as_str(),
                "この宛先への通信は規則で許可されていません。",
                "A rule does not allow connections to this destination.",
            ),
            Refused::Default => (
                "default",
                "この宛先への通信を許可する規則がありません。",
                "No rule allows connections to this destination.",
            ),
            Refused::Isolated => (
                "isolated",
                "この端末は現在、ネットワークから隔離されています。",
                "This terminal is cut off at present.",
            ),
            Refused::Special | Refused::Ours => (
                "proxy",
                "この宛先にはプロキシ経由で接続できません。",
                "This destination cannot be reached by the proxy.",
            ),
        };
        Self::forbidden(rule, japanese, english, connection, json)
    }

    /// A TLS rule, or the default, blocks requests in the clear.
    pub fn tls_rule(rule: Option<&Rule>, connection: &Connection, json: bool) -> Self {
        let rule = rule.map_or("default", |rule| rule.name.as_str());
        let japanese = "暗号化されていないこの通信は規則で許可されていません。";
        Self::forbidden(rule, japanese, "A rule does not allow this connection in the clear.", connection, json)
    }

    fn forbidden(
        rule: &str,
        japanese: &'static str,
        english: &'static str,
        connection: &Connection,
        json: bool,
    ) -> Self {
        let status = Status::Forbidden;
        let why = Why { status, rule: rule.to_owned(), japanese: japanese.into(), english: english.into() };
        let page = page::blocked(&why, connection, &connection.id, json);
        Self::new(status.number(), status.phrase(), page.content_type, page.text)
    }

    /// The answer to `HEAD`.
    pub fn without_body_if(mut self, is_head: bool) -> Self {
        self.has_body = !is_head;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { status, phrase, content_type, text, has_body } = self;
        let body = if *has_body { text.as_str() } else { "" };
        let length = text.len();
        format!(
            "HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends it, and ends the connection.
    pub async fn send(self, mut client: TcpStream) {
        let sends = async {
            client.write_all(&self.bytes()).await?;
            client.shutdown().await?;
            let (mut left, mut nothing) = (LINGER_BYTES, [0; 4 << 10]);
            while left > 0 {
                match client.read(&mut nothing).await? {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            std::io::Result::Ok(())
        };
        // Who does not take it has had its time.
        let _ = timeout(CLOSING, sends).await;
    }
}
