//! Every crate that is built has a licence that goes with ours.

use system::metadata::{WORKSPACES, packages, root};

/// SPDX identifiers that may stand beside Apache-2.0 OR MIT in one program.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    // libFuzzer, which only fuzz targets link.
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const OURS: &str = "Apache-2.0 OR MIT";

#[test]
fn every_licence_is_allowed() {
    let mut wrong = Vec::new();
    for manifest in WORKSPACES {
        for package in packages(manifest).values() {
            let licence = package.licence.as_deref().unwrap_or("none");
            if package.ours && licence != OURS {
                wrong.push(format!("{} {} is ours but has licence `{licence}`", package.name, package.version));
            }
            if !is_allowed(licence) {
                wrong.push(format!("{} {} has licence `{licence}`", package.name, package.version));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an SPDX expression leaves a choice of allowed licences only. Old manifests write `/` for OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest) && rest.is_empty()
}

fn any(rest: &mut &[&str]) -> bool {
    let mut good = all(rest);
    while take(rest, "OR") {
        good |= all(rest);
    }
    good
}

fn all(rest: &mut &[&str]) -> bool {
    let mut good = one(rest);
    while take(rest, "AND") {
        good &= one(rest);
    }
    good
}

fn one(rest: &mut &[&str]) -> bool {
    if take(rest, "(") {
        return any(rest) & take(rest, ")");
    }
    let Some((name, after)) = rest.split_first() else {
        return false;
    };
    *rest = after;
    if !take(rest, "WITH") {
        return ALLOWED.contains(name);
    }
    let Some((exception, after)) = rest.split_first() else {
        return false;
    };
    *rest = after;
    ALLOWED.contains(&format!("{name} WITH {exception}").as_str())
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR GPL-2.0-only) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "CC0-1.0 OR MIT-0 OR Apache-2.0",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in ["", "none", "GPL-3.0-only", "MIT AND GPL-2.0-only", "Apache-2.0 WITH Foo", "(MIT", "MIT)", "MIT MIT"] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn our_licence_texts_are_there() {
    for (file, words) in [("LICENSE-APACHE", "Apache License"), ("LICENSE-MIT", "Permission is hereby granted")] {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(text.contains(words), "{file} is missing, or is something else");
    }
}
