//! Responses on their way down, each to the request whose turn it is. This direction ends the connection.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Ended;
use super::answer::{self, Shape};
use super::framing::Framing;
use super::input::Input;
use super::out::Out;
use super::reader::{Event, Responses};
use super::request::Version;
use super::response::{AskedMethod, Kind, Response};
use super::turns::{Answer, Asking, Next, Turn, Turns};
use super::upward::Stopped;
use crate::http::End;
use crate::http::refusal::Refusal;
use crate::seam::body::{Sieve, Stop};
use crate::seam::exchange::Interests;
use crate::seam::fields::Fields;
use crate::seam::verdict::Why;
use crate::seam::{Inspector, Side};

/// The downward direction.
pub(crate) struct Downward<'r, R, W> {
    pub(crate) out: Out<W>,
    pub(crate) blocked: u64,
    input: Input<R>,
    reader: Responses,
    turns: &'r Turns,
    inspector: &'r dyn Inspector,
    current: Option<Current>,
}

/// The final response that is under way.
struct Current {
    sieve: Sieve,
    framing: Framing,
    /// The head, while the body's start is awaited.
    held: Option<Box<Response>>,
    closes: bool,
    /// What the client had got before it.
    sent_before: u64,
}

impl<'r, R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Downward<'r, R, W> {
    pub(crate) fn new(input: Input<R>, out: Out<W>, turns: &'r Turns, inspector: &'r dyn Inspector) -> Self {
        Self { out, blocked: 0, input, reader: Responses::new(), turns, inspector, current: None }
    }

    /// Carries responses until there are no more.
    pub(crate) async fn run(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.turn().await {
                return ended;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Ended> {
        match self.turns.next() {
            Next::Turn(Turn::Asking(asking)) => self.respond(&asking).await,
            Next::Turn(Turn::Answer(answer)) => self.answer(answer).await,
            Next::Stopped(stopped) => Err(ended_by(stopped)),
            // A response before its request is one that somebody wants another request to get.
            Next::Nothing if !self.input.bytes.is_empty() => Err(whole(End::Malformed(Refusal::Unasked))),
            Next::Nothing => {
                tokio::select! {
                    biased;
                    () = self.turns.changed() => Ok(()),
                    read = self.input.fill() => match read {
                        Ok(0) => Err(whole(End::UpstreamClosed)),
                        Ok(_) => Ok(()),
                        Err(error) => Err(whole(End::Failed(Side::Response, error.kind()))),
                    }
                }
            }
        }
    }

    /// An answer of ours in its turn.
    async fn answer(&mut self, answer: Answer) -> Result<(), Ended> {
        self.out.push(answer.bytes);
        self.drain().await?;
        self.turns.pop();
        answer.closes.map_or(Ok(()), |end| Err(whole(end)))
    }

    /// The whole response to one request.
    async fn respond(&mut self, asking: &Arc<Asking>) -> Result<(), Ended> {
        loop {
            if self.out.is_full() {
                self.drain().await?;
            }
            match self.reader.next(&mut self.input.bytes, &asking.asked) {
                Ok(Some(Event::Head(response))) => self.head(asking, response).await?,
                Ok(Some(Event::Part(part))) => self.part(asking, part).await?,
                Ok(Some(Event::End(trailers))) => return self.end(asking, trailers).await,
                Ok(None) => {
                    if let Some(trailers) = self.more(asking).await? {
                        return self.end(asking, trailers).await;
                    }
                }
                Err(refusal) => return Err(self.malformed(refusal).await),
            }
        }
    }

    /// Reads on, unless the request is cut meanwhile; trailers if the body ended with the connection.
    async fn more(&mut self, asking: &Asking) -> Result<Option<Fields>, Ended> {
        self.drain().await?;
        loop {
            if let Some(answer) = self.turns.cut_of(asking.number) {
                return match self.has_begun() {
                    true => Err(broken(self.turns.stopped().map_or(End::Blocked, |stopped| ended_by(stopped).end))),
                    false => self.answer(answer).await.map(|()| None),
                };
            }
            if let Some(Stopped::ClientFailed(kind)) = self.turns.stopped() {
                return Err(broken(End::Failed(Side::Request, kind)));
            }
            let read = tokio::select! {
                biased;
                read = self.input.fill() => read,
                () = self.turns.changed() => continue,
            };
            return match read {
                Ok(0) => match self.reader.close() {
                    Ok(trailers) => Ok(Some(trailers)),
                    Err(_) if self.has_begun() => Err(broken(End::Malformed(Refusal::Truncated))),
                    // As it is without us: a client may ask again where it may ask twice.
                    Err(_) => Err(whole(End::UpstreamClosed)),
                },
                Ok(_) => Ok(None),
                Err(error) => Err(broken(End::Failed(Side::Response, error.kind()))),
            };
        }
    }

    async fn head(&mut self, asking: &Arc<Asking>, mut response: Box<Response>) -> Result<(), Ended> {
        match response.kind {
            Kind::Interim => {
                if asking.asked.version == Version::Http11 {
                    self.out.push(response.write(false));
                }
                return Ok(());
            }
            Kind::Switch => {
                self.out.push(response.write(false));
                self.turns.pop();
                self.turns.decide(true);
                return Err(self.tunnel().await);
            }
            Kind::Final => {}
        }
        let mut interests = Interests::default();
        if !asking.exchange.is_empty() {
            interests = match asking.exchange.response_head(&mut response.head).await {
                Ok(interests) => interests,
                Err(why) => return Err(self.block(asking, &why).await),
            };
        }
        let sieve = Sieve::new(Side::Response, interests);
        if sieve.rewrites() {
            response.unannounce(&asking.asked);
        }
        if asking.asked.offers_upgrade || asking.asked.method == AskedMethod::Connect {
            self.turns.decide(false);
        }
        let framing = response.framing.clone();
        let closes = asking.is_last || !response.persists;
        let mut held = Some(response);
        let sent_before = self.out.sent;
        if !sieve.is_gathering() {
            self.release(&mut held, closes);
        }
        self.current = Some(Current { sieve, framing, held, closes, sent_before });
        Ok(())
    }

    async fn part(&mut self, asking: &Asking, part: Bytes) -> Result<(), Ended> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let part =
            if current.sieve.is_open() { Ok(Some(part)) } else { current.sieve.part(&asking.exchange, part).await };
        match part {
            Ok(None) => {}
            Ok(Some(part)) => {
                self.release(&mut current.held, current.closes);
                self.out.push_part(&current.framing, part);
            }
            Err(stop) => {
                self.current = Some(current);
                return Err(self.stop(asking, stop).await);
            }
        }
        self.current = Some(current);
        Ok(())
    }

    async fn end(&mut self, asking: &Asking, mut trailers: Fields) -> Result<(), Ended> {
        // Without a current one, an answer of ours was the response.
        let Some(mut current) = self.current.take() else { return Ok(()) };
        match current.sieve.end(&asking.exchange, &mut trailers).await {
            Ok(rest) => {
                self.release(&mut current.held, current.closes);
                for part in rest {
                    self.out.push_part(&current.framing, part);
                }
            }
            Err(stop) => {
                self.current = Some(current);
                return Err(self.stop(asking, stop).await);
            }
        }
        self.out.push_end(&current.framing, &trailers);
        self.drain().await?;
        self.turns.pop();
        if current.closes { Err(whole(End::LastMessage)) } else { Ok(()) }
    }

    /// After an upgrade: bytes as they come, until both directions have ended.
    async fn tunnel(&mut self) -> Ended {
        loop {
            self.out.push(self.input.bytes.split().freeze());
            if let Err(ended) = self.drain().await {
                return ended;
            }
            match self.input.fill().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return broken(End::Failed(Side::Response, error.kind())),
            }
        }
        let _ = self.out.shutdown().await;
        while self.turns.stopped().is_none() {
            self.turns.changed().await;
        }
        whole(End::UpstreamClosed)
    }

