//! What HTTP rules say about a request in a connection that is opened.

use serde::Serialize;

use super::hello::{HelloError, Request};
use super::packet::Asked as Packet;
use super::tls::TlsAnswer;
use super::{DecidingRule, Step};
use crate::checked::Policy;
use crate::http::{HttpAction, HttpAsked, HttpDecider, HttpVerdict, path};
use crate::model::Stage;
use crate::tls::{Layer, View, canonical};

/// What becomes of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpAnswer {
    /// What to do.
    pub action: HttpAction,
    /// Who says so; none: nobody, so it is allowed.
    pub rule: Option<DecidingRule>,
    /// Bytes that the client may send; none: as many as it likes.
    pub upload_limit: Option<u64>,
    /// Headers that the request gets.
    pub headers: Vec<(&'static str, String)>,
}

/// The step of a request, and what it comes to; nothing where the policy has no such municipality.
pub(super) fn judge(
    policy: &Policy,
    municipality: &str,
    packet: &Packet,
    request: &Request,
) -> Result<Option<(Step, HttpAnswer)>, HelloError> {
    let Some(view) = View::of(policy, municipality) else { return Ok(None) };
    let looked_at = looked_at(&view, request);
    let decider = HttpDecider::new(view)?;
    let asked =
        HttpAsked { client: packet.source, host: Some(&request.host), path: &request.target, method: &request.method };
    let mut skipped = Vec::new();
    let ruling = decider.judge(&asked, |rule, why| skipped.push((rule, super::skipped(&rule.rule, why))));
    let verdict = ruling.of_type(request.kind);
    // With the type known, one of those that waited for it may have decided; what follows it was not asked.
    if let Some(at) = skipped.iter().position(|(rule, _)| verdict.rule == Some(&rule.rule)) {
        skipped.truncate(at);
    }
    let answer = HttpAnswer {
        action: verdict.action,
        rule: verdict.rule.map(DecidingRule::from),
        upload_limit: verdict.upload_limit,
        headers: match verdict.action {
            HttpAction::Allow => decider.headers(&request.host).to_vec(),
            HttpAction::Block => Vec::new(),
        },
    };
    let said = said(&verdict, &answer);
    let skipped = skipped.into_iter().map(|(_, skipped)| skipped).collect();
    Ok(Some((Step { stage: Stage::Http, looked_at, said, skipped }, answer)))
}

/// The step of a request that nobody sees.
pub(super) fn unreached(tls: &TlsAnswer) -> Step {
    let said = "not asked: only requests in connections that are opened come here".to_owned();
    Step {
        stage: Stage::Http,
        looked_at: format!("action {} over {}", tls.action.name(), tls.transport.name()),
        said,
        skipped: Vec::new(),
    }
}

fn looked_at(view: &View, request: &Request) -> String {
    let of = |layer| view.http.iter().filter(|it| it.rule.layer == layer).count();
    let (above, own) = (of(Layer::Prefecture), of(Layer::Municipality));
    let rules = super::rules(above, "HTTP", own, &view.municipality);
    let mut text = format!("{rules}; {} {}", request.method, canonical(&request.host).unwrap_or_default());
    match path::readings(&request.target).as_slice() {
        [] => text.push_str(", path too long to be compared"),
        [path] => text.push_str(&format!(", path {path}")),
        paths => text.push_str(&format!(", path that may be read as {}", paths.join(" or "))),
    }
    if let Some(kind) = request.kind {
        text.push_str(&format!(", type {}", kind.name()));
    }
    text
}

fn said(verdict: &HttpVerdict<'_>, answer: &HttpAnswer) -> String {
    let mut text = super::says(verdict.action.name(), "HTTP", verdict.rule);
    if let Some(bytes) = verdict.upload_limit {
        text.push_str(&format!("; up to {bytes} bytes from the client"));
    }
    for (name, value) in &answer.headers {
        text.push_str(&format!("; with {name}: {value}"));
    }
    text
}
