//! `[tls] roots`: files of certificates, kept as text. Labels are looked at, what is between them is the inspector's to read.

use std::collections::HashSet;

use crate::check::sets::find_file;
use crate::diagnostic::{Problem, Report, Span};
use crate::parse::document;
use crate::parse::raw::RawPrefecture;
use crate::source::Source;
use crate::tls::{Root, limits};

/// Where the files lie, as a rule.
const USUAL: &str = "files of certificates lie in `roots/` and end in `.pem`";
const CERTIFICATE: &str = "CERTIFICATE";
const WHOLE: &str = "keep whole parts, each from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`";

/// Reads every file, each once.
pub(crate) fn read<'a>(source: &'a Source, prefecture: &RawPrefecture, report: &mut Report<'a>) -> Vec<Root> {
    let list = &prefecture.tls.roots;
    let mut seen = HashSet::new();
    let mut roots = Vec::new();
    for name in list.items.iter().filter(|name| seen.insert(name.value.as_str())) {
        let Some((path, bytes)) = find_file(source, name, USUAL, report) else { continue };
        let Some((file, text)) = document::text(path, bytes, report) else { continue };
        labels(file, text, report);
        roots.push(Root { file: path.to_owned(), pem: text.to_owned() });
    }
    let bytes: usize = roots.iter().map(|root| root.pem.len()).sum();
    for (what, count, most) in
        [("files of roots", roots.len(), limits::ROOT_FILES), ("bytes of roots", bytes, limits::ROOT_BYTES)]
    {
        if count > most {
            let problem = Problem::error("capacity", list.span, format!("{count} {what} are too many"));
            let problem = problem.label(format!("room for {most}"));
            report.push(problem.help("name the few roots that are needed beside the usual ones".to_owned()));
        }
    }
    roots
}

/// Reports what is not certificates, one mistake a file.
fn labels(file: usize, text: &str, report: &mut Report<'_>) {
    let path = report.path(file);
    let mut mistake = |start: usize, length: usize, message: String, help: &str| {
        let span = Span { file, start, end: start + length };
        report.push(Problem::error("bad-certificates", span, message).help(help.to_owned()));
    };
    let (mut start, mut open, mut count) = (0, None::<usize>, 0);
    for line in text.split_inclusive('\n') {
        let (at, said) = (start, line.trim_end());
        start += line.len();
        let label = |begin: &str| said.strip_prefix(begin)?.strip_suffix("-----");
        if let Some(found) = label("-----BEGIN ") {
            if found.ends_with("PRIVATE KEY") {
                let help =
                    "take it out of the policy directory, and replace it wherever it is in use: policies are kept";
                return mistake(at, said.len(), "this is a private key".to_owned(), help);
            }
            if found != CERTIFICATE {
                let help = "keep the parts that begin with `-----BEGIN CERTIFICATE-----`";
                return mistake(at, said.len(), format!("`{found}` is not a certificate"), help);
            }
            if open.replace(at).is_some() {
                return mistake(at, said.len(), "the certificate before this one has no end".to_owned(), WHOLE);
            }
        } else if let Some(found) = label("-----END ") {
            if found != CERTIFICATE || open.take().is_none() {
                return mistake(at, said.len(), "this ends what has not begun".to_owned(), WHOLE);
            }
            count += 1;
        }
    }
    if let Some(at) = open {
        mistake(at, "-----BEGIN CERTIFICATE-----".len(), "this certificate has no end".to_owned(), WHOLE);
    } else if count == 0 {
        let help = "`openssl x509 -inform der -in FILE -out FILE.pem` makes text of a binary certificate";
        mistake(0, 0, format!("there is no certificate in `{path}`"), help);
    }
}
