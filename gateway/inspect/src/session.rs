//! One connection, from its arrival to its end.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::tls::{Asked, Ech, Opening, TlsAction};
use tokio::net::TcpStream;

use crate::names::Belongs;
use crate::opening::{Kind, Spoken, TlsHello, listen};
use crate::run::Shared;
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
    if let Some(active) = setting {
        session.generation = active.generation;
        if shared.budget.admits(&active.limits, open, began) {
            session.reason = Reason::Rule;
            let mut connection = Connection { active, client: &client, session: &mut session, bytes: &bytes };
            if let Err(reason) = connection.go().await {
                connection.session.reason = reason;
            }
        } else {
            session.reason = Reason::Limited;
            reset(&client);
        }
    } else {
        reset(&client);
    }
    session.bytes = bytes.map(Cell::into_inner);
    session.duration_ms = began.elapsed().as_millis() as u64;
    shared.account.end(session);
}

struct Connection<'c> {
    active: Arc<Active>,
    client: &'c TcpStream,
    session: &'c mut Session,
    bytes: &'c [Cell<u64>; 2],
}

/// What rules said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    action: TlsAction,
    trust_sni: bool,
}

impl Connection<'_> {
    /// To its end; an error is why it ended otherwise than as the rule said.
    async fn go(&mut self) -> Result<(), Reason> {
        upstream_socket::settle(self.client).map_err(|_| Reason::NotReady)?;
        let mut spoken = listen(self.client, PATIENCE).await.map_err(|_| Reason::Rule)?;
        let mut server = None;
        if matches!(spoken.kind, Kind::Silence) {
            (spoken, server) = self.wait_for_anyone().await?;
        }
        let opening = match &spoken.kind {
            Kind::Tls(_) => Opening::Tls,
            Kind::Http => Opening::Http,
            Kind::Other => Opening::Other,
            Kind::Silence if server.is_some() => Opening::ServerFirst,
            Kind::Silence => Opening::Silence,
            Kind::Gone => return Ok(()),
            Kind::Malformed => return self.refuse(&spoken.kind, Reason::Malformed).await,
            Kind::Slow => return self.refuse(&spoken.kind, Reason::Slow).await,
        };
        let said = self.decide(opening, spoken.hello(), true);
        match said.action {
            TlsAction::Splice => self.splice(spoken, server, said).await,
            TlsAction::Block => self.refuse(&spoken.kind, Reason::Rule).await,
            TlsAction::Inspect => {
                let reason = if matches!(spoken.kind, Kind::Tls(_) | Kind::Http) {
                    Reason::NoAuthority
                } else {
                    Reason::NotInspectable
                };
                self.refuse(&spoken.kind, reason).await
            }
        }
    }

    /// The client is silent. Where a server that speaks first would be spliced, it is asked; else the client has the rest
    /// of its time.
    async fn wait_for_anyone(&mut self) -> Result<(Spoken, Option<TcpStream>), Reason> {
        if self.decide(Opening::ServerFirst, None, false).action != TlsAction::Splice {
            return listen(self.client, LONG_PATIENCE).await.map(|spoken| (spoken, None)).map_err(|_| Reason::Rule);
        }
        let server = self.connect().await?;
        let spoken = tokio::select! {
            spoken = listen(self.client, LONG_PATIENCE) => spoken.map_err(|_| Reason::Rule)?,
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
    fn decide(&mut self, opening: Opening, hello: Option<&TlsHello>, counts: bool) -> Said {
        let alpn: Vec<&[u8]> = hello.iter().flat_map(|hello| &hello.alpn).map(Vec::as_slice).collect();
        let active = Arc::clone(&self.active);
        let ruling = active.decider.decide(&Asked {
            client: self.session.client.ip(),
            destination: self.session.destination,
            opening,
            sni: hello.and_then(|hello| hello.sni.as_deref()),
            ja4: hello.map(|hello| hello.ja4.as_str()),
            alpn: &alpn,
            ech: if hello.is_some_and(|hello| hello.ech) { Ech::Offered } else { Ech::Absent },
        });
        if counts {
            let session = &mut *self.session;
            session.opening = Some(opening);
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
        Said { action: ruling.action, trust_sni: ruling.trust_sni }
    }

    async fn connect(&self) -> Result<TcpStream, Reason> {
        let destination: SocketAddr = self.session.destination;
        upstream_socket::connect(destination).await.map_err(|_| {
            reset(self.client);
            Reason::Unreachable
        })
    }

    async fn splice(&mut self, spoken: Spoken, server: Option<TcpStream>, said: Said) -> Result<(), Reason> {
        if let Some(name) = spoken.hello().and_then(|hello| hello.sni.as_deref()).filter(|_| !said.trust_sni) {
            let active = Arc::clone(&self.active);
            match active.names.belongs(name, self.session.destination.ip()).await {
                Belongs::Yes => {}
                Belongs::No => return self.refuse(&spoken.kind, Reason::FalseSni).await,
                Belongs::Unknown => return self.refuse(&spoken.kind, Reason::Unresolved).await,
            }
        }
        let server = match server {
            Some(server) => server,
            None => self.connect().await?,
        };
        if write_all(&server, &spoken.bytes).await.is_err() {
            reset(self.client);
            return Err(Reason::Unreachable);
        }
        self.bytes[0].set(spoken.bytes.len() as u64);
        drop(spoken);
        // A side that breaks off is the connection's own affair; both were told by a reset.
        let _ = splice(self.client, &server, self.bytes).await;
        Ok(())
    }

    /// Ends it with what can be said to such a client.
    async fn refuse(&mut self, kind: &Kind, reason: Reason) -> Result<(), Reason> {
        self.session.action = TlsAction::Block;
        match tell::refusal(kind) {
            // To a client that does not read, nothing is owed.
            Some(words) => drop(self.client.try_write(words)),
            None => reset(self.client),
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
