//! Set files and country files: one entry a line, `#` comments. They may have a million lines, so nothing is
//! allocated for a good one.

use std::net::IpAddr;

use ipnet::IpNet;

use super::scalar;
use crate::check::ranges::Ranges;
use crate::diagnostic::{Problem, Report, Span};

/// Bad lines of one file that are shown one by one.
const SHOWN: usize = 20;

/// The lines of a set file: one prefix or address each. Also says whether all of them were good.
pub(crate) fn set_file(file: usize, text: &str, report: &mut Report<'_>) -> (Ranges, bool) {
    let mut ranges = Ranges::default();
    let mut bad = BadLines { file, path: report.path(file).to_owned(), count: 0, last: 0 };
    for (start, entry) in entries(text) {
        match fast_prefix(entry) {
            Some(prefix) => ranges.add_prefix(prefix),
            None => bad.report(start, entry, scalar::prefix(entry).err(), report),
        }
    }
    ranges.normalize();
    (ranges, bad.finish(report))
}

/// One line of a country file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountryLine {
    pub code: [u8; 2],
    pub first: IpAddr,
    pub last: IpAddr,
}

/// The lines of a country file: `prefix,CC` or `first,last,CC`.
pub(crate) fn country_file(file: usize, text: &str, report: &mut Report<'_>) -> (Vec<CountryLine>, bool) {
    let mut lines = Vec::new();
    let mut bad = BadLines { file, path: report.path(file).to_owned(), count: 0, last: 0 };
    for (start, entry) in entries(text) {
        match country_line(entry) {
            Ok(line) => lines.push(line),
            Err(wrong) => bad.report(start, entry, Some(wrong), report),
        }
    }
    (lines, bad.finish(report))
}

/// Offset and text of every line that says something.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let line = if start == 0 { line.trim_start_matches('\u{feff}') } else { line };
        let skipped = at - start - line.len();
        let said = line.split_once('#').map_or(line, |(said, _)| said);
        let entry = said.trim();
        (!entry.is_empty()).then(|| (start + skipped + (said.len() - said.trim_start().len()), entry))
    })
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

fn country_line(entry: &str) -> Result<CountryLine, scalar::Wrong> {
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
    Ok(CountryLine { code: bytes, first, last })
}

/// Shows the first bad lines, counts the others.
struct BadLines {
    file: usize,
    path: String,
    count: usize,
    last: usize,
}

impl BadLines {
    fn report(&mut self, start: usize, entry: &str, wrong: Option<scalar::Wrong>, report: &mut Report<'_>) {
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
    fn finish(self, report: &mut Report<'_>) -> bool {
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
