//! Who took our certificates: a program that opens a name on one machine refuses it on another because that one lacks the
//! root, not because it knows the server's own certificate.

use std::net::IpAddr;

use quick_cache::unsync::Cache;

/// Names and programs that are remembered; what was not asked for lately leaves.
const MOST: usize = 4_096;

/// Of one municipality.
pub struct Opened(Cache<String, [Option<(IpAddr, u64)>; 2]>);

impl Default for Opened {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Opened {
    /// A client has opened a name with a program.
    pub fn note(&mut self, name: &str, ja4: &str, client: IpAddr, now: u64) {
        let key = key(name, ja4);
        // Two of them answer what is asked about any third, and about either.
        let known = self.0.get(&key).copied().unwrap_or_default();
        let other = known.into_iter().flatten().find(|(other, _)| *other != client);
        self.0.insert(key, [Some((client, now)), other]);
    }

    /// Whether another client has, not longer ago.
    pub fn by_another(&self, name: &str, ja4: &str, client: IpAddr, since: u64) -> bool {
        let known = self.0.get(&key(name, ja4)).copied().unwrap_or_default();
        known.iter().flatten().any(|(other, at)| *other != client && *at >= since)
    }
}

/// Neither has a blank in it.
fn key(name: &str, ja4: &str) -> String {
    format!("{name} {ja4}")
}
