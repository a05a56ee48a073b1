//! What TLS rules say about a connection that packet rules hand to the inspector.

use std::net::SocketAddr;

use serde::Serialize;

use super::packet::{Asked as Packet, Carried};
use super::{DecidingRule, Step};
use crate::checked::Policy;
use crate::model::{Skipped, Stage, counted};
use crate::source::Location;
use crate::tls::{
    Asked, BadView, ClientCertificates, Decider, Ech, Layer, NameError, Opening, Ruling, TlsAction, View, canonical,
};

/// What a client is supposed to open a connection with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// What its first bytes are.
    pub opening: Opening,
    /// The name it sends.
    pub sni: Option<String>,
    /// The protocols it offers.
    pub alpn: Vec<String>,
    /// Its fingerprint.
    pub ja4: Option<String>,
    /// Whether another name may be hidden.
    pub ech: Ech,
}

/// What becomes of the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsAnswer {
    /// What to do.
    pub action: TlsAction,
    /// Who says so; none: the default.
    pub rule: Option<DecidingRule>,
    /// [`Ruling::trust_sni`].
    pub trust_sni: bool,
    /// [`Ruling::client_certificates`].
    pub client_certificates: ClientCertificates,
}

/// Why TLS rules cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// No client could send that.
    #[error("`{0}` is not a host name: {1}; write one like `www.example.jp`")]
    Name(String, NameError),
    /// A part of a hello without one.
    #[error(
        "`{0}` has no ClientHello: leave out the name, the protocols, the fingerprint and ECH, or say that it speaks tls"
    )]
    NoHello(&'static str),
    /// The policy does not hold together: our fault.
    #[error(transparent)]
    View(#[from] BadView),
}

impl Hello {
    /// A ClientHello over TCP with nothing in it.
    pub fn empty() -> Self {
        Self { opening: Opening::Tls, sni: None, alpn: Vec::new(), ja4: None, ech: Ech::Absent }
    }

    pub(super) fn check(&self) -> Result<(), HelloError> {
        let says = self.sni.is_some() || self.ja4.is_some() || !self.alpn.is_empty() || self.ech != Ech::Absent;
        if says && !self.opening.has_hello() {
            return Err(HelloError::NoHello(self.opening.name()));
        }
        let dotted = |name: &&String| name.starts_with('.');
        if let Some(name) = self.sni.as_ref().filter(dotted) {
            return Err(HelloError::Name(name.clone(), NameError::EmptyLabel));
        }
        match self.sni.as_ref().map(|name| (name, canonical(name))) {
            Some((name, Err(error))) => Err(HelloError::Name(name.clone(), error)),
            _ => Ok(()),
        }
    }
}

/// The step of a connection that is inspected, and what it comes to.
pub(super) fn judge(
    policy: &Policy,
    municipality: &str,
    packet: &Packet,
    hello: &Hello,
) -> Result<Option<(Step, TlsAnswer)>, HelloError> {
    let (Carried::Tcp { destination: port, .. }, Some(view)) = (packet.carried, View::of(policy, municipality)) else {
        return Ok(None);
    };
    let looked_at = looked_at(&view, hello);
    let decider = Decider::new(view)?;
    let alpn: Vec<&[u8]> = hello.alpn.iter().map(String::as_bytes).collect();
    let asked = Asked {
        client: packet.source,
        destination: SocketAddr::new(packet.destination, port),
        opening: hello.opening,
        sni: hello.sni.as_deref(),
        ja4: hello.ja4.as_deref(),
        alpn: &alpn,
        ech: hello.ech,
    };
    let mut skipped = Vec::new();
    let ruling = decider.judge(&asked, |rule, why| {
        let rule = &rule.rule;
        let location = format!("{}:{}", rule.file, rule.line);
        skipped.push(Skipped { rule: rule.name.clone(), baseline: rule.layer == Layer::Prefecture, location, why });
    });
    let said = said(&ruling, hello);
    let answer = TlsAnswer {
        action: ruling.action,
        rule: ruling.rule.map(|rule| DecidingRule {
            name: rule.name.clone(),
            baseline: rule.layer == Layer::Prefecture,
            location: Location { file: rule.file.clone(), line: rule.line, column: 1 },
        }),
        trust_sni: ruling.trust_sni,
        client_certificates: ruling.client_certificates,
    };
    Ok(Some((Step { stage: Stage::Tls, looked_at, said, skipped }, answer)))
}

/// The step of a connection that is inspected, when nobody said what its client opens it with.
pub(super) fn unasked(policy: &Policy, municipality: &str) -> Step {
    let own = policy.municipalities.iter().find(|it| it.id == municipality).map_or(0, |it| it.tls.rules.len());
    let looked_at = rules(policy.tls.rules.len(), own, municipality);
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

fn rules(above: usize, own: usize, municipality: &str) -> String {
    format!("{} of the prefecture, {own} of {municipality}", counted(above, "TLS rule"))
}

fn looked_at(view: &View, hello: &Hello) -> String {
    let of = |layer| view.rules.iter().filter(|it| it.rule.layer == layer).count();
    let (above, own) = (of(Layer::Prefecture), of(Layer::Municipality));
    let mut text = format!("{}; {}", rules(above, own, &view.municipality), hello.opening.name());
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

fn said(ruling: &Ruling<'_>, hello: &Hello) -> String {
    let mut text = match ruling.rule {
        Some(rule) => {
            let owner = if rule.layer == Layer::Prefecture { "the prefecture" } else { "the municipality" };
            format!(
                "{}: a TLS rule of {owner}, rule `{}` ({}:{})",
                ruling.action.name(),
                rule.name,
                rule.file,
                rule.line
            )
        }
        None => format!("{}: no TLS rule matches", ruling.action.name()),
    };
    if ruling.action == TlsAction::Splice && hello.sni.is_some() {
        text.push_str(match ruling.trust_sni {
            true => "; the name is believed",
            false => "; only to an address that the name resolves to",
        });
    }
    if ruling.action == TlsAction::Inspect && hello.opening.has_hello() {
        text.push_str(match ruling.client_certificates {
            ClientCertificates::Splice => "; spliced if the server asks for a client certificate",
            ClientCertificates::Refuse => "",
        });
    }
    text
}
