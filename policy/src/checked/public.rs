//! Which of its addresses a municipality shows the Internet, and so the other municipalities.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Municipality;

/// Addresses that many may use at once, and that nobody routes.
const PRIVATE: [&str; 7] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"];

/// Whether a prefix lies within addresses that many may use at once.
pub(crate) fn is_private(prefix: &IpNet) -> bool {
    ranges().any(|range| range.contains(prefix))
}

fn ranges() -> impl Iterator<Item = IpNet> {
    PRIVATE.iter().filter_map(|range| range.parse().ok())
}

impl Municipality {
    /// Prefixes that others may call: the pool, and whatever else of its own has nothing private in it.
    pub fn public(&self) -> Vec<IpNet> {
        let meets = |prefix: &IpNet| ranges().any(|range| range.contains(prefix) || prefix.contains(&range));
        let own = self.prefixes.iter().chain(&self.published).filter(|prefix| !meets(prefix)).copied();
        own.chain(self.nat_pool.iter().map(|&address| IpNet::from(IpAddr::V4(address)))).collect()
    }
}
