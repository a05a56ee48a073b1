//! One connection of datagrams, from the first to its end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::tls::{Opening as Speaks, TlsAction, Transport};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::hearing::{Datagram, Heard, Hearing};
use super::place::{Ends, Flow, Place};
use super::socket::{Received, Socket};
use crate::names::Belongs;
use crate::opening::TlsHello;
use crate::question::Question;
use crate::run::Stage;
use crate::session::begun;
use crate::setting::Active;
use crate::wire::{Arrival, Reason, Session};

/// For a hello, once it has begun.
const TIME_TO_FINISH: Duration = Duration::from_secs(5);
/// Connections of one port whose hello is not whole. Each may hold what two of the longest hellos take.
const MOST_UNDECIDED: usize = 256;
/// Nothing passes for so long: it is over. Its end cannot be seen; by itself it ends after 30 s of silence, as a rule.
const IDLE: Duration = Duration::from_secs(60);
/// A refused client repeats what it said, and is refused again so often; after so long a silence it is forgotten.
const REPEATS: Duration = Duration::from_secs(10);
const MOST_REPEATS: usize = 8;

/// How it ended.
enum Ended {
    /// As the rule said.
    Over,
    /// Otherwise.
    Because(Reason),
    /// The client has begun another between the same ends.
    Another(Arc<TlsHello>),
    /// It never began.
    Nothing,
}

/// Serves what arrives between two ends, until nothing does.
pub async fn serve(place: Rc<Place>, ends: Ends, flow: Rc<Flow>, mut inbox: Receiver<Datagram>) {
    let mut hearing = Hearing::default();
    let mut begins_with = None;
    loop {
        let open = place.shared.account.begin();
        let (client, server) = (ends.0, place.server(ends));
        let began = Instant::now();
        flow.sent.set(0);
        let mut connection = Connection {
            place: &place,
            ends,
            flow: &flow,
            inbox: &mut inbox,
            hearing: &mut hearing,
            session: begun(client, server, Arrival::Transparent, Transport::Udp),
        };
        let ended = connection.run(open.count, began, begins_with.take()).await;
        let mut session = connection.session;
        flow.upstream.take();
        session.bytes[0] = flow.sent.get();
        session.duration_ms = began.elapsed().as_millis() as u64;
        if let Ended::Because(reason) = ended {
            session.reason = reason;
        }
        // One that there was no room for leaves nothing behind.
        let was_refused = session.action == TlsAction::Block && session.reason != Reason::Limited;
        if !matches!(ended, Ended::Nothing) {
            place.shared.account.end(session);
        }
        drop(open);
        begins_with = match ended {
            Ended::Another(hello) => Some(hello),
            _ if was_refused => again(&place, ends, &mut inbox, &mut hearing).await,
            _ => None,
        };
        if begins_with.is_none() {
            return place.forget(ends);
        }
    }
}

/// What a client says that was refused: the same, which is refused again, or the hello of another connection. None: nothing
/// for a while.
async fn again(
    place: &Place,
    ends: Ends,
    inbox: &mut Receiver<Datagram>,
    hearing: &mut Hearing,
) -> Option<Arc<TlsHello>> {
    let mut stage = place.shared.stage.subscribe();
    let mut repeats = 0;
    hearing.release();
    loop {
        let datagram = tokio::select! {
            datagram = timeout(REPEATS, inbox.recv()) => datagram.ok().flatten()?,
            _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => return None,
        };
        match hearing.take(datagram) {
            Heard::Hello(hello) => return Some(hello),
            Heard::Passes => {
                for held in hearing.release().into_iter().filter(|_| repeats < MOST_REPEATS) {
                    place.refuse(ends, &held.bytes);
                }
                repeats += 1;
            }
            Heard::Waiting | Heard::Other | Heard::Malformed => {}
        }
    }
}

struct Connection<'c> {
    place: &'c Place,
    ends: Ends,
    flow: &'c Flow,
    inbox: &'c mut Receiver<Datagram>,
    hearing: &'c mut Hearing,
    session: Box<Session>,
}

