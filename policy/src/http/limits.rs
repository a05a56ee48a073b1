//! How much of everything there may be. More is an error of `check`, with numbers.

/// HTTP rules of the prefecture, and of each municipality.
pub const RULES: usize = 4_096;
/// Patterns, or methods, that one rule names.
pub const WORDS: usize = 256;
/// Bytes of a pattern.
pub const PATTERN_BYTES: usize = 256;
/// Stars in a pattern.
pub const STARS: usize = 8;
/// Bytes of a path that patterns are compared with. A longer one is taken to match every rule that blocks by path, and none
/// that allows by it.
pub const PATH_BYTES: usize = 8_192;
/// The largest `upload_limit`.
pub const UPLOAD_BYTES: u64 = 1 << 40;
/// Tenants that clients may sign in to.
pub const TENANTS: usize = 64;
