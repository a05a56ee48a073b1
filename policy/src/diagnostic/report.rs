//! The files under check, and what has been found in them so far. Lines and columns are worked out once, at the end.

use std::cell::OnceCell;

use super::{CODES, Diagnostic, Related, Severity};
use crate::source::Location;

/// Bytes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span {
    pub file: usize,
    pub start: usize,
    pub end: usize,
}

/// A value and the text that said it.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// A diagnostic in the making.
#[derive(Debug)]
pub(crate) struct Problem {
    severity: Severity,
    code: &'static str,
    span: Span,
    message: String,
    label: String,
    help: Option<String>,
    related: Vec<(Span, String)>,
}

impl Problem {
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Problem {
            severity: Severity::Error,
            code,
            span,
            message,
            label: String::new(),
            help: None,
            related: Vec::new(),
        }
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Problem::error(code, span, message) }
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }
}

/// One file and what is known about its text.
#[derive(Debug)]
struct File<'a> {
    path: &'a str,
    text: &'a str,
    /// Where each line begins.
    lines: OnceCell<Vec<usize>>,
    /// Parts that the TOML parser guessed at: whatever follows from them is noise.
    guessed: Vec<std::ops::Range<usize>>,
}

/// Collects everything.
#[derive(Debug, Default)]
pub(crate) struct Report<'a> {
    files: Vec<File<'a>>,
    problems: Vec<Problem>,
    /// Errors among `problems`.
    errors: usize,
}

impl<'a> Report<'a> {
    /// Registers a file; its number goes into spans.
    pub fn file(&mut self, path: &'a str, text: &'a str) -> usize {
        self.files.push(File { path, text, lines: OnceCell::new(), guessed: Vec::new() });
        self.files.len() - 1
    }

    /// A report on the same files, for another thread. Each file is spoken about in one of them only, until they are
    /// [joined](Self::join).
    pub fn fork(&self) -> Self {
        let again = |file: &File<'a>| File { lines: OnceCell::new(), guessed: file.guessed.clone(), ..*file };
        Report { files: self.files.iter().map(again).collect(), ..Report::default() }
    }

    /// Takes over what a fork found.
    pub fn join(&mut self, fork: Self) {
        for (file, forked) in self.files.iter_mut().zip(fork.files) {
            let known = file.guessed.len();
            file.guessed.extend(forked.guessed.into_iter().skip(known));
        }
        self.problems.extend(fork.problems);
        self.errors += fork.errors;
    }

    pub fn path(&self, file: usize) -> &'a str {
        self.files[file].path
    }

    pub fn push(&mut self, problem: Problem) {
        debug_assert!(CODES.iter().any(|&(code, severity, _)| (code, severity) == (problem.code, problem.severity)));
        let guessed = &self.files[problem.span.file].guessed;
        let on_guessed_text =
            guessed.iter().any(|part| part.start <= problem.span.start && problem.span.start <= part.end);
        if problem.code != "syntax" && on_guessed_text {
            return;
        }
        self.errors += usize::from(problem.severity == Severity::Error);
        self.problems.push(problem);
    }

    pub fn errors(&self) -> usize {
        self.errors
    }

    /// A syntax error: reported, and nothing more is said about the lines it stands on.
    pub fn syntax(&mut self, problem: Problem) {
        let text = self.files[problem.span.file].text;
        let start = text[..problem.span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[problem.span.end..].find('\n').map_or(text.len(), |newline| problem.span.end + newline);
        self.files[problem.span.file].guessed.push(start..end);
        self.push(problem);
    }

    /// Whether a key that the parser did not deliver may have been lost to a syntax error: the file has one, and a
    /// line that looks as if it defined the key.
    pub fn may_define(&self, file: usize, key: &str) -> bool {
        let file = &self.files[file];
        let defines = |line: &str| {
            let line = line.trim_start().trim_start_matches(['[', '"', '\'']);
            let line = line.rsplit_once('.').filter(|(table, _)| !table.contains('=')).map_or(line, |(_, last)| last);
            let rest = line.strip_prefix(key).map(|rest| rest.trim_start_matches(['"', '\'']).trim_start());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ']', '.']))
        };
        !file.guessed.is_empty() && file.text.lines().any(defines)
    }

    /// Whether a file has a name in quotes, as a reference or as the name of a set.
    pub fn mentions(&self, name: &str) -> bool {
        let forms = [format!("\"@{name}\""), format!("\"{name}\""), format!("'@{name}'"), format!("'{name}'")];
        let policies = self.files.iter().filter(|file| file.path.ends_with(".toml"));
        policies.into_iter().any(|file| forms.iter().any(|form| file.text.contains(form.as_str())))
    }

    pub fn location(&self, span: Span) -> Location {
        let file = &self.files[span.file];
        let lines = file.lines.get_or_init(|| {
            let newlines = file.text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
            std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect()
        });
        let line = lines.partition_point(|&start| start <= span.start);
        let column = file.text[lines[line - 1]..span.start].trim_start_matches('\u{feff}').chars().count() + 1;
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Location { file: file.path.to_owned(), line: number(line), column: number(column) }
    }

    /// Everything found, in the order of the files and their text.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| (self.files[problem.span.file].path, problem.span.start, problem.severity));
        problems.into_iter().map(|problem| self.diagnostic(problem)).collect()
    }

    fn diagnostic(&self, problem: Problem) -> Diagnostic {
        let related = problem.related.into_iter().map(|(span, label)| Related {
            location: self.location(span),
            span: span.start..span.end,
            label,
        });
        Diagnostic {
            severity: problem.severity,
            code: problem.code,
            location: self.location(problem.span),
            span: problem.span.start..problem.span.end,
            message: problem.message,
            label: problem.label,
            help: problem.help,
            related: related.collect(),
        }
    }
}
