//! Paths and the patterns they are compared with.
//!
//! A path is what stands before `?` and `#`; of a whole URL, what follows its host. It has up to four readings:
//!
//! | reading | escapes | `//` | `\`, `;…`, NUL | dot segments |
//! |---|---|---|---|---|
//! | plain | decoded, but for those of `/ \ % ; ? #` and control characters | kept | kept | removed |
//! | merged | the same | one slash | kept | removed |
//! | lenient | all decoded | one slash | a slash; left out; ends the path | removed |
//! | twice | all decoded, and once more | like lenient | like lenient | removed |
//!
//! All but the strangest paths have one reading. A rule that blocks matches if any reading does, whatever the case of
//! letters; a rule that allows only if every reading does, as written. So no way of writing a path gets it past a rule that
//! blocks, or in by a rule that allows, as long as the server reads it in one of these ways. Not considered: dots and spaces at the end of a segment, which Windows leaves
//! out, and overlong UTF-8.

use super::limits::{PATH_BYTES, PATTERN_BYTES, STARS};

/// Why something is no pattern. Whoever wrote it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Paths begin with a slash.
    #[error("a path begins with `/`")]
    NoSlash,
    /// The query is no part of a path.
    #[error("a path ends before `?` and `#`")]
    Query,
    /// No path has such a part once it is read.
    #[error("paths are compared without `.`, `..` and doubled slashes")]
    Segment,
    /// An escape that is broken, or that servers read in different ways.
    #[error("an escape in it is broken, is no UTF-8, or is read in different ways")]
    Escape,
    /// Readings end at some of these.
    #[error("`\\`, `;` and control characters are read in different ways, so they cannot be compared")]
    Character,
    /// Longer, or with more stars, than is ever compared.
    #[error("a pattern has up to 256 bytes and 8 stars")]
    TooLong,
}

/// A pattern as it is compared: escapes decoded.
///
/// # Errors
/// It is none.
pub fn canonical(text: &str) -> Result<String, PatternError> {
    if text.contains(['?', '#']) {
        return Err(PatternError::Query);
    }
    if !text.starts_with(['/', '*']) {
        return Err(PatternError::NoSlash);
    }
    let pattern = String::from_utf8(plain(text.as_bytes())).map_err(|_| PatternError::Escape)?;
    if pattern.contains('%') {
        return Err(PatternError::Escape);
    }
    if pattern.chars().any(|c| c.is_control() || c == '\\' || c == ';') {
        return Err(PatternError::Character);
    }
    if pattern.len() > PATTERN_BYTES || pattern.matches('*').count() > STARS {
        return Err(PatternError::TooLong);
    }
    if pattern.contains("//") || pattern.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(PatternError::Segment);
    }
    Ok(pattern)
}

/// A pattern made ready. `/x/` is `/x` and everything below, `/x` itself alone; `*` stands for anything, slashes included.
#[derive(Debug)]
pub(super) struct Pattern {
    globs: Vec<Glob>,
    folded: Vec<Glob>,
}

/// What stands between the stars.
#[derive(Debug)]
struct Glob(Vec<Vec<u8>>);

impl Pattern {
    pub fn new(canonical: &str) -> Self {
        let globs = |pattern: &str| match pattern.strip_suffix('/') {
            Some(itself) => {
                vec![Glob::new(&format!("{pattern}*")), Glob::new(if itself.is_empty() { "/" } else { itself })]
            }
            None => vec![Glob::new(pattern)],
        };
        Self { globs: globs(canonical), folded: globs(&canonical.to_ascii_lowercase()) }
    }

    /// Whether a rule that blocks matches.
    pub fn blocks(&self, readings: &Readings) -> bool {
        match readings {
            Readings::Known { folded, .. } => folded.iter().any(|path| self.folded.iter().any(|it| it.matches(path))),
            Readings::TooLong => true,
        }
    }

    /// Whether a rule that allows matches.
    pub fn allows(&self, reading: &[u8]) -> bool {
        self.globs.iter().any(|glob| glob.matches(reading))
    }
}

impl Glob {
    fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(|part| part.as_bytes().to_vec()).collect())
    }

    fn matches(&self, path: &[u8]) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == path);
        };
        let rest = path.strip_prefix(first.as_slice()).and_then(|rest| rest.strip_suffix(last.as_slice()));
        // What stands furthest to the left leaves the most to the others.
        let after = middle.iter().try_fold(rest, |rest, part| {
            let rest = rest?;
            find(rest, part).map(|at| Some(&rest[at + part.len()..]))
        });
        after.flatten().is_some()
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// What servers may make of a path.
#[derive(Debug)]
pub(super) enum Readings {
    Known {
        /// Each once.
        paths: Vec<Vec<u8>>,
        /// In lower case.
        folded: Vec<Vec<u8>>,
    },
    TooLong,
}

impl Readings {
    pub fn of(target: &str) -> Self {
        let path = without_rest(target.as_bytes());
        if path.len() > PATH_BYTES {
            return Self::TooLong;
        }
        let plain = plain(path);
        let decoded = decoded(path);
        let mut paths = vec![
            without_dots(&plain),
            without_dots(&merged(&plain)),
            lenient(&decoded),
            lenient(&self::decoded(&decoded)),
        ];
        paths.sort_unstable();
        paths.dedup();
        let folded = paths.iter().map(|path| path.to_ascii_lowercase()).collect();
        Self::Known { paths, folded }
    }

    /// Whether each of them is as it should be.
    pub fn all(&self, is_good: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Known { paths, .. } => paths.iter().all(|path| is_good(path)),
            Self::TooLong => false,
        }
    }
}

