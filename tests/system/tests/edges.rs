//! Which crate may use which: the table of DESIGN.md §2, kept by `cargo metadata` and not by memory.

use std::collections::{BTreeMap, BTreeSet};

use system::metadata::{Package, WORKSPACES, packages};

/// Our crates that may use only these of ours. Proof may use anything: see [`PROOF`].
const OURS: [(&str, &[&str]); 11] = [
    ("abi", &[]),
    ("filters", &["abi"]),
    ("policy", &["abi"]),
    ("control", &["abi", "policy"]),
    ("certify", &[]),
    ("hello", &[]),
    ("inspect", &["abi", "certify", "hello", "policy"]),
    ("dataplane", &["abi", "policy"]),
    // An event's line is one shape, in a file and over the socket.
    ("telemetry", &["abi", "control", "policy"]),
    ("bangasad", &["abi", "certify", "control", "dataplane", "inspect", "policy", "telemetry"]),
    ("bangasa", &["abi", "certify", "control", "dataplane", "hello", "policy"]),
];

/// Crates that exist to prove or to measure.
const PROOF: [&str; 5] = ["bench", "fuzz", "lab", "system", "tasks"];

/// Foreign crates that only one of ours may use, or two, [`PROOF`] excepted.
const KEPT_BY: [(&str, &str); 29] = [
    ("aya", "dataplane"),
    ("aya-obj", "dataplane"),
    ("aya-ebpf", "filters"),
    ("prometheus", "telemetry"),
    ("hyper", "telemetry"),
    ("hyper-util", "telemetry"),
    ("http-body-util", "telemetry"),
    ("rustls", "inspect"),
    ("tokio-rustls", "inspect"),
    ("h2", "inspect"),
    ("seccompiler", "inspect"),
    ("rustls-webpki", "inspect"),
    ("quick_cache", "inspect"),
    ("quick_cache", "bangasad"),
    ("quinn-udp", "inspect"),
    ("rustls-pki-types", "inspect"),
    ("rustls-pki-types", "certify"),
    ("rcgen", "certify"),
    ("pem", "certify"),
    ("pem", "policy"),
    ("x509-parser", "certify"),
    ("aws-lc-rs", "certify"),
    ("aws-lc-rs", "hello"),
    ("aws-lc-rs", "inspect"),
    ("toml", "policy"),
    ("clap", "a binary"),
    ("clap", "inspect"),
    // The packet path judges strictly what enters; captures from anywhere are read with indulgence.
    ("etherparse", "policy"),
    ("etherparse", "hello"),
];

/// Crates whose whole tree stays free of IO, clocks and kernels.
const PURE: [&str; 3] = ["abi", "hello", "policy"];

/// What a pure tree must not hold. `time` may be there: moments are read and written with it, and asking it for the present
/// takes its feature `std`, which `policy` does not have.
const IMPURE: [&str; 9] = ["tokio", "mio", "async-io", "aya", "nix", "socket2", "hyper", "chrono", "prometheus"];

#[test]
fn our_crates_use_only_what_the_design_allows() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        OURS.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    for manifest in WORKSPACES {
        let packages = packages(manifest);
        for package in packages.values().filter(|package| package.ours && !is_proof(package)) {
            let allowed = allowed
                .get(package.name.as_str())
                .unwrap_or_else(|| panic!("`{}` is not in the table of edges.rs; add it", package.name));
            for used in package.uses.iter().filter_map(|id| packages.get(id)).filter(|used| used.ours) {
                assert!(allowed.contains(used.name.as_str()), "`{}` must not use `{}`", package.name, used.name);
            }
        }
    }
}

#[test]
fn nothing_that_runs_uses_what_only_proves() {
    for manifest in WORKSPACES {
        let packages = packages(manifest);
        for package in packages.values().filter(|package| package.ours && !is_proof(package)) {
            for used in package.uses.iter().filter_map(|id| packages.get(id)) {
                assert!(!(used.ours && is_proof(used)), "`{}` must not use `{}`", package.name, used.name);
            }
        }
    }
}

#[test]
fn foreign_crates_stay_with_their_keeper() {
    for manifest in WORKSPACES {
        let packages = packages(manifest);
        for package in packages.values().filter(|package| package.ours && !is_proof(package)) {
            for used in package.uses.iter().filter_map(|id| packages.get(id)) {
                let keepers: Vec<_> =
                    KEPT_BY.iter().filter(|(kept, _)| *kept == used.name).map(|(_, keeper)| *keeper).collect();
                let is_keeper = keepers.iter().any(|keeper| {
                    *keeper == package.name || *keeper == "a binary" && package.name.starts_with("bangasa")
                });
                let kept_for = keepers.join(" and ");
                assert!(
                    keepers.is_empty() || is_keeper,
                    "`{}` is for {kept_for} alone, but `{}` uses it",
                    used.name,
                    package.name
                );
            }
        }
    }
}

#[test]
fn pure_crates_have_pure_trees() {
    let packages = packages("Cargo.toml");
    for pure in PURE {
        let tree = tree(&packages, pure);
        assert!(tree.contains(pure), "`{pure}` is not in the workspace");
        for impure in IMPURE {
            assert!(!tree.contains(impure), "`{impure}` is in the tree of `{pure}`");
        }
    }
}

/// Names of a crate and of everything that it uses, however far down.
fn tree<'p>(packages: &'p BTreeMap<String, Package>, name: &str) -> BTreeSet<&'p str> {
    let mut waiting: Vec<_> =
        packages.iter().filter(|(_, package)| package.ours && package.name == name).map(|(id, _)| id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if let Some(package) = packages.get(id).filter(|_| seen.insert(id)) {
            waiting.extend(&package.uses);
        }
    }
    seen.iter().filter_map(|id| packages.get(*id)).map(|package| package.name.as_str()).collect()
}

fn is_proof(package: &Package) -> bool {
    PROOF.contains(&package.name.as_str())
}
