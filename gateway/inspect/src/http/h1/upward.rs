//! Requests on their way up: read, shown to the inspections, written, one after the other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Shape};
use super::framing::Framing;
use super::input::Input;
use super::out::Out;
use super::reader::{Event, Requests};
use super::request::{Request, Version};
use super::response::{Asked, AskedMethod};
use super::turns::{About, Answer, Asking, Turn, Turns};
use crate::http::refusal::Refusal;
use crate::seam::body::{Sieve, Stop};
use crate::seam::exchange::Exchange;
use crate::seam::verdict::Why;
use crate::seam::{Inspector, Side, page};

/// Patience with a client that has begun a head: nobody needs longer who means to finish it.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// Why no more requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The client has said all, between two requests or after an upgrade.
    ClientClosed,
    /// The client failed, or went away inside a request.
    ClientFailed(io::ErrorKind),
    /// The client said that this request was its last.
    LastRequest,
    /// Upstream takes no more.
    UpstreamFailed(io::ErrorKind),
    /// The client's request was refused; the answer waits for its turn.
    Refused(Refusal),
    /// An inspection blocked a request; the answer waits for its turn.
    Blocked,
}

/// The upward direction.
pub(crate) struct Upward<'r, R, W> {
    pub(crate) input: Input<R>,
    pub(crate) out: Out<W>,
    pub(crate) requests: u64,
    pub(crate) blocked: u64,
    reader: Requests,
    turns: &'r Turns,
    inspector: &'r dyn Inspector,
    current: Option<Current>,
    /// When the head that has come in part has to be whole.
    deadline: Option<Instant>,
}

/// The request that is under way.
struct Current {
    asking: Arc<Asking>,
    sieve: Sieve,
    framing: Framing,
    /// Whether nothing may follow it before its response says in which protocol.
    may_switch: bool,
}

impl<'r, R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Upward<'r, R, W> {
    pub(crate) fn new(input: Input<R>, out: Out<W>, turns: &'r Turns, inspector: &'r dyn Inspector) -> Self {
        let reader = Requests::new(inspector.connection().server_name.clone());
        Self { input, out, requests: 0, blocked: 0, reader, turns, inspector, current: None, deadline: None }
    }

