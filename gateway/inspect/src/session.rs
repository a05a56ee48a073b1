//! One connection, from its arrival to its end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::tls::{Asked, ClientCertificates, Ech, Opening as Speaks, TlsAction};
use tokio::net::TcpStream;

use crate::http::{Protocol, relay};
use crate::names::Belongs;
use crate::open::{self, Next, Opening};
use crate::opening::{Kind, Spoken, TlsHello, listen};
use crate::rewind::Rewind;
use crate::run::Shared;
use crate::seam::{self, Nobody};
use crate::setting::Active;
use crate::splice::{reset, splice, write_all};
use crate::wire::{Reason, Rule, Session};
use crate::{tell, upstream_socket};

/// A client that has said nothing for so long may be waiting for the server to speak.
const PATIENCE: Duration = Duration::from_millis(300);
/// Of a server that should speak first, and of a client after it did not.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// Serves a connection that was just accepted. Its local address is whom the client meant: the socket is transparent.
pub async fn serve(shared: Arc<Shared>, client: TcpStream) {
    let (Ok(destination), Ok(from)) = (client.local_addr(), client.peer_addr()) else { return };
    let open = shared.account.begin();
    let began = Instant::now();
    let mut session = Box::new(Session {
        began_ns: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64,
        duration_ms: 0,
        generation: 0,
        client: from,
        destination,
        opening: None,
        sni: None,
        alpn: Vec::new(),
        ja4: None,
        ech: false,
        action: TlsAction::Block,
        reason: Reason::NotReady,
        rule: None,
        upstream: None,
        requests: 0,
        bytes: [0; 2],
    });
    let bytes = [Cell::new(0), Cell::new(0)];
    let setting = shared.setting.borrow().clone();
    match setting {
        None => reset(&client),
        Some(active) if !shared.budget.admits(&active.limits, open, began) => {
            session.generation = active.generation;
            session.reason = Reason::Limited;
            reset(&client);
        }
        Some(active) => {
            session.generation = active.generation;
            session.reason = Reason::Rule;
            let mut connection = Serving { active, session: &mut session, bytes: &bytes };
            if let Err(reason) = connection.go(client).await {
                session.reason = reason;
            }
        }
    }
    session.bytes = bytes.map(Cell::into_inner);
    session.duration_ms = began.elapsed().as_millis() as u64;
    shared.account.end(session);
}

struct Serving<'s> {
    active: Arc<Active>,
    session: &'s mut Session,
    bytes: &'s [Cell<u64>; 2],
}

/// What rules said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    action: TlsAction,
    trust_sni: bool,
    client_certificates: ClientCertificates,
}

