//! One connection, from its arrival to its end.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::tls::{ClientCertificates, Opening as Speaks, Ruling, TlsAction, Transport, canonical};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::account::Open;
use crate::bypass::{Bypassed, may_pass};
use crate::explicit::Settings;
use crate::http::{Protocol, relay};
use crate::names::Belongs;
use crate::open::{self, Next, Opening};
use crate::opening::{Kind, Spoken, TlsHello, listen, listen_on};
use crate::question::Question;
use crate::rewind::Rewind;
use crate::run::{Shared, Stage};
use crate::seam;
use crate::seam::rules::ByRules;
use crate::setting::Active;
use crate::splice::{reset, splice, write_all};
use crate::wire::{Arrival, Reason, Rule, Session};
use crate::{tell, upstream_socket};

/// A client that has said nothing for so long may be waiting for the server to speak.
const PATIENCE: Duration = Duration::from_millis(300);
/// Of a server that should speak first, and of a client after it did not.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// Serves a connection that was just accepted. Its local address is whom the client meant, if the socket is transparent.
pub async fn serve(shared: Arc<Shared>, open: Open, client: TcpStream, from: SocketAddr, arrival: Arrival) {
    let Ok(destination) = client.local_addr() else { return };
    let began = Instant::now();
    let mut session = begun(from, destination, arrival, Transport::Tcp);
    let bytes = [Cell::new(0), Cell::new(0)];
    let settings = shared.setting.subscribe();
    let setting = settings.borrow().clone();
    match setting {
        None => reset(&client),
        Some(active) if !shared.budget.admits(&active.limits, open.count, began) => {
            session.generation = active.generation;
            session.reason = Reason::Limited;
            reset(&client);
        }
        Some(active) => {
            session.generation = active.generation;
            session.reason = Reason::Rule;
            let (next, bypassed) = (settings.clone(), shared.bypassed.subscribe());
            let mut connection =
                Serving { active, session: &mut session, bytes: &bytes, settings: next, bypassed, asked: None };
            let served = async {
                match arrival {
                    Arrival::Transparent => tokio::select! {
                        biased;
                        () = until_cut_off(settings, from.ip(), destination.ip()) => Err(Reason::Isolated),
                        ended = connection.go(client, Vec::new(), None) => ended,
                    },
                    Arrival::Explicit => connection.ask(client, settings).await,
                }
            };
            let mut stage = shared.stage.subscribe();
            let ended = tokio::select! {
                biased;
                _ = stage.wait_for(|stage| *stage == Stage::Over) => Err(Reason::NotReady),
                ended = served => ended,
            };
            match ended {
                Ok(Told::Session) => {}
                Ok(Told::Nothing) => return,
                Err(reason) => session.reason = reason,
            }
        }
    }
    session.bytes = bytes.map(Cell::into_inner);
    session.duration_ms = began.elapsed().as_millis() as u64;
    shared.account.end(session);
}

/// What there is to tell of a connection that has only arrived.
pub(crate) fn begun(
    client: SocketAddr,
    destination: SocketAddr,
    arrival: Arrival,
    transport: Transport,
) -> Box<Session> {
    Box::new(Session {
        began_ns: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64,
        duration_ms: 0,
        generation: 0,
        client,
        destination,
        arrival,
        transport,
        host: None,
        opening: None,
        sni: None,
        alpn: Vec::new(),
        ja4: None,
        ech: false,
        action: TlsAction::Block,
        reason: Reason::NotReady,
        rule: None,
        upstream: None,
        refused: None,
        requests: 0,
        bytes: [0; 2],
    })
}

/// A connection that is being served.
pub(crate) struct Serving<'s> {
    pub(crate) active: Arc<Active>,
    pub(crate) session: &'s mut Session,
    pub(crate) bytes: &'s [Cell<u64>; 2],
    /// Policies to come.
    settings: watch::Receiver<Option<Arc<Active>>>,
    /// Names that are passed on unopened.
    bypassed: watch::Receiver<Arc<Bypassed>>,
    /// The name that the proxy was asked for.
    pub(crate) asked: Option<String>,
}

