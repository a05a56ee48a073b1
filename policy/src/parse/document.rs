//! One TOML file: read, and repaired as far as it takes to say more about it than its first mistake.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::diagnostic::{Problem, Report, Span};

/// Brackets that are put in for a look at the rest of the file, at most.
const REPAIRS: usize = 8;
/// What is put in where a bracket is missing.
const BRACKET: &str = "]\n";

/// A TOML file as far as it could be understood.
pub(crate) struct Document<'a> {
    pub file: usize,
    text: Cow<'a, str>,
    /// Where brackets were put in, as offsets of `text`, ascending.
    repairs: Vec<usize>,
}

impl<'a> Document<'a> {
    /// Reports what is no TOML, and has the rest walked.
    pub fn read<'s, T>(
        file: usize,
        text: &'s str,
        report: &mut Report<'s>,
        walk: impl for<'t> FnOnce(&'t Document<'t>, &'t DeTable<'t>, &mut Report<'s>) -> T,
    ) -> T {
        let whole = Document { file, text: Cow::Borrowed(text), repairs: Vec::new() };
        let (table, errors) = whole.parse();
        if errors.is_empty() {
            return walk(&whole, table.get_ref(), report);
        }
        let (document, unclosed) = whole.repaired(table, &errors);
        for span in unclosed {
            let problem = Problem::error("syntax", span, "this list is never closed").label("opened here");
            report.syntax(problem.help("put a `]` after its last item".to_owned()));
        }
        let (table, errors) = document.parse();
        document.report(&errors, report);
        walk(&document, table.get_ref(), report)
    }

    fn parse(&self) -> (Spanned<DeTable<'_>>, Vec<Error>) {
        DeTable::parse_recoverable(&self.text)
    }

    /// The document with lists closed where they swallow what comes after them, and where those lists are opened.
    fn repaired(&self, table: Spanned<DeTable<'_>>, errors: &[Error]) -> (Document<'a>, Vec<Span>) {
        let mut document = Document { file: self.file, text: self.text.clone(), repairs: Vec::new() };
        let mut unclosed = Vec::new();
        let mut faults = errors.len();
        let mut next = document.unclosed_array(table, errors);
        while let Some((opening, at)) = next.take()
            && document.repairs.len() < REPAIRS
        {
            let repaired = document.repair(at);
            let (table, errors) = repaired.parse();
            // A bracket in the wrong place makes it worse.
            if errors.len() >= faults {
                break;
            }
            faults = errors.len();
            next = repaired.unclosed_array(table, &errors);
            unclosed.push(document.span(opening..opening + 1));
            document = repaired;
        }
        (document, unclosed)
    }

    /// From the parser's offsets to the file's.
    pub fn span(&self, range: Range<usize>) -> Span {
        let original = |at: usize| {
            let inserted =
                self.repairs.iter().filter(|&&repair| repair < at).map(|repair| BRACKET.len().min(at - repair));
            at - inserted.sum::<usize>()
        };
        Span { file: self.file, start: original(range.start), end: original(range.end).max(original(range.start)) }
    }

    fn repair(&self, at: usize) -> Document<'a> {
        let moved = |&repair: &usize| if repair >= at { repair + BRACKET.len() } else { repair };
        let mut repairs: Vec<usize> = self.repairs.iter().map(moved).chain([at]).collect();
        repairs.sort_unstable();
        let text = [&self.text[..at], BRACKET, &self.text[at..]].concat();
        Document { file: self.file, text: Cow::Owned(text), repairs }
    }

    /// Where a list is opened that swallows the keys and tables after it, and the line where they begin.
    fn unclosed_array(&self, table: Spanned<DeTable<'_>>, errors: &[Error]) -> Option<(usize, usize)> {
        let in_array = errors.iter().filter(|error| error.message().contains("array")).filter_map(Error::span);
        let noticed = in_array.map(|span| span.start).min()?;
        let array = swallowing(&DeValue::Table(table.into_inner()), noticed)?;
        let mut at = array.start + self.text[array.start..].find('\n')? + 1;
        for line in self.text[at..].split_inclusive('\n') {
            if at >= array.end {
                return None;
            }
            if begins_something(line) {
                return Some((array.start, at));
            }
            at += line.len();
        }
        None
    }

    /// One syntax error a line: what follows on the same line is the parser finding its feet again.
    fn report(&self, errors: &[Error], report: &mut Report<'_>) {
        let mut errors: Vec<(Span, &Error)> =
            errors.iter().map(|error| (self.clamp(error.span().unwrap_or_default()), error)).collect();
        errors.sort_by_key(|(span, _)| *span);
        errors.dedup_by_key(|(span, _)| report.location(*span).line);
        for (span, error) in errors {
            let (message, help) = reworded(error.message(), span.start == span.end);
            report.syntax(Problem::error("syntax", span, message).help(help));
        }
    }

    fn clamp(&self, range: Range<usize>) -> Span {
        let boundary = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        self.span(boundary(range.start)..boundary(range.end.max(range.start)))
    }
}

