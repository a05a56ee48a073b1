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

mod readings;

use super::limits::{PATTERN_BYTES, STARS};
pub(super) use readings::Readings;
pub(crate) use readings::readings;
use readings::{find, plain};

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

#[cfg(test)]
mod tests {
    use super::*;

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
