//! Diagnostics as people read them in a terminal: the line, the text underlined, what to do next.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Severity};
use crate::source::Source;

/// Two places nearer than this share one snippet.
const NEAR_BYTES: usize = 4_000;

/// All diagnostics, one after the other, with an empty line between them; `color` adds terminal escapes.
pub fn render(source: &Source, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in diagnostics {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&renderer.render(&[group(source, diagnostic)]));
        text.push('\n');
    }
    text
}

/// A place to underline.
struct Mark<'d> {
    file: &'d str,
    line: usize,
    span: Range<usize>,
    kind: AnnotationKind,
    label: &'d str,
}

fn group<'d>(source: &'d Source, diagnostic: &'d Diagnostic) -> Group<'d> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        level.primary_title(visible(&diagnostic.message)).id(diagnostic.code).elements([] as [Origin<'_>; 0]);
    let first = Mark {
        file: &diagnostic.location.file,
        line: diagnostic.location.line as usize,
        span: diagnostic.span.clone(),
        kind: AnnotationKind::Primary,
        label: &diagnostic.label,
    };
    let others = diagnostic.related.iter().map(|related| Mark {
        file: &related.location.file,
        line: related.location.line as usize,
        span: related.span.clone(),
        kind: AnnotationKind::Context,
        label: &related.label,
    });

    // Marks that stand close together share a snippet, the first mark's first.
    let mut clusters: Vec<Vec<Mark<'_>>> = vec![vec![first]];
    for mark in others {
        let close =
            |other: &Mark<'_>| other.file == mark.file && other.span.start.abs_diff(mark.span.start) < NEAR_BYTES;
        match clusters.iter_mut().find(|cluster| cluster.iter().any(close)) {
            Some(cluster) => cluster.push(mark),
            None => clusters.push(vec![mark]),
        }
    }
    for cluster in clusters {
        group = match snippet(source, &cluster) {
            Some(snippet) => group.element(snippet),
            None => group.element(Origin::path(cluster[0].file).line(cluster[0].line).char_column(1)),
        };
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    }
}

/// The lines around some marks; none if there is no text to show.
fn snippet<'d>(source: &'d Source, marks: &[Mark<'d>]) -> Option<Snippet<'d, annotate_snippets::Annotation<'d>>> {
    let bytes = source.files.get(marks[0].file).filter(|bytes| !bytes.is_empty())?;
    let first = marks.iter().min_by_key(|mark| mark.span.start)?;
    let last = marks.iter().map(|mark| mark.span.end).max()?.min(bytes.len());
    let from =
        bytes[..first.span.start.min(bytes.len())].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let to = bytes[last..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |at| last + at);
    // What is shown differs from the bytes: replacement characters are longer than what they stand for, and the
    // carriage returns of other systems are left out. So offsets are counted in the shown text.
    let shown = |to: usize| String::from_utf8_lossy(&bytes[from..to]).replace("\r\n", "\n");
    let text = shown(to).trim_end_matches('\r').to_owned();
    let offset = |at: usize| shown(at.clamp(from, to)).len().min(text.len());
    let annotations: Vec<_> = marks
        .iter()
        .map(|mark| {
            let span = offset(mark.span.start)..offset(mark.span.end);
            mark.kind.span(span).label((!mark.label.is_empty()).then(|| visible(mark.label)))
        })
        .collect();
    Some(Snippet::source(text).path(marks[0].file).line_start(first.line).annotations(annotations))
}

/// Control characters from a policy must not reach the terminal.
fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(annotate_snippets::normalize_untrusted_str(text))
    } else {
        Cow::Borrowed(text)
    }
}
