//! Named sets: read, united, and looked up.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::again::Feeds;
use super::lists::{Addresses, List as AddressList, Lists};
use super::ranges::Ranges;
use super::rules::Home;
use super::unknown;
use crate::diagnostic::{Problem, Report, Span, Spanned, near};
use crate::parse;
use crate::parse::document;
use crate::parse::lines::{self, ByCountry};
use crate::parse::raw::{Countries, Item, List, RawPolicy, RawPrefecture, RawSet};
use crate::source::Source;

/// The country file that is read unless another is named.
const COUNTRIES: &str = "countries.csv";
/// Where the files lie, as a rule.
const USUAL: &str = "set files lie in `sets/`";

/// Every set there is.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    by_name: BTreeMap<String, ResolvedSet>,
    lists: Lists,
    /// The file that defines them; none if it could not be read, so that no name is known to be wrong.
    file: Option<usize>,
}

/// A set in full.
#[derive(Debug)]
pub(crate) struct ResolvedSet {
    pub list: Rc<AddressList>,
    pub span: Span,
    pub complete: bool,
    used: bool,
    /// Whether a rule or `essential` names it.
    named: bool,
}

/// Reads every set with its files.
pub(crate) fn resolve<'a>(source: &'a Source, prefecture: Option<&RawPrefecture>, report: &mut Report<'a>) -> Sets {
    let Some(prefecture) = prefecture else {
        return Sets::default();
    };
    let mut sets = Sets { file: Some(prefecture.file), ..Sets::default() };
    let mut files = Files { source, sets: HashMap::new() };
    let wanted = prefecture.sets.iter().any(|set| set.countries.is_some());
    let countries = countries(prefecture, wanted, source, report);
    for raw in &prefecture.sets {
        let set = set(raw, &mut files, &countries, &mut sets.lists, report);
        sets.by_name.insert(raw.name.value.clone(), set);
    }
    sets
}

/// Set files, each read once however many sets name it.
struct Files<'a> {
    source: &'a Source,
    sets: HashMap<&'a str, (Rc<Ranges>, bool)>,
}

fn set<'a>(
    raw: &RawSet,
    files: &mut Files<'a>,
    countries: &CountryTable,
    lists: &mut Lists,
    report: &mut Report<'a>,
) -> ResolvedSet {
    let mut ranges = Ranges::default();
    let mut complete = raw.complete;
    if let Some(name) = &raw.file {
        let (file, good) = files.read(name, report);
        ranges.extend(&file);
        complete &= good;
    }
    for prefix in raw.prefixes.iter().flat_map(|list| &list.items) {
        ranges.add_prefix(prefix.value);
    }
    if let Some(wanted) = &raw.countries {
        complete &= countries.select(wanted, &mut ranges, report);
    }
    ranges.normalize();
    if ranges.is_empty() && complete {
        let problem = Problem::warning("empty-set", raw.name.span, format!("the set `{}` is empty", raw.name.value));
        report.push(problem.help("rules that name it match nothing; fill it, or remove it".to_owned()));
    }
    ResolvedSet { list: lists.list(ranges), span: raw.name.span, complete, used: false, named: false }
}

impl<'a> Files<'a> {
    fn read(&mut self, name: &Spanned<String>, report: &mut Report<'a>) -> (Rc<Ranges>, bool) {
        if let Some((ranges, complete)) = self.sets.get(name.value.as_str()) {
            return (Rc::clone(ranges), *complete);
        }
        let Some((path, bytes)) = find_file(self.source, name, USUAL, report) else {
            return (Rc::default(), false);
        };
        let read = document::text(path, bytes, report).map(|(file, text)| lines::set_file(file, text, report));
        let (ranges, complete) = read.unwrap_or_default();
        let ranges = Rc::new(ranges);
        self.sets.insert(path, (Rc::clone(&ranges), complete));
        (ranges, complete)
    }
}

