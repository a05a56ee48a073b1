//! `[tls] crls`: files of revocation lists, PEM or DER, kept as PEM. What is a list by its label or its outermost length is
//! the inspector's to read; whose it is and whether its time is over, too.

use std::collections::HashSet;

use pem::{EncodeConfig, LineEnding, Pem};

use crate::check::sets::find_file;
use crate::diagnostic::{Problem, Report};
use crate::parse::raw::RawPrefecture;
use crate::source::Source;
use crate::tls::{RevocationLists, limits};

/// Where the files lie, as a rule.
const USUAL: &str = "revocation lists lie in `crls/` and end in `.pem`, `.crl` or `.der`";
const LABEL: &str = "X509 CRL";

/// Reads every file, each once.
pub(crate) fn read(source: &Source, prefecture: &RawPrefecture, report: &mut Report<'_>) -> Vec<RevocationLists> {
    let list = &prefecture.tls.crls;
    let mut seen = HashSet::new();
    let mut crls = Vec::new();
    let mut size = 0;
    for name in list.items.iter().filter(|name| seen.insert(name.value.as_str())) {
        let Some((path, bytes)) = find_file(source, name, USUAL, report) else { continue };
        size += bytes.len();
        match lists(bytes) {
            Ok(lists) => crls.push(RevocationLists { file: path.to_owned(), pem: lists }),
            Err(NoList { why, help }) => {
                let problem = Problem::error("bad-revocation-list", name.span, format!("`{path}` {why}"));
                report.push(problem.help(help.to_owned()));
            }
        }
    }
    for (what, count, most) in [
        ("files of revocation lists", crls.len(), limits::CRL_FILES),
        ("bytes of revocation lists", size, limits::CRL_BYTES),
    ] {
        if count > most {
            let problem = Problem::error("capacity", list.span, format!("{count} {what} are too many"));
            let problem = problem.label(format!("room for {most}"));
            report.push(problem.help("name those of the authorities that your users' servers have".to_owned()));
        }
    }
    crls
}

/// Why a file holds no revocation lists.
struct NoList {
    why: String,
    help: &'static str,
}

/// What is in a file, as PEM with nothing else in it.
fn lists(bytes: &[u8]) -> Result<String, NoList> {
    let encoded = |lists: &[Pem]| pem::encode_many_config(lists, EncodeConfig::new().set_line_ending(LineEnding::LF));
    if is_der(bytes) {
        return Ok(encoded(&[Pem::new(LABEL, bytes)]));
    }
    let found = pem::parse_many(bytes).map_err(|_| NoList {
        why: "cannot be read as PEM".to_owned(),
        help: "fetch it again; `openssl crl -in FILE -noout -text` shows what is in a revocation list",
    })?;
    if found.iter().any(|part| part.tag().ends_with("PRIVATE KEY")) {
        return Err(NoList {
            why: "holds a private key".to_owned(),
            help: "take it out of the policy directory, and replace it wherever it is in use: policies are kept",
        });
    }
    if let Some(other) = found.iter().find(|part| part.tag() != LABEL) {
        return Err(NoList {
            why: format!("holds a `{}`, which is not a revocation list", other.tag()),
            help: "keep the parts that begin with `-----BEGIN X509 CRL-----`",
        });
    }
    if found.is_empty() || !found.iter().all(|list| is_der(list.contents())) {
        return Err(NoList {
            why: "is not a revocation list, or not a whole one".to_owned(),
            help: "fetch it again, as PEM with `-----BEGIN X509 CRL-----` or as binary DER",
        });
    }
    Ok(encoded(&found))
}

/// Whether this is one SEQUENCE of DER from the first byte to the last.
fn is_der(bytes: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = bytes else { return false };
    let count = usize::from(first & 0x7f);
    let (length, contents) = match first & 0x80 {
        0 => (count, rest),
        _ if count == 0 || count > 4 || rest.len() < count => return false,
        _ => (rest[..count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), &rest[count..]),
    };
    contents.len() == length
}