    /// Carries requests until there are no more.
    pub(crate) async fn run(&mut self) -> Stopped {
        loop {
            if let Err(stopped) = self.step().await {
                // What came before a refused or blocked request has yet to go; if it cannot, its response tells.
                let _ = self.drain().await;
                return stopped;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Stopped> {
        if self.out.is_full() {
            self.drain().await?;
        }
        match self.reader.next(&mut self.input.bytes) {
            Ok(Some(Event::Head(request))) => self.head(*request).await,
            Ok(Some(Event::Part(part))) => self.part(part).await,
            Ok(Some(Event::End(trailers))) => self.end(trailers).await,
            Ok(None) => self.more().await,
            Err(refusal) => Err(self.refuse(refusal)),
        }
    }

    async fn more(&mut self) -> Result<(), Stopped> {
        self.drain().await?;
        let read = if self.reader.is_inside_head(&self.input.bytes) {
            let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + HEAD_PATIENCE);
            match timeout_at(deadline, self.input.fill()).await {
                Ok(read) => read,
                Err(_) => return Err(self.refuse(Refusal::Slow)),
            }
        } else {
            self.input.fill().await
        };
        match read {
            Ok(0) if self.reader.is_between(&self.input.bytes) => {
                // Passed on: what waits for its answers may still come.
                let _ = self.out.shutdown().await;
                Err(Stopped::ClientClosed)
            }
            Ok(0) => Err(Stopped::ClientFailed(io::ErrorKind::UnexpectedEof)),
            Ok(_) => Ok(()),
            Err(error) => Err(Stopped::ClientFailed(error.kind())),
        }
    }

    async fn head(&mut self, mut request: Request) -> Result<(), Stopped> {
        self.deadline = None;
        if !self.turns.has_room() {
            self.drain().await?;
            self.turns.room().await;
        }
        self.requests += 1;
        let exchange = Exchange::new(self.inspector.exchange());
        let mut about = About::default();
        let mut interests = Default::default();
        if !exchange.is_empty() {
            about = About {
                host: request.head.host.clone(),
                path: request.head.path_alone().to_owned(),
                json: page::wants_json(request.head.fields.get("accept")),
            };
            interests = match exchange.request_head(&mut request.head).await {
                Ok(interests) => interests,
                Err(why) => return self.block_head(&request, &about, &why),
            };
        }
        let sieve = Sieve::new(Side::Request, interests);
        if sieve.rewrites() && request.version == Version::Http11 && matches!(request.framing, Framing::Length(1..)) {
            request.framing = Framing::Chunked(None);
        }
        let head = request.write().map_err(|refusal| self.refuse(refusal))?;
        let method = match request.head.method {
            Method::HEAD => AskedMethod::Head,
            Method::CONNECT => AskedMethod::Connect,
            _ => AskedMethod::Other,
        };
        let asked = Asked { method, version: request.version, offers_upgrade: request.options.upgrade.is_some() };
        let may_switch = asked.offers_upgrade || method == AskedMethod::Connect;
        let is_last = !request.persists;
        let asking = Arc::new(Asking { number: self.requests, asked, is_last, exchange, about });
        self.turns.push(Turn::Asking(Arc::clone(&asking)));
        self.out.push(head);
        self.current = Some(Current { asking, sieve, framing: request.framing, may_switch });
        Ok(())
    }

    async fn part(&mut self, part: Bytes) -> Result<(), Stopped> {
        // Of a blocked request nothing follows: see `block_head`.
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.sieve.is_open() {
            self.out.push_part(&current.framing, part);
            return Ok(());
        }
        match current.sieve.part(&current.asking.exchange, part).await {
            Ok(None) => Ok(()),
            Ok(Some(part)) => {
                self.out.push_part(&current.framing, part);
                Ok(())
            }
            Err(stop) => Err(self.block_body(stop)),
        }
    }

    async fn end(&mut self, mut trailers: crate::seam::fields::Fields) -> Result<(), Stopped> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if !current.sieve.is_open() {
            match current.sieve.end(&current.asking.exchange, &mut trailers).await {
                Ok(rest) => {
                    for part in rest {
                        self.out.push_part(&current.framing, part);
                    }
                }
                Err(stop) => return Err(self.block_body(stop)),
            }
        }
        self.out.push_end(&current.framing, &trailers);
        let Some(current) = self.current.take() else { return Ok(()) };
        if current.may_switch {
            self.drain().await?;
            if self.turns.switches().await {
                return Err(self.tunnel().await);
            }
        }
        if current.asking.is_last {
            self.drain().await?;
            return Err(Stopped::LastRequest);
        }
        Ok(())
    }

    /// After an upgrade: bytes as they come.
    async fn tunnel(&mut self) -> Stopped {
        loop {
            self.out.push(self.input.bytes.split().freeze());
            if let Err(stopped) = self.drain().await {
                return stopped;
            }
            match self.input.fill().await {
                Ok(0) => {
                    let _ = self.out.shutdown().await;
                    return Stopped::ClientClosed;
                }
                Ok(_) => {}
                Err(error) => return Stopped::ClientFailed(error.kind()),
            }
        }
    }

    fn block_head(&mut self, request: &Request, about: &About, why: &Why) -> Result<(), Stopped> {
        self.blocked += 1;
        // A body that nobody reads would have to be read; so the connection ends where there is one.
        let closes = request.framing.length() != Some(0) || !request.persists;
        let shape = Shape { is_head: request.head.method == Method::HEAD, closes };
        let answer = answer::blocked(self.inspector, self.requests, Side::Request, about, why, shape);
        self.turns.push(Turn::Answer(answer));
        if closes { Err(Stopped::Blocked) } else { Ok(()) }
    }

    fn block_body(&mut self, stop: Stop) -> Stopped {
        let Some(current) = &self.current else { return Stopped::Blocked };
        let asking = &current.asking;
        let answer = match stop {
            Stop::Blocked(why) => {
                self.blocked += 1;
                let shape = Shape { is_head: asking.asked.method == AskedMethod::Head, closes: true };
                answer::blocked(self.inspector, asking.number, Side::Request, &asking.about, &why, shape)
            }
            Stop::LengthChanged => answer::refused(Refusal::Length),
        };
        self.turns.cut(asking.number, answer);
        Stopped::Blocked
    }

    fn refuse(&mut self, refusal: Refusal) -> Stopped {
        let answer: Answer = answer::refused(refusal);
        match &self.current {
            Some(current) => self.turns.cut(current.asking.number, answer),
            None => self.turns.push(Turn::Answer(answer)),
        }
        Stopped::Refused(refusal)
    }

    async fn drain(&mut self) -> Result<(), Stopped> {
        self.out.drain().await.map_err(|error| Stopped::UpstreamFailed(error.kind()))
    }
}