/// A file as text, registered; reports bytes that are no UTF-8.
pub(crate) fn text<'a>(path: &'a str, bytes: &'a [u8], report: &mut Report<'a>) -> Option<(usize, &'a str)> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some((report.file(path, text), text)),
        Err(error) => {
            let good = error.valid_up_to();
            let text = std::str::from_utf8(&bytes[..good]).unwrap_or_default();
            let file = report.file(path, text);
            let problem = Problem::error("not-utf8", Span { file, start: good, end: good }, "this is not UTF-8 text");
            let problem = problem.label(format!("byte 0x{:02x}", bytes[good]));
            let help = "save the file as UTF-8; `iconv -f CP932 -t UTF-8` converts from Shift_JIS".to_owned();
            report.push(problem.help(help));
            None
        }
    }
}

/// The outermost array that contains the offset.
fn swallowing(value: &DeValue<'_>, noticed: usize) -> Option<Range<usize>> {
    match value {
        DeValue::Array(array) => array.iter().find_map(|item| enter(item, noticed)),
        DeValue::Table(table) => table.values().find_map(|item| enter(item, noticed)),
        _ => None,
    }
}

fn enter(item: &Spanned<DeValue<'_>>, noticed: usize) -> Option<Range<usize>> {
    let span = item.span();
    let literal = matches!(item.get_ref(), DeValue::Array(array) if !is_array_of_tables(array, &span));
    if literal && span.start < noticed && noticed <= span.end {
        return Some(span);
    }
    swallowing(item.get_ref(), noticed)
}

/// `[[rule]]` rather than `[{…}]`: its first element begins where the whole does.
fn is_array_of_tables(array: &toml::de::DeArray<'_>, span: &Range<usize>) -> bool {
    array.iter().next().is_some_and(|first| first.span().start == span.start)
}

/// Whether a line looks like a key with a value, or like the head of a table.
fn begins_something(line: &str) -> bool {
    let line = line.trim();
    let bare = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let head = line.split('#').next().unwrap_or_default().trim_end();
    let table = head.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let table = table.map(|name| name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name));
    let key = line.split_once('=').map(|(key, _)| key.trim());
    table.is_some_and(|name| bare(name) && !name.starts_with(|c: char| c.is_ascii_digit())) || key.is_some_and(bare)
}

/// The parser's words where they are good, ours where people need to know more.
fn reworded(message: &str, empty: bool) -> (String, Option<String>) {
    let quotes = "text and addresses need double quotes: `\"192.0.2.1\"`";
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| message.starts_with(beginning));
    let (message, help) = if starts(&["string values must be quoted"]) {
        (if empty { "there is no value here" } else { "this is not a value that TOML knows" }, quotes)
    } else if starts(&["invalid float", "invalid integer", "invalid date"]) {
        ("this is neither a number nor a quoted text", quotes)
    } else if message == "duplicate key" {
        (
            "this key has been given before",
            "keep one of the two; lists of rules begin with double brackets, `[[egress.rule]]`",
        )
    } else if starts(&["invalid unquoted key"]) {
        ("this is not a key", "keys are letters, digits, hyphens and underscores; anything else needs quotes")
    } else if starts(&["invalid basic string", "invalid literal string"]) {
        ("this text is never closed", "put a quote after it")
    } else if starts(&["unclosed table"]) {
        ("the brackets of this table are never closed", "write `[table]`, or `[[list]]` for a list of tables")
    } else if starts(&["missing comma"]) {
        ("a comma is missing before this", "separate the items of a list with commas")
    } else if starts(&["key with no value"]) {
        ("this key has no value", "write `key = value`, with `#` before a comment")
    } else {
        return (message.to_owned(), None);
    };
    (message.to_owned(), Some(help.to_owned()))
}
