//! Text → [`raw::RawPolicy`]: TOML with its spans, walked by hand so that every mistake is reported, not the first.
//! Nothing is resolved here; that is [`crate::check`]'s.

mod dns;
pub(crate) mod document;
mod flood;
mod http;
mod limits;
pub(crate) mod lines;
mod municipality;
pub(crate) mod names;
mod nat;
mod prefecture;
mod proxy;
mod quick;
pub(crate) mod raw;
mod rule;
pub(crate) mod scalar;
mod tls;
mod walk;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::diagnostic::{Problem, Report, Span};
use crate::source::Source;
use document::Document;
use raw::{RawMunicipality, RawPrefecture};

/// The file that makes a directory a policy.
pub(crate) const PREFECTURE: &str = "prefecture.toml";
/// Where those of municipalities lie.
pub(crate) const MUNICIPALITIES: &str = "municipalities/";
/// Threads that read municipalities, at most.
const THREADS: usize = 4;
/// What one thread reads before another would have begun.
const LITTLE_BYTES: usize = 64 << 10;

/// Reads `prefecture.toml`.
pub(crate) fn prefecture<'a>(source: &'a Source, report: &mut Report<'a>) -> Option<RawPrefecture> {
    let Some((path, bytes)) = source.files.get_key_value(PREFECTURE) else {
        no_prefecture(source, report);
        return None;
    };
    let (file, text) = document::text(path, bytes, report)?;
    Some(Document::read(file, text, report, prefecture::prefecture))
}

/// Reads `municipalities/*.toml`, on as many threads as are of use, and does something else meanwhile.
pub(crate) fn municipalities<'a, T>(
    source: &'a Source,
    report: &mut Report<'a>,
    meanwhile: impl FnOnce(&mut Report<'a>) -> T,
) -> (Vec<RawMunicipality>, T) {
    let below = source.files.range(MUNICIPALITIES.to_owned()..);
    let named = below.map_while(|(path, bytes)| Some((path, path.strip_prefix(MUNICIPALITIES)?, bytes)));
    let files: Vec<(usize, &str)> = named
        .filter(|(_, name, _)| !name.contains('/') && name.ends_with(".toml"))
        .filter_map(|(path, _, bytes)| document::text(path, bytes, report))
        .collect();
    let next = AtomicUsize::new(0);
    // Each thread has a report of its own, so what is found does not depend on who reads what.
    let read = |mut report: Report<'a>| {
        let mut municipalities = Vec::new();
        while let Some(&(file, text)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            municipalities.push(Document::read(file, text, &mut report, municipality::municipality));
        }
        (municipalities, report)
    };
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(1 + bytes / LITTLE_BYTES);
    let forks: Vec<Report<'a>> = (0..threads).map(|_| report.fork()).collect();
    thread::scope(|scope| {
        let mut forks = forks.into_iter();
        let own = forks.next();
        // Where no thread is to be had, this one does it all.
        let start = |fork| thread::Builder::new().name("parse".into()).spawn_scoped(scope, || read(fork)).ok();
        let helpers: Vec<_> = forks.filter_map(start).collect();
        let done = meanwhile(report);
        let mut parts: Vec<_> = own.map(read).into_iter().collect();
        parts.extend(helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic))));
        let mut municipalities = Vec::with_capacity(files.len());
        for (part, fork) in parts {
            municipalities.extend(part);
            report.join(fork);
        }
        municipalities.sort_by_key(|municipality| municipality.file);
        (municipalities, done)
    })
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
