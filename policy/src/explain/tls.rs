//! What TLS rules say about a connection that packet rules hand to the inspector.

use std::net::SocketAddr;

use serde::Serialize;

use super::hello::{Hello, HelloError};
use super::packet::{Asked as Packet, Carried};
use super::{DecidingRule, Step};
use crate::checked::Policy;
use crate::http::HttpDecider;
use crate::model::Stage;
use crate::tls::{
    Asked, Bypass, ClientCertificates, Decider, Ech, Layer, Opening, Ruling, TlsAction, Transport, View, canonical,
};

/// What becomes of the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsAnswer {
    /// What carries the connection.
    pub transport: Transport,
    /// What to do.
    pub action: TlsAction,
    /// Who says so; none: the default.
    pub rule: Option<DecidingRule>,
    /// [`Ruling::trust_sni`].
    pub trust_sni: bool,
    /// [`Ruling::client_certificates`].
    pub client_certificates: ClientCertificates,
    /// Whether it is passed on unopened once `bangasa bypass` has approved the name, which only the running gateway knows.
    pub may_bypass: bool,
}

/// The step of a connection that is inspected, and what it comes to.
pub(super) fn judge(
    policy: &Policy,
    municipality: &str,
    packet: &Packet,
    hello: &Hello,
) -> Result<Option<(Step, TlsAnswer)>, HelloError> {
    let (transport, port) = match packet.carried {
        Carried::Tcp { destination, .. } => (Transport::Tcp, destination),
        Carried::Udp { destination, .. } => (Transport::Udp, destination),
        _ => return Ok(None),
    };
    let Some(view) = View::of(policy, municipality) else { return Ok(None) };
    let hello = &Hello { opening: hello.opening_over(transport)?, ..hello.clone() };
    let looked_at = looked_at(&view, hello);
    let bypass = view.bypass.mode;
    let http = HttpDecider::new(view.clone())?;
    let decider = Decider::new(view)?;
    let alpn: Vec<&[u8]> = hello.alpn.iter().map(String::as_bytes).collect();
    let asked = Asked {
        client: packet.source,
        destination: SocketAddr::new(packet.destination, port),
        transport,
        opening: hello.opening,
        sni: hello.sni.as_deref(),
        ja4: hello.ja4.as_deref(),
        alpn: &alpn,
        ech: hello.ech,
    };
    let mut skipped = Vec::new();
    let ruling = decider.judge(&asked, |rule, why| skipped.push(super::skipped(&rule.rule, why)));
    let is_named = hello.ech == Ech::Absent
        && hello.sni.as_ref().is_some_and(|name| http.must_see(Some(packet.source), name).is_none());
    let may_bypass = bypass != Bypass::Off && ruling.action == TlsAction::Inspect && is_named;
    let mut said = said(&ruling, transport, hello);
    if may_bypass {
        said.push_str("; passed on unopened once `bangasa bypass` has approved the name");
    }
    let answer = TlsAnswer {
        transport,
        action: ruling.action,
        rule: ruling.rule.map(DecidingRule::from),
        trust_sni: ruling.trust_sni,
        client_certificates: ruling.client_certificates,
        may_bypass,
    };
    Ok(Some((Step { stage: Stage::Tls, looked_at, said, skipped }, answer)))
}

/// The step of a connection that is inspected, when nobody said what its client opens it with.
pub(super) fn unasked(policy: &Policy, municipality: &str) -> Step {
    let own = policy.municipalities.iter().find(|it| it.id == municipality).map_or(0, |it| it.tls.rules.len());
    let looked_at = super::rules(policy.tls.rules.len(), "TLS", own, municipality);
    let said = "they decide by what the client opens the connection with: ask with `--sni NAME`, or `--speaks http`";
    Step { stage: Stage::Tls, looked_at, said: said.to_owned(), skipped: Vec::new() }
}

/// The step of a packet that does not come as far.
pub(super) fn unreached(verdict: &str) -> Step {
    let looked_at = format!("verdict {verdict}");
    Step {
        stage: Stage::Tls,
        looked_at,
        said: "not asked: only what is inspected comes here".to_owned(),
        skipped: Vec::new(),
    }
}

fn looked_at(view: &View, hello: &Hello) -> String {
    let of = |layer| view.rules.iter().filter(|it| it.rule.layer == layer).count();
    let (above, own) = (of(Layer::Prefecture), of(Layer::Municipality));
    let mut text = format!("{}; {}", super::rules(above, "TLS", own, &view.municipality), hello.opening.name());
    if hello.opening.has_hello() {
        text.push_str(&match &hello.sni {
            Some(name) => format!(", name {}", canonical(name).unwrap_or_default()),
            None => ", no name".to_owned(),
        });
        if !hello.alpn.is_empty() {
            text.push_str(&format!(", protocols {}", hello.alpn.join(" ")));
        }
        if let Some(ja4) = &hello.ja4 {
            text.push_str(&format!(", fingerprint {ja4}"));
        }
        text.push_str(&format!(", ECH {}", hello.ech.name()));
    }
    text
}

fn said(ruling: &Ruling<'_>, transport: Transport, hello: &Hello) -> String {
    let mut text = super::says(ruling.action.name(), "TLS", ruling.rule);
    if ruling.action == TlsAction::Splice && hello.sni.is_some() {
        text.push_str(match ruling.trust_sni {
            true => "; the name is believed",
            false => "; only to an address that the name resolves to",
        });
    }
    if ruling.action != TlsAction::Splice && hello.opening == Opening::Quic {
        text.push_str("; refused, so that the client comes by TCP");
    }
    if ruling.action == TlsAction::Inspect && transport == Transport::Tcp && hello.opening.has_hello() {
        text.push_str(match ruling.client_certificates {
            ClientCertificates::Splice => "; spliced if the server asks for a client certificate",
            ClientCertificates::Refuse => "",
        });
    }
    text
}
