//! `[names]`, its files, and host names as people write them.

use std::borrow::Cow;

use super::lines::{BadLines, entry};
use super::raw::{HostItem, RawNames};
use super::scalar::{self, Wrong};
use super::walk::Value;
use crate::diagnostic::{Problem, Report, Spanned};
use crate::tls::{NameError, canonical};

/// One line of `[names]`.
pub(super) fn names(name: Spanned<String>, value: Value<'_>, report: &mut Report<'_>) -> RawNames {
    let mut raw = RawNames { name, file: None, names: None, complete: true };
    if let Err(wrong) = scalar::slug(&raw.name.value) {
        report.push(Problem::error(wrong.code, raw.name.span, wrong.message).help(wrong.help));
    }
    let Some(mut fields) = value.fields("a list of names", report) else {
        raw.complete = false;
        return raw;
    };
    let (file, names) = (fields.optional("file"), fields.optional("names"));
    if file.is_none() && names.is_none() {
        let message = format!("nothing says what is in the list `{}`", raw.name.value);
        report.push(Problem::error("missing-key", raw.name.span, message).help("add `file` or `names`".to_owned()));
        raw.complete = false;
    }
    if let Some(value) = file {
        raw.file = value.string(report);
        raw.complete &= raw.file.is_some();
    }
    if let Some(value) = names {
        let list = value.words(host, report);
        raw.complete &= list.complete;
        raw.names = Some(list);
    }
    fields.finish(report);
    raw
}

/// The lines of a file of names: one each, `#` comments. Also says whether all of them were good.
pub(crate) fn file<'t>(file: usize, text: &'t str, report: &mut Report<'_>) -> (Vec<Cow<'t, str>>, bool) {
    let mut names = Vec::new();
    let mut bad = BadLines::new(file, report);
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((at, said)) = entry(line, start == 0) {
            match canonical(said) {
                Ok(name) => names.push(name),
                Err(error) => bad.report(start + at, said, Some(wrong(said, error)), report),
            }
        }
        start += line.len();
    }
    (names, bad.finish(report))
}

/// A host name, or with a dot before it that and everything below.
pub(super) fn host(text: &str) -> Result<String, Wrong> {
    canonical(text).map(Cow::into_owned).map_err(|error| wrong(text, error))
}

/// `@list`, `none`, or a host name.
pub(super) fn item(text: &str) -> Result<HostItem, Wrong> {
    match text.strip_prefix('@') {
        Some(list) => scalar::slug(list).map(|()| HostItem::List(list.to_owned())),
        None if text == "none" => Ok(HostItem::None),
        None => host(text).map(HostItem::Name),
    }
}

fn wrong(text: &str, error: NameError) -> Wrong {
    let shape = "a name looks like `www.example.jp`, or `.example.jp` for it and everything below; any script will do";
    let help = match error {
        NameError::Wildcard => match text.strip_prefix("*.").filter(|rest| canonical(rest).is_ok()) {
            Some(rest) => format!("write `.{rest}`, which is `{rest}` and everything below"),
            None => shape.to_owned(),
        },
        NameError::Address => "addresses and prefixes are matched by `to`".to_owned(),
        NameError::Character(_) => {
            let host = text.split_once("://").map_or(text, |(_, rest)| rest);
            let host = host.split(['/', ':']).next().unwrap_or_default();
            let named = canonical(host).is_ok() && host != text;
            if named { format!("write `{host}`") } else { shape.to_owned() }
        }
        NameError::Empty | NameError::EmptyLabel | NameError::TooLong | NameError::Idna => shape.to_owned(),
    };
    Wrong { code: "bad-name", message: format!("`{text}` is not a host name: {error}"), help: Some(help) }
}
