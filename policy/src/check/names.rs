//! Named lists of host names: read, united, and looked up.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::sets::{Sets, find_file};
use super::unknown;
use crate::checked::NameList;
use crate::diagnostic::{Problem, Report, Span, near};
use crate::parse::document;
use crate::parse::names as lines;
use crate::parse::raw::{RawNames, RawPrefecture};
use crate::source::Source;
use crate::tls::{Names, limits};

/// Where the files lie, as a rule.
const USUAL: &str = "files of names lie in `names/`";

/// Every list there is.
#[derive(Debug, Default)]
pub(crate) struct NameLists {
    by_name: BTreeMap<String, ResolvedNames>,
    /// The file that defines them; none if it could not be read, so that no name is known to be wrong.
    file: Option<usize>,
    /// Names that rules spell out.
    spelled_out: usize,
}

/// A list in full.
#[derive(Debug)]
pub(crate) struct ResolvedNames {
    pub names: Names,
    pub complete: bool,
    span: Span,
    used: bool,
}

/// Reads every list with its file.
pub(crate) fn resolve<'a>(
    source: &'a Source,
    prefecture: Option<&RawPrefecture>,
    report: &mut Report<'a>,
) -> NameLists {
    let Some(prefecture) = prefecture else {
        return NameLists::default();
    };
    let mut files = HashMap::new();
    let resolved = prefecture.names.iter().map(|raw| (raw.name.value.clone(), list(raw, source, &mut files, report)));
    NameLists { by_name: resolved.collect(), file: Some(prefecture.file), spelled_out: 0 }
}

/// Files by path, each read once: what is in them, and whether all lines were good.
type Files<'a> = HashMap<&'a str, (Vec<Cow<'a, str>>, bool)>;

fn list<'a>(raw: &RawNames, source: &'a Source, files: &mut Files<'a>, report: &mut Report<'a>) -> ResolvedNames {
    let mut complete = raw.complete;
    let mut names: Vec<&str> = Vec::new();
    if let Some(name) = &raw.file {
        match find_file(source, name, USUAL, report) {
            Some((path, bytes)) => {
                let read = |report: &mut Report<'a>| {
                    document::text(path, bytes, report).map(|(file, text)| lines::file(file, text, report))
                };
                let (lines, good) = &*files.entry(path).or_insert_with(|| read(report).unwrap_or_default());
                names.extend(lines.iter().map(|name| &**name));
                complete &= good;
            }
            None => complete = false,
        }
    }
    names.extend(raw.names.iter().flat_map(|list| &list.items).map(|name| name.value.as_str()));
    let names = Names::new(names);
    if names.is_empty() && complete {
        let problem = Problem::warning("empty-names", raw.name.span, format!("the list `{}` is empty", raw.name.value));
        report.push(problem.help("rules that name it match no name; fill it, or remove it".to_owned()));
    }
    ResolvedNames { names, complete, span: raw.name.span, used: false }
}

impl NameLists {
    /// A list by its name, which from then on is in use; reports a name that is none.
    pub fn find(&mut self, name: &str, span: Span, sets: &Sets, report: &mut Report<'_>) -> Option<&ResolvedNames> {
        if !self.by_name.contains_key(name) {
            let lost = self.file.is_none_or(|file| report.may_define(file, name));
            if sets.has(name) {
                let message = format!("`@{name}` is a set of addresses, not a list of names");
                let help = "name it in `to`, or make a list of `[names]`".to_owned();
                report.push(Problem::error("unknown-names", span, message).help(help));
            } else if !lost {
                let marked: Vec<String> = self.by_name.keys().map(|name| format!("@{name}")).collect();
                let candidates = marked.iter().map(String::as_str);
                unknown("unknown-names", "list of names", &format!("@{name}"), span, candidates, report);
            }
            // Whoever mistyped the name of a list has a use for it.
            if let Some(meant) = near(name, self.by_name.keys().map(String::as_str)).map(str::to_owned)
                && let Some(list) = self.by_name.get_mut(&meant)
            {
                list.used = true;
            }
            return None;
        }
        let list = self.by_name.get_mut(name)?;
        list.used = true;
        Some(list)
    }

    /// A list that has no name of its own, of canonical names.
    pub fn spelled_out(&mut self, names: Vec<&str>) -> Names {
        let names = Names::new(names);
        self.spelled_out += names.len();
        names
    }

    /// What can be said once all rules are resolved.
    pub fn finish(&self, report: &mut Report<'_>) {
        let count = self.by_name.values().map(|list| list.names.len()).sum::<usize>() + self.spelled_out;
        let top = self.file.map(|file| Span { file, start: 0, end: 0 });
        let Some(last) = self.by_name.values().map(|list| list.span).max().or(top) else { return };
        let too_many = [
            (
                "host names",
                count,
                limits::NAMES,
                "leave out names below one that is listed with its dot: `.example.jp`",
            ),
            ("lists of names", self.by_name.len(), limits::NAME_LISTS, "unite lists that are always used together"),
        ];
        for (what, count, most, help) in too_many {
            if count > most {
                let message = format!("{count} {what} are more than one gateway can hold");
                let problem = Problem::error("capacity", last, message).label(format!("room for {most}"));
                report.push(problem.help(help.to_owned()));
            }
        }
        // Where something could not be read, a list that is named there would seem unused.
        let unused = |name: &str, list: &ResolvedNames| !list.used && (report.errors() == 0 || !report.mentions(name));
        let unused: Vec<_> = self.by_name.iter().filter(|(name, list)| unused(name, list)).collect();
        for (name, list) in unused {
            let problem =
                Problem::warning("unused-names", list.span, format!("nothing uses the list of names `{name}`"));
            report
                .push(problem.help(format!(
                    "remove it, or name it in `sni` of a TLS rule or `host` of an HTTP rule: `@{name}`"
                )));
        }
    }

    pub fn into_checked(self, report: &Report<'_>) -> BTreeMap<String, NameList> {
        let list = |list: ResolvedNames| NameList { names: list.names, location: report.location(list.span) };
        self.by_name.into_iter().map(|(name, names)| (name, list(names))).collect()
    }
}
