//! The explicit proxy: a client asks for a host, by `CONNECT` or by an absolute URI, and is served as if it had called that
//! host itself.
//!
//! ```text
//! head ─┬► CONNECT ─► name to addresses ─► packet rules ─► server ─► 200, then as any connection (session)
//!       ├► http://… ─► the same ─► TLS rules on `http` ─► one request and its answer
//!       └► /proxy.pac ─► the file by which browsers find the proxy
//! ```
//! The client's own packets end at the gateway, so packet rules are asked here ([`policy::proxy::Reach`]), about each
//! address that a name has, and the one that is called is one of those that were let through: nothing is looked up twice.
//!
//! A request in the clear is its connection's only one. The next may name another server, and whoever reads two servers'
//! requests from one stream has to agree with both about where each ends.

mod answer;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use policy::proxy::{Refused, pac};
use policy::tls::{Opening as Speaks, TlsAction};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http::h1::proxied::{Head, Proxied};
use crate::http::{Protocol, Refusal, relay};
use crate::open;
use crate::rewind::Rewind;
use crate::session::{Serving, Told};
use crate::setting::Active;
use crate::splice::{reset, write_all};
use crate::upstream_socket;
use crate::wire::{Reason, Rule};
use answer::Answer;

/// For the whole head.
const TIME_TO_ASK: Duration = Duration::from_secs(10);
/// For all attempts to reach a host.
const TIME_TO_CONNECT: Duration = Duration::from_secs(15);
/// Addresses of one host that are tried.
const ATTEMPTS: usize = 4;

/// Nearly every head comes in one.
const USUAL_HEAD: usize = 4 << 10;

/// How reading a head ended.
enum Heard {
    Asked(Proxied),
    Refused(Refusal),
    Gone,
}

/// Why nobody was reached, and what the client is told.
struct Failure(Reason, Answer);