/// A file of the directory; reports that there is none, and where such files lie.
pub(super) fn find_file<'a>(
    source: &'a Source,
    name: &Spanned<String>,
    usual: &str,
    report: &mut Report<'_>,
) -> Option<(&'a str, &'a [u8])> {
    if let Some((path, bytes)) = source.files.get_key_value(&name.value) {
        return Some((path, bytes));
    }
    let problem =
        Problem::error("missing-file", name.span, format!("there is no file `{}` in the policy directory", name.value));
    let help = match near(&name.value, source.files.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if name.value.starts_with('/') || name.value.contains("..") || name.value.contains('\\') => {
            "files are named relative to the policy directory, with `/`, and lie inside it".to_owned()
        }
        None => format!("create it, or correct its name; {usual}"),
    };
    report.push(problem.help(help));
    None
}

/// What the country files say.
#[derive(Default)]
struct CountryTable {
    countries: ByCountry,
    complete: bool,
    /// Whether there is any country file.
    present: bool,
}

fn countries<'a>(
    prefecture: &RawPrefecture,
    wanted: bool,
    source: &'a Source,
    report: &mut Report<'a>,
) -> CountryTable {
    let mut table = CountryTable { countries: ByCountry::new(), complete: true, present: false };
    let mut add = |path: &'a str, bytes: &'a [u8], report: &mut Report<'a>| {
        table.present = true;
        let read = document::text(path, bytes, report).map(|(file, text)| lines::country_file(file, text, report));
        let (countries, good) = read.unwrap_or_default();
        for (code, ranges) in countries {
            table.countries.entry(code).or_default().extend(&ranges);
        }
        table.complete &= good;
    };
    match &prefecture.country_files {
        Some(names) => {
            let mut complete = names.complete;
            for name in &names.items {
                match find_file(source, name, USUAL, report) {
                    Some((path, bytes)) => add(path, bytes, report),
                    None => complete = false,
                }
            }
            table.complete &= complete;
            table.present |= !complete;
        }
        None => {
            if let Some((path, bytes)) = source.files.get_key_value(COUNTRIES).filter(|_| wanted) {
                add(path, bytes, report);
            }
        }
    }
    table
}

impl CountryTable {
    /// Adds the addresses of the wanted countries; says whether that is all of them.
    fn select(&self, wanted: &Countries, ranges: &mut Ranges, report: &mut Report<'_>) -> bool {
        if !self.present {
            let problem = Problem::error("missing-file", wanted.codes.span, "there is no country file");
            report
                .push(problem.help(format!(
                    "put `{COUNTRIES}` into the policy directory, with lines such as `192.0.2.0/24,JP`"
                )));
            return false;
        }
        for code in &wanted.codes.items {
            let known = self.countries.keys().any(|known| known == code.value.as_bytes());
            if !known && self.complete {
                let message = format!("no line of the country files is about `{}`", code.value);
                let problem = Problem::warning("unknown-country", code.span, message);
                report.push(problem.help("correct the code, or bring the country files up to date".to_owned()));
            }
        }
        for (code, addresses) in &self.countries {
            let is_listed = wanted.codes.items.iter().any(|wanted| wanted.value.as_bytes() == code);
            if is_listed != wanted.inverted {
                ranges.extend(addresses);
            }
        }
        self.complete
    }
}

impl Sets {
    /// A set by its name, which from then on is in use; reports a name that is none. `mark` is what such names begin
    /// with where this one stands: `@`, or nothing.
    pub fn find(&mut self, mark: &str, name: &str, span: Span, report: &mut Report<'_>) -> Option<&ResolvedSet> {
        if !self.by_name.contains_key(name) {
            let lost = self.file.is_none_or(|file| report.may_define(file, name));
            if !lost {
                let marked: Vec<String> = self.by_name.keys().map(|name| format!("{mark}{name}")).collect();
                let candidates = marked.iter().map(String::as_str);
                unknown("unknown-set", "set", &format!("{mark}{name}"), span, candidates, report);
            }
            // Whoever mistyped the name of a set has a use for it: that it is unused would be one message too many.
            if let Some(meant) = near(name, self.by_name.keys().map(String::as_str)).map(str::to_owned) {
                self.touch(&meant);
            }
            return None;
        }
        let set = self.by_name.get_mut(name)?;
        set.used = true;
        set.named |= mark == "@";
        Some(set)
    }