/// Whether there is something to tell of.
pub(crate) enum Told {
    /// As of any connection.
    Session,
    /// It was between the client and the gateway only.
    Nothing,
}

/// What rules said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) action: TlsAction,
    /// Whether it is passed on unopened all the same.
    goes_by: bool,
    trust_sni: bool,
    client_certificates: ClientCertificates,
}

impl Serving<'_> {
    /// To its end; an error is why it ended otherwise than as the rule said. Some of what the client says may have been read
    /// before, and the server may have been called.
    pub(crate) async fn go(
        &mut self,
        client: TcpStream,
        read_before: Vec<u8>,
        mut server: Option<TcpStream>,
    ) -> Result<Told, Reason> {
        let mut spoken = match listen_on(&client, read_before, PATIENCE).await {
            Ok(spoken) => spoken,
            // Reset before it has said anything whole.
            Err(_) => return Ok(Told::Nothing),
        };
        if matches!(spoken.kind, Kind::Silence) {
            (spoken, server) = self.wait_for_anyone(&client, server).await?;
        }
        let speaks = match &spoken.kind {
            Kind::Tls(_) => Speaks::Tls,
            Kind::Http => Speaks::Http,
            Kind::Other => Speaks::Other,
            Kind::Silence if server.is_some() => Speaks::ServerFirst,
            Kind::Silence => Speaks::Silence,
            Kind::Gone => return Ok(Told::Nothing),
            Kind::Malformed => return self.refuse(&client, &spoken.kind, Reason::Malformed).map(told),
            Kind::Slow => return self.refuse(&client, &spoken.kind, Reason::Slow).map(told),
        };
        let said = self.decide(speaks, spoken.hello(), true);
        if said.action != TlsAction::Block && !said.trust_sni && self.contradicts(spoken.hello().map(Arc::as_ref)) {
            return self.refuse(&client, &spoken.kind, Reason::FalseSni).map(told);
        }
        let goes_by = said.goes_by.then(|| self.bypassed.clone());
        let question = Question::of(self.session, speaks, spoken.hello().cloned());
        let overruled = question.overruled(self.settings.clone(), said.action, goes_by);
        let carried_out = async {
            match said.action {
                TlsAction::Splice => self.splice(client, spoken, server, said.trust_sni).await,
                TlsAction::Block => self.refuse(&client, &spoken.kind, Reason::Rule),
                TlsAction::Inspect if said.goes_by => match self.splice(client, spoken, server, false).await {
                    Ok(()) => Err(Reason::Bypass),
                    Err(reason) => Err(reason),
                },
                TlsAction::Inspect => self.inspect(client, spoken, server, said).await,
            }
        };
        tokio::select! {
            ended = carried_out => ended.map(told),
            () = overruled => Err(Reason::Overruled),
        }
    }

    /// The client is silent. Where a server that speaks first would be spliced, it is asked; else the client has the rest
    /// of its time.
    async fn wait_for_anyone(
        &mut self,
        client: &TcpStream,
        server: Option<TcpStream>,
    ) -> Result<(Spoken, Option<TcpStream>), Reason> {
        if self.decide(Speaks::ServerFirst, None, false).action != TlsAction::Splice {
            let spoken = listen(client, LONG_PATIENCE).await.map_err(|_| Reason::Rule)?;
            let server = server.filter(|_| !matches!(spoken.kind, Kind::Silence));
            return Ok((spoken, server));
        }
        let server = match server {
            Some(server) => server,
            None => self.connect(client).await?,
        };
        // The client first, if both speak at once; what it says is not read here, so that nothing of it is lost.
        let mut byte = [0];
        tokio::select! {
            biased;
            _ = client.readable() => {}
            peeked = server.peek(&mut byte) => {
                if !peeked.is_ok_and(|count| count > 0) {
                    reset(client);
                    return Err(Reason::Unreachable);
                }
                return Ok((Spoken { bytes: Vec::new(), kind: Kind::Silence }, Some(server)));
            }
            () = sleep(LONG_PATIENCE) => {}
        }
        let spoken = listen(client, Duration::from_millis(1)).await.map_err(|_| Reason::Rule)?;
        // Silence after all is for the rules on silence, and they want no server that is silent too.
        let server = (!matches!(spoken.kind, Kind::Silence)).then_some(server);
        Ok((spoken, server))
    }

    /// Whether the client calls the server otherwise than it called it to the proxy.
    fn contradicts(&self, hello: Option<&TlsHello>) -> bool {
        let (Some(asked), Some(sni)) = (&self.asked, hello.and_then(|hello| hello.sni.as_deref())) else {
            return false;
        };
        match (canonical(asked), canonical(sni)) {
            (Ok(asked), Ok(sni)) => asked != sni,
            _ => true,
        }
    }

    /// Asks the rules, and notes their answer if it is the one that counts.
    pub(crate) fn decide(&mut self, speaks: Speaks, hello: Option<&Arc<TlsHello>>, counts: bool) -> Said {
        let active = Arc::clone(&self.active);
        let question = Question::of(self.session, speaks, hello.cloned());
        let ruling = question.ruling(&active);
        let goes_by = self.bypassed.borrow().lets_by(&active, &ruling, question.client, hello.map(Arc::as_ref));
        if counts {
            question.note(self.session, &ruling);
        }
        let Ruling { action, trust_sni, client_certificates, .. } = ruling;
        Said { action, goes_by, trust_sni, client_certificates }
    }

    async fn connect(&self, client: &TcpStream) -> Result<TcpStream, Reason> {
        let destination: SocketAddr = self.session.destination;
        upstream_socket::connect(destination).await.map_err(|_| {
            reset(client);
            Reason::Unreachable
        })
    }

    /// For pages.
    pub(crate) fn connection(&self, server_name: Option<String>) -> seam::Connection {
        seam::Connection {
            id: format!("{:x}", self.session.began_ns),
            municipality: self.active.municipality.clone(),
            client: Some(self.session.client.ip()),
            server_name,
        }
    }

    async fn splice(
        &mut self,
        client: TcpStream,
        spoken: Spoken,
        server: Option<TcpStream>,
        trust_sni: bool,
    ) -> Result<(), Reason> {
        self.session.action = TlsAction::Splice;
        if let Some(name) = spoken.hello().and_then(|hello| hello.sni.as_deref()).filter(|_| !trust_sni) {
            match self.active.names.belongs(name, self.session.destination.ip()).await {
                Belongs::Yes => {}
                Belongs::No => return self.refuse(&client, &spoken.kind, Reason::FalseSni),
                Belongs::Unknown => return self.refuse(&client, &spoken.kind, Reason::Unresolved),
            }
        }
        let server = match server {
            Some(server) => server,
            None => self.connect(&client).await?,
        };
        if write_all(&server, &spoken.bytes).await.is_err() {
            reset(&client);
            return Err(Reason::Unreachable);
        }
        self.bytes[0].set(spoken.bytes.len() as u64);
        drop(spoken);
        // A side that breaks off is the connection's own affair; both were told by a reset.
        let _ = splice(client, server, self.bytes).await;
        Ok(())
    }

    async fn inspect(
        &mut self,
        client: TcpStream,
        spoken: Spoken,
        server: Option<TcpStream>,
        said: Said,
    ) -> Result<(), Reason> {
        let active = Arc::clone(&self.active);
        let connection = self.connection(spoken.hello().and_then(|hello| hello.sni.clone()));
        match &spoken.kind {
            Kind::Tls(_) if active.opener.is_none() => return self.refuse(&client, &spoken.kind, Reason::NoAuthority),
            Kind::Tls(_) | Kind::Http => {}
            _ => return self.refuse(&client, &spoken.kind, Reason::NotInspectable),
        }
        let server = match server {
            Some(server) => server,
            None => self.connect(&client).await?,
        };
        // One that breaks off just now is noticed by the next to use it.
        let _ = upstream_socket::keep_alive(&server);
        let rules = self.rules(connection.clone(), spoken.hello());
        // The bytes go with the client: a connection lasts long, and they are needed for a moment.
        let Spoken { bytes, kind } = spoken;
        let (Kind::Tls(hello), Some(opener)) = (&kind, &active.opener) else {
            let client = Rewind::new(bytes.into(), client);
            let outcome = relay(client, server, Protocol::H1, Arc::new(rules.clone())).await;
            self.blocked_by(&rules);
            self.session.requests = outcome.requests;
            self.bytes[0].set(outcome.from_client);
            self.bytes[1].set(outcome.to_client);
            return open::reason(&outcome).map_or(Ok(()), Err);
        };
        let opening = Opening {
            opener,
            hello,
            destination: self.session.destination.ip(),
            client_certificates: said.client_certificates,
            on_bad_certificate: active.on_bad_certificate,
            connection,
            rules: rules.clone(),
            may_pass: may_pass(&active, self.session.client.ip(), hello),
            restricted: active.http.restricted(),
            bytes: self.bytes,
        };
        match opening.run(client, bytes, server).await {
            Next::Splice(client, bytes) => {
                let spoken = Spoken { bytes, kind };
                self.splice(client, spoken, None, said.trust_sni).await?;
                Err(Reason::ClientCertificate)
            }
            Next::Ended(opened) => {
                self.blocked_by(&rules);
                self.session.upstream = opened.upstream;
                self.session.requests = opened.requests;
                self.session.refused = opened.refused;
                if matches!(
                    opened.reason,
                    Some(
                        Reason::NoAuthority | Reason::UpstreamTls | Reason::BadCertificate | Reason::ClientCertificate
                    )
                ) {
                    self.session.action = TlsAction::Block;
                }
                opened.reason.map_or(Ok(()), Err)
            }
        }
    }

    /// The rules on what an opened connection carries. A host that rules leave closed, or block, is not reached over a
    /// connection to another that they open.
    pub(crate) fn rules(&self, connection: seam::Connection, hello: Option<&Arc<TlsHello>>) -> ByRules {
        let (active, http) = (Arc::clone(&self.active), Arc::clone(&self.active.http));
        let question = hello.map(|hello| Question::of(self.session, Speaks::Tls, Some(Arc::clone(hello))));
        let opens = move |host: &str| {
            let ruling = |question: &Question| question.ruling_for(&active, Some(host)).action;
            question.as_ref().is_none_or(|question| ruling(question) == TlsAction::Inspect)
        };
        ByRules::new(connection, self.session.client.ip(), http, Box::new(opens))
    }

    /// The event names the HTTP rule that blocked something rather than the TLS rule that let it be seen.
    pub(crate) fn blocked_by(&mut self, rules: &ByRules) {
        if let Some(rule) = rules.blocked_by() {
            self.session.rule = Some(Rule::from(&rule));
        }
    }

    /// Ends it with what can be said to such a client.
    fn refuse(&mut self, client: &TcpStream, kind: &Kind, reason: Reason) -> Result<(), Reason> {
        self.session.action = TlsAction::Block;
        tell::refuse(client, kind);
        if reason == Reason::Rule { Ok(()) } else { Err(reason) }
    }
}

/// Waits for a policy by which the client is cut off from the server, in whatever state their connection is.
async fn until_cut_off(mut settings: Settings, client: IpAddr, server: IpAddr) {
    loop {
        let holds = |active: &Arc<Active>| active.cut_off.holds(client, server);
        if settings.borrow_and_update().as_ref().is_some_and(holds) {
            return;
        }
        if settings.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn told((): ()) -> Told {
    Told::Session
}

impl Spoken {
    fn hello(&self) -> Option<&Arc<TlsHello>> {
        match &self.kind {
            Kind::Tls(hello) => Some(hello),
            _ => None,
        }
    }
}
