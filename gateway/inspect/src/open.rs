//! Opens a connection: TLS with the server, which is verified first, then TLS with the client, then what they say.
//!
//! The client is answered only when it is known who the server is. A server that is not to be believed gets nothing: the
//! client sees a certificate with the same defect, or a page, and whatever it sends then is answered by that page.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use certify::{Defect, Moment, Shown};
use policy::tls::{ClientCertificates, OnBadCertificate};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ahead::Ahead;
use crate::http::{End, Outcome, Protocol, relay};
use crate::opening::{TlsHello, is_http};
use crate::rewind::Rewind;
use crate::seam::refuse::Refuse;
use crate::seam::rules::ByRules;
use crate::seam::{Connection, Inspector, Side};
use crate::setting::Opener;
use crate::tell::{self, Alert};
use crate::upstream::{Connected, Refused, Target, Verified};
use crate::wire::{self, Reason, Sign};

/// For each of the two handshakes.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For one of both to say something, where the protocol is not agreed upon.
const FIRST_WORDS: Duration = Duration::from_secs(30);
/// Most bytes of a connection without ALPN that are looked at to tell HTTP from something else.
const LOOKED_AT: usize = 64;
/// A client that leaves so soon after the handshake, and has said nothing, may have looked at the certificate only then.
/// Connections that browsers open in advance wait longer for their use.
const SOON: Duration = Duration::from_secs(2);

/// How it went.
#[derive(Debug, Default)]
pub struct Opened {
    /// What the server's certificate was found to be.
    pub upstream: Option<String>,
    /// Requests that passed.
    pub requests: u64,
    /// Why it ended otherwise than in order.
    pub reason: Option<Reason>,
    /// Whether the client did not take the certificate of a good server.
    pub refused: Option<wire::Refused>,
}

/// What becomes of the connection once the server was spoken to.
pub enum Next {
    /// It has ended.
    Ended(Opened),
    /// The server wants to know who the user is, which only the client can tell, and rules have it passed on unopened:
    /// here are the client and the bytes that it said.
    Splice(TcpStream, Vec<u8>),
}

/// What opening needs to know.
pub struct Opening<'o> {
    /// TLS towards both sides.
    pub opener: &'o Opener,
    /// The client's hello.
    pub hello: &'o TlsHello,
    /// Whom the client called.
    pub destination: std::net::IpAddr,
    /// What rules say of servers that ask for a certificate.
    pub client_certificates: ClientCertificates,
    /// What rules say of servers whose certificate is bad.
    pub on_bad_certificate: OnBadCertificate,
    /// For pages.
    pub connection: Connection,
    /// What may be carried.
    pub rules: ByRules,
    /// Whether the policy would let it go by unopened.
    pub may_pass: bool,
    /// Hosts that are never reached unopened, by whatever name a connection to them goes.
    pub restricted: &'static [&'static str],
    /// Bytes of content, from the client and from the server.
    pub bytes: &'o [Cell<u64>; 2],
}

