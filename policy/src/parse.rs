//! Text → [`raw::RawPolicy`]: TOML with its spans, walked by hand so that every mistake is reported, not the first.
//! Nothing is resolved here; that is [`crate::check`]'s.

pub(crate) mod document;
pub(crate) mod lines;
mod municipality;
mod prefecture;
mod quick;
pub(crate) mod raw;
mod rule;
pub(crate) mod scalar;
mod walk;

use crate::diagnostic::{Problem, Report, Span};
use crate::source::Source;
use document::Document;
use raw::RawPolicy;

/// The file that makes a directory a policy.
const PREFECTURE: &str = "prefecture.toml";
const MUNICIPALITIES: &str = "municipalities/";

/// Reads `prefecture.toml` and `municipalities/*.toml`. Set and country files are read when a set asks for them.
pub(crate) fn parse<'a>(source: &'a Source, report: &mut Report<'a>) -> RawPolicy {
    let mut raw = RawPolicy::default();
    match source.files.get_key_value(PREFECTURE) {
        Some((path, bytes)) => {
            raw.prefecture = Document::read(path, bytes, report, prefecture::prefecture);
        }
        None => no_prefecture(source, report),
    }
    for (path, bytes) in source.files.range(MUNICIPALITIES.to_owned()..) {
        let Some(name) = path.strip_prefix(MUNICIPALITIES) else {
            break;
        };
        if name.contains('/') || !name.ends_with(".toml") {
            continue;
        }
        raw.municipalities.extend(Document::read(path, bytes, report, municipality::municipality));
    }
    raw
}

fn no_prefecture(source: &Source, report: &mut Report<'_>) {
    let file = report.file(PREFECTURE, "");
    let near = crate::diagnostic::near(PREFECTURE, source.files.keys().map(String::as_str));
    let message = format!("there is no `{PREFECTURE}`, so this is not a policy directory");
    let help = match near {
        Some(near) => format!("did you mean to name `{near}` so?"),
        None => "begin with a copy of the example policy, or create the file with `schema = 1`".to_owned(),
    };
    report.push(Problem::error("missing-file", Span { file, start: 0, end: 0 }, message).help(help));
}