/// What servers may make of a request's target, for people; nothing: it is too long to be compared.
pub(crate) fn readings(target: &str) -> Vec<String> {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    match Readings::of(target) {
        Readings::Known { paths, .. } => {
            paths.iter().map(|path| String::from_utf8_lossy(path).chars().map(shown).collect()).collect()
        }
        Readings::TooLong => Vec::new(),
    }
}

/// The path of a request's target.
fn without_rest(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let target = &target[..end];
    let Some(scheme) = find(target, b"://").filter(|&at| !target[..at].contains(&b'/')) else { return target };
    let rest = &target[scheme + 3..];
    rest.iter().position(|&byte| byte == b'/').map_or(b"/", |at| &rest[at..])
}

/// Whether servers disagree about what an escape of this stands for.
fn is_disputed(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#') || byte.is_ascii_control()
}

fn plain(path: &[u8]) -> Vec<u8> {
    unescaped(path, |byte| !is_disputed(byte))
}

fn decoded(path: &[u8]) -> Vec<u8> {
    unescaped(path, |_| true)
}

/// Decodes the escapes that are chosen, and writes the others in capitals.
fn unescaped(path: &[u8], is_chosen: impl Fn(u8) -> bool) -> Vec<u8> {
    let digit = |at: usize| path.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let escape = if byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        match escape.map(|(high, low)| (high << 4 | low) as u8) {
            Some(decoded) if is_chosen(decoded) => out.push(decoded),
            Some(_) => out.extend(path[at..at + 3].to_ascii_uppercase()),
            None => out.push(byte),
        }
        at += if escape.is_some() { 3 } else { 1 };
    }
    out
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut path = path.to_vec();
    path.dedup_by(|next, kept| *next == b'/' && *kept == b'/');
    path
}

fn lenient(decoded: &[u8]) -> Vec<u8> {
    let end = decoded.iter().position(|&byte| byte == 0).unwrap_or(decoded.len());
    let slashes: Vec<u8> = decoded[..end].iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let segments = slashes.split(|&byte| byte == b'/');
    let named = segments.map(|segment| segment.split(|&byte| byte == b';').next().unwrap_or_default());
    without_dots(&merged(&named.collect::<Vec<_>>().join(&b'/')))
}

/// RFC 3986 §5.2.4, for a path that begins with a slash.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let Some(rest) = path.strip_prefix(b"/") else { return path.to_vec() };
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_directory = false;
    for segment in rest.split(|&byte| byte == b'/') {
        is_directory = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if is_directory {
        kept.push(b"");
    }
    [b"/", kept.join(&b'/').as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_have_one_reading() {
        for (target, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/?q=/../x#y", "/a/b/"),
            ("/%7euser/%41%2e%2E/x", "/~user/A../x"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2e/c/..", "/"),
            ("/../../etc", "/etc"),
            ("/%e8%B3%87", "/資"),
            ("/100%/x%zz", "/100%/x%zz"),
            ("https://host.example/a?b", "/a"),
            ("http://host.example", "/"),
            ("*", "*"),
        ] {
            assert_eq!(readings(target), [path], "{target}");
        }
    }

    #[test]
    fn disputed_paths_have_several() {
        for (target, paths) in [
            ("/a//b", &["/a//b", "/a/b"][..]),
            ("/a//../b", &["/a/b", "/b"]),
            ("/public%2f..%2Fprivate", &["/private", "/public%2F..%2Fprivate"]),
            ("/private/..%2fpublic", &["/private/..%2Fpublic", "/public"]),
            ("/a\\..\\b", &["/a\\..\\b", "/b"]),
            ("/a;x=1/..;/b", &["/a;x=1/..;/b", "/b"]),
            ("/%2561", &["/%2561", "/%61", "/a"]),
            ("/a%00.png", &["/a", "/a%00.png"]),
        ] {
            assert_eq!(readings(target), paths, "{target}");
        }
        assert!(readings(&"/a".repeat(PATH_BYTES)).is_empty());
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, path, is_match) in [
            ("/x/", "/x", true),
            ("/x/", "/x/", true),
            ("/x/", "/x/y/z", true),
            ("/x/", "/xy", false),
            ("/x", "/x", true),
            ("/x", "/x/", false),
            ("/", "/", true),
            ("/", "/anything", true),
            ("/a*b", "/ab", true),
            ("/a*b", "/a/x/b", true),
            ("/a*b", "/a/b/x", false),
            ("/a*b*b", "/ab", false),
            ("/a*b*b", "/abb", true),
            ("*/admin/", "/x/admin", true),
            ("*/admin/", "/x/admin/y", true),
            ("*.exe", "/x/setup.exe", true),
            ("*aa*a", "/aa", false),
            ("*", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).allows(path.as_bytes()), is_match, "{pattern} and {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_apart() {
        assert_eq!(canonical("/%7Euser/%e8%b3%87/").as_deref(), Ok("/~user/資/"));
        for (text, error) in [
            ("x", PatternError::NoSlash),
            ("/x?y", PatternError::Query),
            ("/a/../b", PatternError::Segment),
            ("/a//b", PatternError::Segment),
            ("/a%2fb", PatternError::Escape),
            ("/100%", PatternError::Escape),
            ("/%ff", PatternError::Escape),
            ("/a;b", PatternError::Character),
            ("/a\\b", PatternError::Character),
            ("/*********", PatternError::TooLong),
        ] {
            assert_eq!(canonical(text), Err(error), "{text}");
        }
        assert_eq!(canonical(&"/a".repeat(200)), Err(PatternError::TooLong));
    }
}