impl Serving<'_> {
    /// To its end; an error is why it ended otherwise than as the rule said.
    async fn go(&mut self, client: TcpStream) -> Result<(), Reason> {
        upstream_socket::settle(&client).map_err(|_| Reason::NotReady)?;
        let mut spoken = listen(&client, PATIENCE).await.map_err(|_| Reason::Rule)?;
        let mut server = None;
        if matches!(spoken.kind, Kind::Silence) {
            (spoken, server) = self.wait_for_anyone(&client).await?;
        }
        let speaks = match &spoken.kind {
            Kind::Tls(_) => Speaks::Tls,
            Kind::Http => Speaks::Http,
            Kind::Other => Speaks::Other,
            Kind::Silence if server.is_some() => Speaks::ServerFirst,
            Kind::Silence => Speaks::Silence,
            Kind::Gone => return Ok(()),
            Kind::Malformed => return self.refuse(&client, &spoken.kind, Reason::Malformed),
            Kind::Slow => return self.refuse(&client, &spoken.kind, Reason::Slow),
        };
        let said = self.decide(speaks, spoken.hello(), true);
        match said.action {
            TlsAction::Splice => self.splice(client, spoken, server, said.trust_sni).await,
            TlsAction::Block => self.refuse(&client, &spoken.kind, Reason::Rule),
            TlsAction::Inspect => self.inspect(client, spoken, server, said).await,
        }
    }

    /// The client is silent. Where a server that speaks first would be spliced, it is asked; else the client has the rest
    /// of its time.
    async fn wait_for_anyone(&mut self, client: &TcpStream) -> Result<(Spoken, Option<TcpStream>), Reason> {
        if self.decide(Speaks::ServerFirst, None, false).action != TlsAction::Splice {
            return listen(client, LONG_PATIENCE).await.map(|spoken| (spoken, None)).map_err(|_| Reason::Rule);
        }
        let server = self.connect(client).await?;
        let spoken = tokio::select! {
            spoken = listen(client, LONG_PATIENCE) => spoken.map_err(|_| Reason::Rule)?,
            readable = server.readable() => {
                readable.map_err(|_| Reason::Unreachable)?;
                return Ok((Spoken { bytes: Vec::new(), kind: Kind::Silence }, Some(server)));
            }
        };
        // Silence after all is for the rules on silence, and they want no server that is silent too.
        let server = (!matches!(spoken.kind, Kind::Silence)).then_some(server);
        Ok((spoken, server))
    }

    /// Asks the rules, and notes their answer if it is the one that counts.
    fn decide(&mut self, speaks: Speaks, hello: Option<&TlsHello>, counts: bool) -> Said {
        let alpn: Vec<&[u8]> = hello.iter().flat_map(|hello| &hello.alpn).map(Vec::as_slice).collect();
        let active = Arc::clone(&self.active);
        let ruling = active.decider.decide(&Asked {
            client: self.session.client.ip(),
            destination: self.session.destination,
            opening: speaks,
            sni: hello.and_then(|hello| hello.sni.as_deref()),
            ja4: hello.map(|hello| hello.ja4.as_str()),
            alpn: &alpn,
            ech: if hello.is_some_and(|hello| hello.ech) { Ech::Offered } else { Ech::Absent },
        });
        if counts {
            let session = &mut *self.session;
            session.opening = Some(speaks);
            session.action = ruling.action;
            session.rule = ruling.rule.map(|rule| Rule {
                name: rule.name.clone(),
                layer: rule.layer,
                location: format!("{}:{}", rule.file, rule.line),
            });
            if let Some(hello) = hello {
                session.sni.clone_from(&hello.sni);
                session.alpn = hello.alpn.iter().map(|name| name.escape_ascii().to_string()).collect();
                session.ja4 = Some(hello.ja4.clone());
                session.ech = hello.ech;
            }
        }
        Said { action: ruling.action, trust_sni: ruling.trust_sni, client_certificates: ruling.client_certificates }
    }

    async fn connect(&self, client: &TcpStream) -> Result<TcpStream, Reason> {
        let destination: SocketAddr = self.session.destination;
        upstream_socket::connect(destination).await.map_err(|_| {
            reset(client);
            Reason::Unreachable
        })
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
        let _ = splice(&client, &server, self.bytes).await;
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
        let connection = seam::Connection {
            id: format!("{:x}", self.session.began_ns),
            municipality: active.municipality.clone(),
            client: Some(self.session.client.ip()),
            server_name: spoken.hello().and_then(|hello| hello.sni.clone()),
        };
        match &spoken.kind {
            Kind::Tls(_) if active.opener.is_none() => return self.refuse(&client, &spoken.kind, Reason::NoAuthority),
            Kind::Tls(_) | Kind::Http => {}
            _ => return self.refuse(&client, &spoken.kind, Reason::NotInspectable),
        }
        let server = match server {
            Some(server) => server,
            None => self.connect(&client).await?,
        };
        // The bytes go with the client: a connection lasts long, and they are needed for a moment.
        let Spoken { bytes, kind } = spoken;
        let (Kind::Tls(hello), Some(opener)) = (&kind, &active.opener) else {
            let client = Rewind::new(bytes.into(), client);
            let outcome = relay(client, server, Protocol::H1, Arc::new(Nobody { connection })).await;
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
            bytes: self.bytes,
        };
        match opening.run(client, bytes, server).await {
            Next::Splice(client, bytes) => {
                let spoken = Spoken { bytes, kind };
                self.splice(client, spoken, None, said.trust_sni).await?;
                Err(Reason::ClientCertificate)
            }
            Next::Ended(opened) => {
                self.session.upstream = opened.upstream;
                self.session.requests = opened.requests;
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

    /// Ends it with what can be said to such a client.
    fn refuse(&mut self, client: &TcpStream, kind: &Kind, reason: Reason) -> Result<(), Reason> {
        self.session.action = TlsAction::Block;
        match tell::refusal(kind) {
            // To a client that does not read, nothing is owed.
            Some(words) => drop(client.try_write(words)),
            None => reset(client),
        }
        if reason == Reason::Rule { Ok(()) } else { Err(reason) }
    }
}

impl Spoken {
    fn hello(&self) -> Option<&TlsHello> {
        match &self.kind {
            Kind::Tls(hello) => Some(hello),
            _ => None,
        }
    }
}
