//! The explicit proxy of a municipality.

use ipnet::IpNet;

/// `[proxy]`, the prefecture's and the municipality's united.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// TCP, on each of the gateway's own addresses at the municipality's attachments.
    pub port: u16,
    /// Host names that clients call directly: canonical, sorted; with a dot before it one and everything below.
    pub direct_names: Vec<String>,
    /// Addresses that clients call directly, sorted.
    pub direct_prefixes: Vec<IpNet>,
}
