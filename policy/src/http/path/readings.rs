//! What servers may make of one path. The table is [`super`]'s.

use crate::http::limits::PATH_BYTES;

/// What servers may make of a path.
#[derive(Debug)]
pub(crate) enum Readings {
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

pub(super) fn plain(path: &[u8]) -> Vec<u8> {
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

pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
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
}
