//! Heads of HTTP/2 as inspections see them, and what a request must be to be passed on: RFC 9113 §8.3.

use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, request};

use crate::http::authority::Authority;
use crate::http::refusal::Refusal;
use crate::seam::fields::Fields;
use crate::seam::heads::RequestHead;

/// Most fields: as in HTTP/1.
const MAX_FIELDS: usize = 256;
/// What some servers behind HTTP/2 take for the fields that end a message.
const ALIASES: [&str; 2] = ["content_length", "transfer_encoding"];

/// Checks a request, makes it name its host in one place, and tells which one that is.
pub(super) fn check(parts: &mut request::Parts, name: Option<&str>) -> Result<Authority, Refusal> {
    if parts.headers.len() > MAX_FIELDS {
        return Err(Refusal::LongFields);
    }
    for alias in ALIASES {
        parts.headers.remove(alias);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| Authority::parse(host.as_bytes())).transpose()?;
    if hosts.next().is_some() {
        return Err(Refusal::Twice);
    }
    let is_plain_connect = parts.method == Method::CONNECT && parts.extensions.get::<h2::ext::Protocol>().is_none();
    let default = match parts.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        Some(scheme) if *scheme == Scheme::HTTP => 80,
        None if is_plain_connect => 0,
        _ => return Err(Refusal::Target),
    };
    let named = parts.uri.authority().map(|named| Authority::parse(named.as_str().as_bytes())).transpose()?;
    let authority = match (named, host) {
        (Some(named), Some(host)) if !named.is(&host, default) => return Err(Refusal::TwoHosts),
        (Some(authority), _) | (None, Some(authority)) => authority,
        (None, None) => Authority::parse(name.ok_or(Refusal::NoHost)?.as_bytes())?,
    };
    if is_plain_connect && authority.port.is_none() {
        return Err(Refusal::Target);
    }
    let path = parts.uri.path();
    if !is_plain_connect && !path.starts_with('/') && (path != "*" || parts.method != Method::OPTIONS) {
        return Err(Refusal::Target);
    }
    parts.headers.remove(HOST);
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.authority = Some(authority.to_string().parse().map_err(|_| Refusal::Host)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| Refusal::Target)?;
    Ok(authority)
}

/// A checked request as inspections see it.
pub(super) fn request(parts: &request::Parts, authority: Authority, has_body: bool) -> RequestHead {
    let path = parts.uri.path_and_query().map_or_else(|| authority.to_string(), |path| path.as_str().to_owned());
    RequestHead {
        method: parts.method.clone(),
        host: authority.host,
        port: authority.port,
        path,
        upgrade: parts.extensions.get::<h2::ext::Protocol>().map(|protocol| protocol.as_str().to_owned()),
        length: length(&parts.headers, has_body),
        fields: fields(&parts.headers),
    }
}

/// A request that inspections have seen, and may have changed.
pub(super) fn apply(parts: &mut request::Parts, head: RequestHead, rewrites: bool) -> Result<(), Refusal> {
    parts.method = head.method;
    apply_fields(&mut parts.headers, &head.fields, rewrites)?;
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if uri.path_and_query.as_ref().is_some_and(|path| path.as_str() != head.path) {
        uri.path_and_query = Some(PathAndQuery::try_from(head.path).map_err(|_| Refusal::Target)?);
    }
    parts.uri = Uri::from_parts(uri).map_err(|_| Refusal::Target)?;
    Ok(())
}

/// The length of a body, where it is known.
pub(super) fn length(headers: &HeaderMap, has_body: bool) -> Option<u64> {
    if !has_body {
        return Some(0);
    }
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok())
}

/// Fields as inspections see them: without the length, which is the relay's.
pub(super) fn fields(headers: &HeaderMap) -> Fields {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut fields = Fields::with_capacity(headers.len(), bytes);
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        fields.push(name.as_str().as_bytes(), value.as_bytes());
    }
    fields
}

/// Fields that inspections have changed, and without a length that no longer holds.
pub(super) fn apply_fields(headers: &mut HeaderMap, fields: &Fields, rewrites: bool) -> Result<(), Refusal> {
    if fields.is_changed() {
        let length = headers.remove(CONTENT_LENGTH);
        headers.clear();
        headers.extend(length.map(|length| (CONTENT_LENGTH, length)));
        for (name, value) in fields.iter() {
            let name = HeaderName::from_bytes(name).map_err(|_| Refusal::FieldName)?;
            let value = HeaderValue::from_bytes(value).map_err(|_| Refusal::ControlCharacter)?;
            headers.append(name, value);
        }
    }
    if rewrites {
        headers.remove(CONTENT_LENGTH);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checked(method: &str, uri: &str, hosts: &[&str]) -> Result<(String, request::Parts), Refusal> {
        let mut request = http::Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header("host", *host);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        check(&mut parts, Some("sni.example")).map(|authority| (authority.to_string(), parts))
    }

    #[test]
    fn a_request_names_one_host() {
        for (uri, hosts, expected) in [
            ("https://A.example/b", &[][..], Ok("a.example")),
            ("https://a.example/b", &["A.example:443"], Ok("a.example")),
            ("https://a.example/b", &["b.example"], Err(Refusal::TwoHosts)),
            ("https://a.example:8443/b", &["a.example"], Err(Refusal::TwoHosts)),
            ("https://a.example/", &["a.example", "a.example"], Err(Refusal::Twice)),
            ("https://u@a.example/", &[], Err(Refusal::Host)),
            ("ftp://a.example/", &[], Err(Refusal::Target)),
        ] {
            let told = checked("GET", uri, hosts).map(|(authority, parts)| {
                assert!(!parts.headers.contains_key(HOST));
                assert_eq!(parts.uri.authority().unwrap().as_str(), authority);
                authority
            });
            assert_eq!(told.as_deref(), expected.as_ref().map(|host| *host), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn what_inspections_change_is_sent_and_the_rest_stays() {
        let (_, mut parts) = checked("GET", "https://a/b?c", &[]).unwrap();
        parts.headers.insert("content-length", HeaderValue::from_static("5"));
        parts.headers.append("cookie", HeaderValue::from_static("a=1"));
        parts.headers.append("cookie", HeaderValue::from_static("b=2"));
        let authority = Authority::parse(b"a").unwrap();
        let mut head = request(&parts, authority, true);
        assert_eq!((head.length, head.fields.len(), head.path.as_str()), (Some(5), 2, "/b?c"));
        head.fields.add("X-Added", "東京").unwrap();
        head.path = "/d".into();
        apply(&mut parts, head, false).unwrap();
        assert_eq!(parts.uri, "https://a/d");
        assert_eq!(parts.headers.get_all("cookie").iter().count(), 2);
        assert_eq!(parts.headers["content-length"], "5");
        assert_eq!(parts.headers["x-added"].as_bytes(), "東京".as_bytes());
    }
}