impl Serving<'_> {
    /// Serves what a client asks of the proxy, to its end; an error is why it ended otherwise than as the rule said.
    ///
    /// It ends as well when a policy comes by which the client may not reach what it has reached.
    pub(crate) async fn ask(&mut self, mut client: TcpStream, settings: Settings) -> Result<Told, Reason> {
        upstream_socket::settle(&client).map_err(|_| Reason::NotReady)?;
        self.session.action = TlsAction::Block;
        if self.active.reach.is_none() {
            reset(&client);
            return Err(Reason::NotReady);
        }
        let mut input = BytesMut::with_capacity(USUAL_HEAD);
        let heard = timeout(TIME_TO_ASK, hear(&mut client, &mut input)).await;
        let (host, port, relayed, json) = match heard {
            // Browsers open connections in advance.
            Err(_) if input.is_empty() => return Ok(Told::Nothing),
            Err(_) => return self.end(client, Failure(Reason::Slow, Answer::slow())).await,
            Ok(Heard::Gone) => return Ok(Told::Nothing),
            Ok(Heard::Refused(refusal)) => {
                return self.end(client, Failure(Reason::Http, Answer::refused(refusal))).await;
            }
            Ok(Heard::Asked(Proxied::Own { path, is_head })) => {
                self.own(&client, &path).without_body_if(is_head).send(client).await;
                return Ok(Told::Nothing);
            }
            Ok(Heard::Asked(Proxied::Connect { host, port, json })) => (host, port, None, json),
            Ok(Heard::Asked(Proxied::Relay { host, port, head, json })) => (host, port, Some(head), json),
        };
        self.session.host = Some(format!("{host}:{port}"));
        let server = match self.reach(&host, port, json).await {
            Ok(server) => server,
            Err(failure) => return self.end(client, failure).await,
        };
        let (from, to) = (self.session.client.ip(), self.session.destination);
        tokio::select! {
            ended = self.pass(client, input, relayed, server, json) => ended,
            reason = until_refused(settings, from, to) => Err(reason),
        }
    }

    /// The client and the server that it asked for.
    async fn pass(
        &mut self,
        client: TcpStream,
        input: BytesMut,
        relayed: Option<Vec<u8>>,
        server: TcpStream,
        json: bool,
    ) -> Result<Told, Reason> {
        let Some(mut head) = relayed else {
            if write_all(&client, answer::ESTABLISHED).await.is_err() {
                return Err(Reason::Unreachable);
            }
            return self.go(client, input.to_vec(), Some(server)).await;
        };
        let said = self.decide(Speaks::Http, None, true);
        if said.action == TlsAction::Block {
            let answer = Answer::tls_rule(self.session.rule.as_ref(), &self.connection(None), json);
            answer.send(client).await;
            return Ok(Told::Session);
        }
        head.extend_from_slice(&input);
        let client = Rewind::new(head.into(), client);
        let rules = self.rules(self.connection(None), None);
        let outcome = relay(client, server, Protocol::H1, Arc::new(rules.clone())).await;
        self.blocked_by(&rules);
        self.session.requests = outcome.requests;
        self.bytes[0].set(outcome.from_client);
        self.bytes[1].set(outcome.to_client);
        open::reason(&outcome).map_or(Ok(Told::Session), Err)
    }

    /// What the proxy has of its own.
    fn own(&self, client: &TcpStream, path: &str) -> Answer {
        match client.local_addr() {
            Ok(address) if pac::PATHS.contains(&path) => Answer::pac(pac::address(address) + &self.active.pac),
            _ => Answer::not_here(),
        }
    }

    /// A connection to a host, by the first of its addresses that rules allow and that answers.
    async fn reach(&mut self, host: &str, port: u16, json: bool) -> Result<TcpStream, Failure> {
        let addresses = self.addresses(host).await?;
        let active = Arc::clone(&self.active);
        let Some(reach) = &active.reach else { return Err(Failure(Reason::NotReady, Answer::unreachable())) };
        let client = self.session.client.ip();
        let (mut open, mut refused) = (Vec::new(), None);
        for address in addresses {
            let destination = SocketAddr::new(address, port);
            match reach.judge(client, destination) {
                Ok(_) => open.push(destination),
                Err(why) => refused = refused.or(Some((destination, why))),
            }
        }
        if let (Some((destination, why)), []) = (refused, &open[..]) {
            self.session.destination = destination;
            return Err(self.refused(why, json));
        }
        let connects = async {
            for destination in open.into_iter().take(ATTEMPTS) {
                self.session.destination = destination;
                if let Ok(server) = upstream_socket::connect(destination).await {
                    return Some(server);
                }
            }
            None
        };
        let server = timeout(TIME_TO_CONNECT, connects).await.ok().flatten();
        server.ok_or_else(|| Failure(Reason::Unreachable, Answer::unreachable()))
    }

    /// The addresses of a host, one at least.
    async fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(vec![address.to_canonical()]);
        }
        self.asked = Some(host.to_owned());
        match self.active.names.resolve(host).await {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            _ => Err(Failure(Reason::Unresolved, Answer::unresolved())),
        }
    }

    /// What a client is told that may not reach what it asked for.
    fn refused(&mut self, why: Refused<'_>, json: bool) -> Failure {
        let reason = reason(&why);
        if let Refused::Rule(rule) = why {
            self.session.rule = Some(Rule::from(rule));
        }
        let answer = Answer::packet_rule(why, &self.connection(None), json);
        Failure(reason, answer)
    }

    async fn end(&mut self, client: TcpStream, Failure(reason, answer): Failure) -> Result<Told, Reason> {
        answer.send(client).await;
        Err(reason)
    }
}

fn reason(why: &Refused<'_>) -> Reason {
    match why {
        Refused::Special | Refused::Ours => Reason::BadDestination,
        Refused::Isolated => Reason::Isolated,
        Refused::Rule(_) | Refused::Default => Reason::PacketRule,
    }
}

/// Settings as they come.
pub(crate) type Settings = watch::Receiver<Option<Arc<Active>>>;

/// Waits for a policy by which a client may not reach an address any more, and answers why.
async fn until_refused(mut settings: Settings, client: IpAddr, destination: SocketAddr) -> Reason {
    while settings.changed().await.is_ok() {
        let active = settings.borrow_and_update().clone();
        let reach = active.as_ref().and_then(|active| active.reach.as_ref());
        if let Some(Err(why)) = reach.map(|reach| reach.judge(client, destination)) {
            return reason(&why);
        }
    }
    std::future::pending().await
}

/// Reads the one head; what came with it stays in `input`.
async fn hear(client: &mut TcpStream, input: &mut BytesMut) -> Heard {
    let mut head = Head::new();
    loop {
        match client.read_buf(input).await {
            Ok(0) | Err(_) => return Heard::Gone,
            Ok(_) => {}
        }
        match head.take(input) {
            Ok(None) => {}
            Ok(Some(asked)) => return Heard::Asked(asked),
            Err(refusal) => return Heard::Refused(refusal),
        }
    }
}
