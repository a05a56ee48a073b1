//! What cargo knows about the three workspaces, read without the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Manifests of the three workspaces.
pub const WORKSPACES: [&str; 3] = ["Cargo.toml", "ebpf-filters/filters/Cargo.toml", "tests/fuzz/Cargo.toml"];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One crate of a resolved workspace.
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SPDX expression of its manifest.
    pub licence: Option<String>,
    /// Whether it is ours.
    pub ours: bool,
    /// Packages it uses to build or run, optional ones only where a feature asks; not those of its own tests.
    pub uses: BTreeSet<String>,
}

/// Every package that a workspace builds for this platform, with tests and optional features, by its id.
///
/// `--offline`, because all of it has been built, or at least fetched, by the time tests run.
pub fn packages(manifest: &str) -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--all-features"])
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .arg("--manifest-path")
        .arg(root().join(manifest))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo metadata for {manifest}: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let nodes: BTreeMap<_, _> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), node)).collect();
    list(&metadata["packages"])
        .iter()
        .filter_map(|package| {
            let id = text(&package["id"]);
            // Packages without a node are for other platforms.
            let node = nodes.get(&id)?;
            let package = Package {
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: package["license"].as_str().map(str::to_owned),
                ours: package["source"].is_null(),
                uses: list(&node["deps"]).iter().filter(|dep| is_used(dep)).map(|dep| text(&dep["pkg"])).collect(),
            };
            Some((id, package))
        })
        .collect()
}

/// Whether a dependency is needed to build or run, not only to test.
fn is_used(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].as_str() != Some("dev"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
