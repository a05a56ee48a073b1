//! A file of indicators: one prefix or address a line, `#` comments.

use ipnet::IpNet;

use crate::diagnostic::{Diagnostic, Problem, Report, Span};
use crate::parse::{document, lines, scalar};

/// The prefixes of a file as they stand there, or everything that is wrong with it: every bad line is named.
///
/// # Errors
/// There is a bad line, no line at all, or the file is no text.
pub fn prefixes(path: &str, bytes: &[u8]) -> Result<Vec<IpNet>, Vec<Diagnostic>> {
    let mut report = Report::default();
    let mut prefixes = Vec::new();
    if let Some((file, text)) = document::text(path, bytes, &mut report) {
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some((at, entry)) = lines::entry(line, start == 0) {
                match scalar::prefix(entry) {
                    Ok(prefix) => prefixes.push(prefix),
                    Err(wrong) => {
                        let span = Span { file, start: start + at, end: start + at + entry.len() };
                        report.push(Problem::error("bad-line", span, wrong.message).help(wrong.help));
                    }
                }
            }
            start += line.len();
        }
        if prefixes.is_empty() && report.errors() == 0 {
            let span = Span { file, start: 0, end: 0 };
            let problem = Problem::error("bad-line", span, format!("there is no prefix in `{path}`"));
            report.push(problem.help("a line is a prefix or an address, such as `192.0.2.0/24`".to_owned()));
        }
    }
    if report.errors() == 0 { Ok(prefixes) } else { Err(report.finish()) }
}
