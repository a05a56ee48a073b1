//! Hostile bytes for the parts that read them: one module a target, and none of them may panic.
//!
//! `src/bin/` hands libFuzzer's inputs to these functions, `tests/regressions.rs` the seeds and the inputs that once
//! failed. `make fuzz-smoke` runs every target for a while.

use std::path::{Path, PathBuf};

pub mod client_hello;
pub mod directory;
pub mod frames;
pub mod http1;
pub mod quic_initial;
pub mod upstream_certificate;

/// The example policy, which two targets start from.
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/example")
}
