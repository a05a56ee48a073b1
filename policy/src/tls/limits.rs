//! How much of everything there may be. More is an error of `check`, with numbers.

/// TLS rules of the prefecture, and of each municipality.
pub const RULES: usize = 4_096;
/// Entries of `[names]`.
pub const NAME_LISTS: usize = 256;
/// Host names of all lists together, those that rules spell out included.
pub const NAMES: usize = 1_000_000;
/// Addresses of `resolvers`.
pub const RESOLVERS: usize = 8;
/// Files of `roots`.
pub const ROOT_FILES: usize = 64;
/// Bytes of all files of `roots` together: several times what browsers trust.
pub const ROOT_BYTES: usize = 4 << 20;
/// Files of `crls`.
pub const CRL_FILES: usize = 64;
/// Bytes of all files of `crls` together: some 200,000 certificates that were taken back. Every inspector keeps them.
pub const CRL_BYTES: usize = 8 << 20;
/// Fingerprints, or protocols, that one rule names.
pub const WORDS: usize = 1_024;

/// A budget of `[tls] limits`.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Its key.
    pub name: &'static str,
    /// What holds where nothing is said.
    pub default: u32,
    /// The least.
    pub least: u32,
    /// The most.
    pub most: u32,
}

/// Connections at a time.
pub const SESSIONS: Budget = Budget { name: "sessions", default: 2_000, least: 1, most: 200_000 };
/// New connections.
pub const HANDSHAKES_PER_SECOND: Budget =
    Budget { name: "handshakes_per_second", default: 200, least: 1, most: 20_000 };
/// Memory. Below the least, a list of names that many share does not fit beside a few connections.
pub const MEMORY_MIB: Budget = Budget { name: "memory_mib", default: 256, least: 64, most: 16_384 };