    /// Whether the client has got some of the final response.
    fn has_begun(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.out.sent > current.sent_before)
    }

    fn release(&mut self, held: &mut Option<Box<Response>>, closes: bool) {
        if let Some(response) = held.take() {
            self.out.push(response.write(closes));
        }
    }

    async fn stop(&mut self, asking: &Asking, stop: Stop) -> Ended {
        match stop {
            Stop::Blocked(why) => self.block(asking, &why).await,
            Stop::LengthChanged => self.malformed(Refusal::Length).await,
        }
    }

    /// A page instead of the response; if that has begun, its end.
    async fn block(&mut self, asking: &Asking, why: &Why) -> Ended {
        self.blocked += 1;
        let has_begun = self.has_begun();
        let shape = Shape { is_head: asking.asked.method == AskedMethod::Head, closes: true };
        let answer = answer::blocked(self.inspector, asking.number, Side::Response, &asking.about, why, shape);
        if has_begun {
            return broken(End::Blocked);
        }
        self.out.forget();
        self.out.push(answer.bytes);
        match self.drain().await {
            Ok(()) => whole(End::Blocked),
            Err(ended) => ended,
        }
    }

    async fn malformed(&mut self, refusal: Refusal) -> Ended {
        if self.has_begun() {
            return broken(End::Malformed(refusal));
        }
        self.out.forget();
        self.out.push(answer::malformed(refusal).bytes);
        match self.drain().await {
            Ok(()) => whole(End::Malformed(refusal)),
            Err(ended) => ended,
        }
    }

    async fn drain(&mut self) -> Result<(), Ended> {
        self.out.drain().await.map_err(|error| broken(End::Failed(Side::Request, error.kind())))
    }
}

/// What the end of the requests means, once all that came before are answered.
fn ended_by(stopped: Stopped) -> Ended {
    match stopped {
        Stopped::ClientClosed => whole(End::ClientClosed),
        Stopped::ClientFailed(kind) => broken(End::Failed(Side::Request, kind)),
        Stopped::LastRequest => whole(End::LastMessage),
        Stopped::UpstreamFailed(kind) => whole(End::Failed(Side::Response, kind)),
        Stopped::Refused(refusal) => whole(End::Refused(refusal)),
        Stopped::Blocked => whole(End::Blocked),
    }
}

fn whole(end: End) -> Ended {
    Ended { end, is_whole: true }
}

fn broken(end: End) -> Ended {
    Ended { end, is_whole: false }
}
