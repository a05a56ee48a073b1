//! `[proxy]`, the prefecture's and the municipalities'.

use super::names;
use super::raw::{Direct, List, RawProxy};
use super::scalar::{self, Wrong};
use super::walk::Value;
use crate::diagnostic::{Problem, Report, Spanned};

/// Below these a socket takes privilege.
const LOWEST_PORT: u16 = 1_024;

pub(super) fn proxy(value: Value<'_>, report: &mut Report<'_>) -> Option<RawProxy> {
    let mut fields = value.fields("`[proxy]`", report)?;
    let mut raw = RawProxy { span: fields.span, port: None, complete: true, bypass: List::absent(fields.span) };
    if let Some(value) = fields.optional("port") {
        raw.port = port(value, report);
        raw.complete = raw.port.is_some();
    }
    if let Some(value) = fields.optional("bypass") {
        raw.bypass = value.words(direct, report);
    }
    fields.finish(report);
    Some(raw)
}

fn port(value: Value<'_>, report: &mut Report<'_>) -> Option<Spanned<u16>> {
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let port = value.as_integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port >= LOWEST_PORT);
    if port.is_none() {
        let problem =
            Problem::error("bad-proxy-port", value.span(), format!("the proxy cannot be at port {}", value.digits()));
        report.push(
            problem.label(format!("from {LOWEST_PORT} to 65535")).help("clients' settings often say 8080".to_owned()),
        );
    }
    port.map(|port| Spanned { value: port, span: value.span() })
}

/// An address, a prefix or a host name.
fn direct(text: &str) -> Result<Direct, Wrong> {
    let is_address = text.contains([':', '/']) || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_address { scalar::prefix(text).map(Direct::Prefix) } else { names::host(text).map(Direct::Name) }
}