    /// Counts a set as used.
    pub fn touch(&mut self, name: &str) {
        if let Some(set) = self.by_name.get_mut(name) {
            set.used = true;
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A list of addresses that has no name.
    pub fn list(&mut self, ranges: Ranges) -> Rc<AddressList> {
        self.lists.list(ranges)
    }

    /// `from`, `to`, `isolated` and `essential`.
    pub fn resolve_items(&mut self, list: &List<Spanned<Item>>, home: Home<'_>, report: &mut Report<'_>) -> Addresses {
        let mut spelled_out = Ranges::default();
        let mut named = Vec::new();
        let mut complete = list.complete;
        for item in &list.items {
            let (list, all) = match &item.value {
                Item::Prefix(prefix) => {
                    spelled_out.add_prefix(*prefix);
                    continue;
                }
                Item::Set(name) => match self.find("@", name, item.span, report) {
                    Some(set) => (Some(Rc::clone(&set.list)), set.complete),
                    None => (None, false),
                },
                Item::Section(name) => match home.section(name, item.span, self, report) {
                    Some(section) => (Some(Rc::clone(&section.list)), section.complete),
                    None => (None, false),
                },
            };
            named.extend(list);
            complete &= all;
        }
        Addresses::unite(spelled_out, named, complete, &mut self.lists)
    }

    pub fn report_unused(&self, report: &mut Report<'_>) {
        // Where something could not be read, a set that is named there would seem unused.
        let unused = |name: &str, set: &ResolvedSet| !set.used && (report.errors() == 0 || !report.mentions(name));
        let unused: Vec<_> = self.by_name.iter().filter(|(name, set)| unused(name, set)).collect();
        for (name, set) in unused {
            let problem = Problem::warning("unused-set", set.span, format!("nothing uses the set `{name}`"));
            report.push(problem.help(format!("remove it, or name it: `@{name}` in a rule, `{name}` in `[block]`")));
        }
    }

    /// The files whose lines mean nothing but the addresses of a block set.
    pub fn feeds(&self, raw: &RawPolicy) -> Feeds {
        let Some(prefecture) = &raw.prefecture else { return Feeds::default() };
        let is_feed = |raw: &RawSet| {
            let only_a_file = raw.prefixes.is_none() && raw.countries.is_none();
            let set = self.by_name.get(&raw.name.value).filter(|_| only_a_file);
            set.is_some_and(|set| !set.named && set.complete && !set.list.ranges.is_empty() && !set.list.is_shared())
        };
        let countries = prefecture.country_files.iter().flat_map(|files| &files.items).map(|file| file.value.as_str());
        // No line is good as a prefix and as a host name, and none of a certificate: such files are no feeds as well.
        let others: Vec<&str> = countries.chain([COUNTRIES, parse::PREFECTURE]).collect();
        let is_free = |file: &str| !others.contains(&file) && !file.starts_with(parse::MUNICIPALITIES);
        let feeds = prefecture.sets.iter().filter(|raw| is_feed(raw)).filter_map(|raw| {
            let file = raw.file.as_ref().filter(|file| is_free(&file.value))?;
            Some((file.value.clone(), raw.name.value.clone()))
        });
        Feeds { sets: feeds.collect(), lists: self.lists.fingerprints().collect() }
    }

    pub fn into_resolved(self) -> impl Iterator<Item = (String, ResolvedSet)> {
        self.by_name.into_iter()
    }
}
