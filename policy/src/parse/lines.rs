//! Set files and country files: one entry a line, `#` comments. They may have a million lines, so nothing is
//! allocated for a good one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::quick::Cursor;
use super::scalar;
use crate::check::ranges::Ranges;
use crate::diagnostic::{Problem, Report, Span};

/// Bad lines of one file that are shown one by one.
const SHOWN: usize = 20;

/// The lines of a set file: one prefix or address each. Also says whether all of them were good.
pub(crate) fn set_file(file: usize, text: &str, report: &mut Report<'_>) -> (Ranges, bool) {
    // A line is 8 to 19 bytes long, as a rule; memory that is not written to costs nothing.
    let mut ranges = Ranges { v4: Vec::with_capacity(text.len() / 8), v6: Vec::new() };
    let mut bad = BadLines::new(file, report);
    let plain = |line: &mut Cursor<'_>| {
        let prefix = line.prefix()?;
        line.ends_line()?;
        Some(prefix)
    };
    for line in lines(text, plain) {
        match line {
            Line::Plain(range) => ranges.v4.push(range),
            Line::Other(start, entry) => match fast_prefix(entry) {
                Some(prefix) => ranges.add_prefix(prefix),
                None => bad.report(start, entry, scalar::prefix(entry).err(), report),
            },
        }
    }
    ranges.normalize();
    (ranges, bad.finish(report))
}

/// Addresses by country.
pub(crate) type ByCountry = BTreeMap<[u8; 2], Ranges>;

/// The lines of a country file: `prefix,CC` or `first,last,CC`. Also says whether all of them were good.
pub(crate) fn country_file(file: usize, text: &str, report: &mut Report<'_>) -> (ByCountry, bool) {
    let mut countries = ByCountry::new();
    let mut bad = BadLines::new(file, report);
    for line in lines(text, plain_country_line) {
        match line {
            Line::Plain((range, code)) => countries.entry(code).or_default().v4.push(range),
            Line::Other(start, entry) => match country_line(entry) {
                Ok((first, last, code)) => countries.entry(code).or_default().add_range(first, last),
                Err(wrong) => bad.report(start, entry, Some(wrong), report),
            },
        }
    }
    countries.values_mut().for_each(Ranges::normalize);
    (countries, bad.finish(report))
}

fn plain_country_line(line: &mut Cursor<'_>) -> Option<((u32, u32), [u8; 2])> {
    let (first, mut last) = line.prefix()?;
    if !line.is(b',') {
        return None;
    }
    let mut range = *line;
    if let Some(other) = range.address() {
        // A prefix with a last address is wrong, and so is a range that ends before it begins.
        if !range.is(b',') || first != last || other < first {
            return None;
        }
        (*line, last) = (range, other);
    }
    let code = line.country()?;
    line.ends_line()?;
    Some(((first, last), code))
}

/// A line that says something.
enum Line<'t, T> {
    /// In the plainest way.
    Plain(T),
    /// In another way: what it says, and where that begins.
    Other(usize, &'t str),
}

/// Every line that says something; `plain` reads one to its end, or finds that it is not plain.
fn lines<T>(text: &str, plain: impl Fn(&mut Cursor<'_>) -> Option<T>) -> impl Iterator<Item = Line<'_, T>> {
    let mut place = Cursor::new(text);
    std::iter::from_fn(move || {
        while place.at < text.len() {
            let start = place.at;
            let mut line = place;
            if let Some(said) = plain(&mut line) {
                place = line;
                return Some(Line::Plain(said));
            }
            place.at = text[start..].find('\n').map_or(text.len(), |length| start + length + 1);
            if let Some((at, entry)) = entry(&text[start..place.at], start == 0) {
                return Some(Line::Other(start + at, entry));
            }
        }
        None
    })
}

/// What a line says, and where in it that begins.
pub(crate) fn entry(whole: &str, is_first: bool) -> Option<(usize, &str)> {
    let line = if is_first { whole.trim_start_matches('\u{feff}') } else { whole };
    let said = line.split_once('#').map_or(line, |(said, _)| said);
    let entry = said.trim();
    (!entry.is_empty()).then(|| (whole.len() - line.len() + said.len() - said.trim_start().len(), entry))
}

/// A good prefix, or nothing: why it is not good is [`scalar::prefix`]'s to say.
fn fast_prefix(entry: &str) -> Option<IpNet> {
    let Some((address, length)) = entry.split_once('/') else {
        let address: IpAddr = entry.parse().ok()?;
        return usable(address).then(|| IpNet::from(address));
    };
    let address: IpAddr = address.parse().ok()?;
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = IpNet::new(address, length.parse().ok().filter(|_| digits)?).ok()?;
    (usable(address) && prefix.network() == address).then_some(prefix)
}

fn usable(address: IpAddr) -> bool {
    !matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

/// First and last address, and whose they are.
fn country_line(entry: &str) -> Result<(IpAddr, IpAddr, [u8; 2]), scalar::Wrong> {
    let wrong = |message: String, help: &str| scalar::Wrong { code: "bad-line", message, help: Some(help.to_owned()) };
    let shape = "a line is `prefix,CC` or `first,last,CC`";
    let mut fields = entry.split(',').map(str::trim);
    let (Some(one), Some(two)) = (fields.next(), fields.next()) else {
        return Err(wrong(format!("`{entry}` names no country"), shape));
    };
    let (first, last, code) = match (fields.next(), fields.next()) {
        (None, _) => {
            let prefix = fast_prefix(one).map_or_else(|| scalar::prefix(one), Ok)?;
            (prefix.network(), prefix.broadcast(), two)
        }
        (Some(code), None) => (scalar::address(one)?, scalar::address(two)?, code),
        (Some(_), Some(_)) => return Err(wrong(format!("`{entry}` has too many commas"), shape)),
    };
    scalar::country(code)?;
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return Err(wrong(
            format!("`{one}` to `{two}` is not a range"),
            "the smaller address comes first, both of one family",
        ));
    }
    let mut bytes = [0; 2];
    bytes.copy_from_slice(code.as_bytes());
    Ok((first, last, bytes))
}

/// Shows the first bad lines, counts the others.
pub(super) struct BadLines {
    file: usize,
    path: String,
    count: usize,
    last: usize,
}

impl BadLines {
    pub fn new(file: usize, report: &Report<'_>) -> Self {
        BadLines { file, path: report.path(file).to_owned(), count: 0, last: 0 }
    }

    pub fn report(&mut self, start: usize, entry: &str, wrong: Option<scalar::Wrong>, report: &mut Report<'_>) {
        self.count += 1;
        self.last = start;
        if self.count > SHOWN {
            return;
        }
        let span = Span { file: self.file, start, end: start + entry.len() };
        let (message, help) =
            wrong.map_or((format!("`{entry}` is not a prefix"), None), |wrong| (wrong.message, wrong.help));
        report.push(Problem::error("bad-line", span, message).help(help));
    }

    /// Whether all lines were good.
    pub fn finish(self, report: &mut Report<'_>) -> bool {
        if let Some(more) = self.count.checked_sub(SHOWN).filter(|&more| more > 0) {
            let span = Span { file: self.file, start: self.last, end: self.last };
            let lines = if more == 1 { "line is" } else { "lines are" };
            let message = format!("{more} more {lines} bad in `{}`", self.path);
            let help = "the last of them is here; is this the right kind of file?".to_owned();
            report.push(Problem::error("bad-line", span, message).help(help));
        }
        self.count == 0
    }
}
