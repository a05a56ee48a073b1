//! The small words of `[http]`.

use super::{Wrong, wrong};
use crate::http::limits::UPLOAD_BYTES;
use crate::http::path;

/// Units of sizes.
const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
/// Letters of a method, at most.
const METHOD_BYTES: usize = 32;

/// `/x/`, `/x`, `/x/*.exe`: as it is compared.
pub(crate) fn path(text: &str) -> Result<String, Wrong> {
    path::canonical(text).map_err(|error| {
        let help =
            "`/x` is that path, `/x/` it and everything below, and `*` stands for anything: `/files/*/raw`".to_owned();
        wrong("bad-path", format!("`{text}` cannot be compared with paths: {error}"), help)
    })
}

/// `GET`, `POST`.
pub(crate) fn method(text: &str) -> Result<(), Wrong> {
    let is_inside = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if (1..=METHOD_BYTES).contains(&text.len()) && text.bytes().all(is_inside) {
        return Ok(());
    }
    let upper = text.to_ascii_uppercase();
    let help = if upper != text && method(&upper).is_ok() {
        format!("write `{upper}`")
    } else {
        "methods are words in capitals: `GET`, `POST`, `PUT`".to_owned()
    };
    Err(wrong("bad-method", format!("`{text}` is not a method"), help))
}

/// `20 MiB`: in bytes.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let bad = |help: String| Err(wrong("bad-size", format!("`{text}` is not a size"), help));
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let Some(&(_, factor)) = UNITS.iter().find(|(word, _)| *word == unit) else {
        let near = ["B", "K", "M", "G"].iter().position(|letter| unit.to_ascii_uppercase().starts_with(letter));
        let near = near.filter(|_| digits > 0).map(|at| format!("write `{number} {}`", UNITS[at].0));
        return bad(near.unwrap_or_else(|| "write a number and its unit: `500 KiB`, `20 MiB`, `1 GiB`".to_owned()));
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).filter(|&it| it <= UPLOAD_BYTES) {
        Some(bytes) => Ok(bytes),
        None if digits == 0 => bad(format!("write a number before it: `20 {unit}`")),
        None => bad(format!("it can be up to {} GiB; leave it out for no limit", UPLOAD_BYTES >> 30)),
    }
}

/// A domain of a tenant, or its directory id.
pub(crate) fn tenant(text: &str) -> Result<String, Wrong> {
    directory(text).or_else(|_| {
        let domain = crate::tls::canonical(text).ok().filter(|domain| domain.find('.').is_some_and(|at| at > 0));
        domain.map(Into::into).ok_or_else(|| {
            let help = "write one of its domains, as in `contoso.example`, or its directory id".to_owned();
            wrong("bad-tenant", format!("`{text}` is not a tenant"), help)
        })
    })
}

/// A directory id, in small letters.
pub(crate) fn directory(text: &str) -> Result<String, Wrong> {
    let lengths = text.split('-').map(str::len);
    let is_hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if is_hex && lengths.eq([8, 4, 4, 4, 12]) {
        return Ok(text.to_ascii_lowercase());
    }
    let help = "it looks like `72f988bf-86f1-41af-91ab-2d7cd011db47`; the portal shows it as `Directory (tenant) ID`";
    Err(wrong("bad-tenant", format!("`{text}` is not a directory id"), help.to_owned()))
}