impl Opening<'_> {
    /// Opens it, to its end.
    pub async fn run(self, client: TcpStream, spoken: Vec<u8>, server: TcpStream) -> Next {
        let Some(upstream) = &self.opener.upstream else {
            return self.refuse(&client, Alert::HandshakeFailure, Reason::UpstreamTls, Some("no_roots"));
        };
        let target = Target::new(self.hello.sni.as_deref(), self.destination);
        match upstream.connect(Ahead::new(server), &target, self.hello.alpn.clone(), HANDSHAKE).await {
            Connected::Verified(verified) => self.verified(client, spoken, verified).await,
            Connected::ClientCertificateAsked(asked) => match self.client_certificates {
                ClientCertificates::Splice => Next::Splice(client, spoken),
                ClientCertificates::Refuse => self.verified(client, spoken, asked.without_certificate()).await,
            },
            Connected::Refused(Refused::ClientCertificateRequired)
                if self.client_certificates == ClientCertificates::Splice =>
            {
                Next::Splice(client, spoken)
            }
            Connected::Defective(defective) => {
                self.defective(client, spoken, &defective.seen.shown, defective.defect).await
            }
            Connected::Refused(Refused::ClientCertificateRequired) => {
                self.refuse(&client, Alert::HandshakeFailure, Reason::ClientCertificate, None)
            }
            Connected::Refused(refused) => {
                self.refuse(&client, Alert::HandshakeFailure, Reason::UpstreamTls, Some(refused.label()))
            }
        }
    }

    /// The server is who it says.
    async fn verified(self, client: TcpStream, spoken: Vec<u8>, verified: Verified<Ahead<TcpStream>>) -> Next {
        let upstream = Some("good".to_owned());
        let alpn: Vec<Vec<u8>> = verified.alpn().map(<[u8]>::to_vec).into_iter().collect();
        let shown = &verified.seen().shown;
        let now = Moment::from(SystemTime::now());
        let Ok(presented) = self.opener.mint.certificate(shown, None, self.hello.key_type, now) else {
            return self.refuse(&client, Alert::InternalError, Reason::NoAuthority, Some("good"));
        };
        let presented = if self.hello.sni.is_some() { presented } else { presented.anew_each_time() };
        let seen = verified.seen().clone();
        let may_pass = self.may_pass && !self.restricted.iter().any(|host| seen.covers(host));
        let refused = |sign| wire::Refused { sign, may_pass };
        self.rules.prove(Box::new(move |host| seen.covers(host)));
        let client = Rewind::new(spoken.into(), Ahead::new(client));
        let client = match self.opener.serve.accept(client, &presented, &alpn, HANDSHAKE).await {
            Ok(client) => client,
            Err(error) => {
                let sign = error.sign();
                let reason = if sign == Some(Sign::Alert) { Reason::CertificateRefused } else { Reason::ClientTls };
                let (reason, refused) = (Some(reason), sign.map(refused));
                return Next::Ended(Opened { upstream, requests: 0, reason, refused });
            }
        };
        drop(presented);
        let began = Instant::now();
        let inspector: Arc<dyn Inspector> = Arc::new(self.rules.clone());
        let server = verified.into_stream();
        let outcome = match alpn.first().map(Vec::as_slice) {
            Some(b"h2") => relay(client, server, Protocol::H2, inspector).await,
            Some(b"http/1.1" | b"http/1.0") => relay(client, server, Protocol::H1, inspector).await,
            Some(_) => return self.pass_on(client, server, upstream).await,
            None => match timeout(FIRST_WORDS, first_words(client, server)).await {
                Ok(Ok((client, server, true))) => relay(client, server, Protocol::H1, inspector).await,
                Ok(Ok((client, server, false))) => return self.pass_on(client, server, upstream).await,
                Ok(Err(gone)) => {
                    let is_left = gone == Side::Request && began.elapsed() < SOON;
                    let refused = is_left.then_some(refused(Sign::Unused));
                    return Next::Ended(Opened { upstream, requests: 0, reason: None, refused });
                }
                Err(_) => return ended(upstream, 0, None),
            },
        };
        self.count(&outcome);
        let refused = (began.elapsed() < SOON && left_unused(&outcome)).then_some(refused(Sign::Unused));
        Next::Ended(Opened { upstream, requests: outcome.requests, reason: reason(&outcome), refused })
    }

    /// The server is not to be believed, and has been left.
    async fn defective(self, client: TcpStream, spoken: Vec<u8>, shown: &Shown, defect: Defect) -> Next {
        let upstream = Some(defect.label());
        let mirrored = (self.on_bad_certificate == OnBadCertificate::Mirror).then_some(defect);
        let now = Moment::from(SystemTime::now());
        let Ok(presented) = self.opener.mint.certificate(shown, mirrored, self.hello.key_type, now) else {
            return self.refuse(&client, Alert::InternalError, Reason::BadCertificate, upstream);
        };
        let client = Rewind::new(spoken.into(), client);
        let protocols = [b"http/1.1".to_vec()];
        if let Ok(client) = self.opener.serve.accept(client, &presented, &protocols, HANDSHAKE).await {
            // Its user goes on all the same, or is to be told by a page: nothing leads to the server any more.
            let refuse = Refuse::bad_certificate(self.connection.clone(), defect);
            let (nowhere, _end) = tokio::io::duplex(64);
            let outcome = relay(client, nowhere, Protocol::H1, Arc::new(refuse)).await;
            self.count(&outcome);
        }
        ended(upstream.map(str::to_owned), 0, Some(Reason::BadCertificate))
    }

    /// A protocol that is not HTTP: there is nobody yet to look into it, and where rules say what may be carried it does not
    /// go past them.
    async fn pass_on<C, U>(self, mut client: C, mut server: U, upstream: Option<String>) -> Next
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        if self.rules.has_rules() {
            return ended(upstream, 0, Some(Reason::NotInspectable));
        }
        // Which side broke off is theirs to know.
        if let Ok((sent, received)) = copy_bidirectional(&mut client, &mut server).await {
            self.bytes[0].set(sent);
            self.bytes[1].set(received);
        }
        ended(upstream, 0, None)
    }

    /// Ends it by an alert, before any handshake with the client.
    fn refuse(&self, client: &TcpStream, alert: Alert, reason: Reason, upstream: Option<&str>) -> Next {
        tell::alert(client, alert);
        ended(upstream.map(str::to_owned), 0, Some(reason))
    }

    fn count(&self, outcome: &Outcome) {
        self.bytes[0].set(outcome.from_client);
        self.bytes[1].set(outcome.to_client);
    }
}

fn ended(upstream: Option<String>, requests: u64, reason: Option<Reason>) -> Next {
    Next::Ended(Opened { upstream, requests, reason, refused: None })
}

/// Whether a client went away without a word, and not because the server did.
fn left_unused(outcome: &Outcome) -> bool {
    let is_left = matches!(outcome.end, End::ClientClosed | End::Failed(Side::Request, _));
    is_left && outcome.requests == 0 && outcome.from_client == 0
}

/// Why a relayed connection ended otherwise than in order.
pub fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome.end {
        End::Refused(_) | End::Malformed(_) | End::Protocol(..) => Some(Reason::Http),
        _ if outcome.blocked > 0 => Some(Reason::Content),
        _ => None,
    }
}

/// Both sides, with what was read before it was clear whether they speak HTTP; or the side that went away before.
type Words<C, U> = Result<(Rewind<C>, Rewind<U>, bool), Side>;

/// Without ALPN the first words tell: whoever speaks first, HTTP begins with a request of the client.
async fn first_words<C, U>(mut client: C, mut server: U) -> Words<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    let speaks_http = loop {
        let (mut some, mut other) = ([0; LOOKED_AT], [0; LOOKED_AT]);
        tokio::select! {
            read = client.read(&mut some) => match read {
                Ok(count) if count > 0 => from_client.extend_from_slice(&some[..count]),
                _ => return Err(Side::Request),
            },
            read = server.read(&mut other) => match read {
                Ok(count) if count > 0 => {
                    from_server.extend_from_slice(&other[..count]);
                    break false;
                }
                _ => return Err(Side::Response),
            },
        }
        match is_http(&from_client) {
            Some(speaks_http) => break speaks_http,
            None if from_client.len() >= LOOKED_AT => break false,
            None => {}
        }
    };
    Ok((Rewind::new(from_client.into(), client), Rewind::new(from_server.into(), server), speaks_http))
}