impl Connection<'_> {
    /// To its end. Its hello may have been heard at the end of the one before.
    async fn run(&mut self, open: u64, began: Instant, begins_with: Option<Arc<TlsHello>>) -> Ended {
        let Some(active) = self.place.shared.setting.borrow().clone() else { return Ended::Nothing };
        self.session.generation = active.generation;
        self.session.reason = Reason::Rule;
        let limits = active.limits;
        let has_room = begins_with.is_some() || self.place.undecided.get() < MOST_UNDECIDED;
        if !has_room || !self.place.shared.budget.admits(&limits, open, began) {
            if let Ok(datagram) = self.inbox.try_recv() {
                self.place.refuse(self.ends, &datagram.bytes);
            }
            return Ended::Because(Reason::Limited);
        }
        let heard = match begins_with {
            Some(hello) => Ok(Some(hello)),
            None => {
                self.place.undecided.update(|count| count + 1);
                let heard = timeout(TIME_TO_FINISH, self.hear()).await;
                self.place.undecided.update(|count| count - 1);
                heard.unwrap_or(Err(Reason::Slow))
            }
        };
        let hello = match heard {
            Ok(hello) => hello,
            Err(reason) => return self.refuse(reason),
        };
        let speaks = if hello.is_some() { Speaks::Quic } else { Speaks::Other };
        let question = Question::of(&self.session, speaks, hello);
        let ruling = question.ruling(&active);
        question.note(&mut self.session, &ruling);
        match ruling.action {
            TlsAction::Splice => match self.is_whose_it_says(&active, &question, ruling.trust_sni).await {
                Ok(()) => self.splice(&active, question).await,
                Err(reason) => self.refuse(reason),
            },
            TlsAction::Inspect if speaks == Speaks::Quic => self.refuse(Reason::ByTcp),
            TlsAction::Inspect => self.refuse(Reason::NotInspectable),
            TlsAction::Block => self.refuse(Reason::Rule),
        }
    }

    /// The hello; none: it is not QUIC.
    async fn hear(&mut self) -> Result<Option<Arc<TlsHello>>, Reason> {
        while let Some(datagram) = self.inbox.recv().await {
            match self.hearing.take(datagram) {
                Heard::Hello(hello) => return Ok(Some(hello)),
                Heard::Other => return Ok(None),
                Heard::Malformed => return Err(Reason::Malformed),
                Heard::Waiting | Heard::Passes => {}
            }
        }
        Err(Reason::NotReady)
    }

    /// Ends it with what can be said to such a client: of what is not QUIC, nothing.
    fn refuse(&mut self, reason: Reason) -> Ended {
        self.session.action = TlsAction::Block;
        if let Some(initial) = self.hearing.initial() {
            self.place.refuse(self.ends, initial);
        }
        Ended::Because(reason)
    }

    /// Whether the name that the client sent is the server's.
    async fn is_whose_it_says(&self, active: &Active, question: &Question, trust_sni: bool) -> Result<(), Reason> {
        let name = question.hello.as_ref().and_then(|hello| hello.sni.as_deref()).filter(|_| !trust_sni);
        let Some(name) = name else { return Ok(()) };
        match active.names.belongs(name, self.ends.1).await {
            Belongs::Yes => Ok(()),
            Belongs::No => Err(Reason::FalseSni),
            Belongs::Unknown => Err(Reason::Unresolved),
        }
    }

    /// Passes datagrams both ways.
    async fn splice(&mut self, active: &Arc<Active>, question: Question) -> Ended {
        let server = self.place.server(self.ends);
        let Ok(upstream) = Socket::connect(server).map(Rc::new) else { return self.refuse(Reason::Unreachable) };
        let mut first = self.hearing.initial().map(<[u8]>::to_vec);
        self.send_held(&upstream);
        self.flow.upstream.replace(Some(Rc::clone(&upstream)));
        let overruled = question.clone().overruled(self.place.shared.setting.subscribe(), TlsAction::Splice, None);
        let mut overruled = std::pin::pin!(overruled);
        let mut stage = self.place.shared.stage.subscribe();
        loop {
            let idle = IDLE.saturating_sub(self.flow.used_at.get().elapsed());
            tokio::select! {
                _ = upstream.readable() => {
                    let is_there = self.answer(&upstream, server).is_ok();
                    if self.session.bytes[1] > 0 {
                        first = None;
                    } else if !is_there {
                        // A client that has heard nothing yet may go to TCP.
                        first.iter().for_each(|initial| self.place.refuse(self.ends, initial));
                        return self.refuse(Reason::Unreachable);
                    }
                }
                Some(datagram) = self.inbox.recv() => match self.hearing.take(datagram) {
                    Heard::Passes => self.send_held(&upstream),
                    Heard::Waiting => {}
                    // The same again, as servers ask for, or another to the same server.
                    Heard::Hello(hello) if goes_on(active, &question, &hello) => self.send_held(&upstream),
                    Heard::Hello(hello) => return Ended::Another(hello),
                    Heard::Malformed | Heard::Other => return self.refuse(Reason::Malformed),
                },
                () = &mut overruled => return Ended::Because(Reason::Overruled),
                () = sleep(idle), if !idle.is_zero() => {}
                _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => return Ended::Over,
            }
            if self.flow.used_at.get().elapsed() >= IDLE {
                return Ended::Over;
            }
        }
    }

    /// Passes on what the client sent before it was decided.
    fn send_held(&mut self, upstream: &Socket) {
        for Datagram { bytes, ecn } in self.hearing.release() {
            let whole = Received { from: self.ends.0, to: None, ecn, size: bytes.len().max(1), bytes: &bytes };
            self.flow.pass(self.place, self.ends, upstream, &whole);
        }
    }

    /// Passes on what the server has sent, as its own words.
    fn answer(&mut self, upstream: &Socket, server: SocketAddr) -> std::io::Result<()> {
        let (place, client) = (self.place, self.ends.0);
        let bytes = &mut self.session.bytes[1];
        let received = upstream.receive(|received| {
            self.flow.used_at.set(Instant::now());
            match place.socket.send(client, Some(server.ip()), received) {
                Ok(()) => *bytes += received.bytes.len() as u64,
                Err(_) => place.lost(received.bytes.len().div_ceil(received.size)),
            }
        });
        match received {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether another hello may go where the first one went.
fn goes_on(active: &Active, question: &Question, hello: &Arc<TlsHello>) -> bool {
    let is_same = question.hello.as_ref().is_some_and(|first| first.sni == hello.sni);
    let asked = Question { speaks: Speaks::Quic, hello: Some(Arc::clone(hello)), ..question.clone() };
    is_same && asked.ruling(active).action == TlsAction::Splice
}
