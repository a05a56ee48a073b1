//! Whether the name that a client sent belongs to the address that it called: asked of the resolvers that the policy
//! names, so that a false name does not open a door.
//!
//! Answers of large services change from one question to the next, and a client asks before we do. So addresses count for
//! an hour after they were last seen, and a name is asked for again before its client is refused.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// How long an address goes on belonging to a name.
const MEMORY: Duration = Duration::from_secs(3_600);
/// Names that are remembered, with so many addresses each.
const MOST_NAMES: usize = 20_000;
const MOST_ADDRESSES: usize = 64;
/// Answers that the resolver keeps while they are valid.
const CACHE: u64 = 10_000;

/// What became of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// The address is one of the name's.
    Yes,
    /// The name has others, or none.
    No,
    /// Nobody answered, or nobody can be asked.
    Unknown,
}

/// A question that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered;

/// Names and what they resolved to.
pub struct Names {
    /// None: the policy names nobody to ask.
    resolver: Option<TokioResolver>,
    resolvers: Vec<SocketAddr>,
    seen: Mutex<HashMap<String, Vec<(IpAddr, Instant)>>>,
}

impl Names {
    /// Asks these; nothing is asked yet.
    pub fn new(resolvers: &[SocketAddr]) -> anyhow::Result<Self> {
        let servers: Vec<NameServerConfig> = resolvers.iter().map(server).collect();
        let resolver = (!servers.is_empty()).then(|| {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            let options = builder.options_mut();
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            options.cache_size = CACHE;
            options.timeout = Duration::from_secs(2);
            options.attempts = 2;
            // No file can be opened here.
            options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
            builder.build()
        });
        Ok(Self { resolver: resolver.transpose()?, resolvers: resolvers.to_vec(), seen: Mutex::default() })
    }

    /// Whether these are asked, and no others.
    pub fn asks(&self, resolvers: &[SocketAddr]) -> bool {
        self.resolvers == resolvers
    }

    /// Whether `address` is one of `name`'s.
    pub async fn belongs(&self, name: &str, address: IpAddr) -> Belongs {
        let address = address.to_canonical();
        if self.has_seen(name, address) {
            return Belongs::Yes;
        }
        let Some(resolver) = &self.resolver else { return Belongs::Unknown };
        // Fully qualified: no search list.
        let question = format!("{}.", name.trim_end_matches('.'));
        for fresh in [false, true] {
            if fresh {
                for kind in [hickory_resolver::proto::rr::RecordType::A, hickory_resolver::proto::rr::RecordType::AAAA]
                {
                    resolver.clear_lookup_cache(question.as_str(), kind);
                }
            }
            match resolver.lookup_ip(question.as_str()).await {
                Ok(found) => self.remember(name, found.iter()),
                Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Belongs::No,
                Err(_) => return Belongs::Unknown,
            }
            if self.has_seen(name, address) {
                return Belongs::Yes;
            }
        }
        Belongs::No
    }

    /// The addresses of a name, which belong to it from then on; none: it has no address.
    ///
    /// # Errors
    /// Nobody answered, or nobody can be asked.
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Unanswered> {
        let Some(resolver) = &self.resolver else { return Err(Unanswered) };
        let question = format!("{}.", name.trim_end_matches('.'));
        match resolver.lookup_ip(question.as_str()).await {
            Ok(found) => {
                let mut addresses: Vec<IpAddr> = Vec::new();
                for address in found.iter().map(|address| address.to_canonical()) {
                    if addresses.len() < MOST_ADDRESSES && !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
                self.remember(name, addresses.iter().copied());
                Ok(addresses)
            }
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
            Err(_) => Err(Unanswered),
        }
    }

    fn has_seen(&self, name: &str, address: IpAddr) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = seen.get(name).map(Vec::as_slice).unwrap_or_default();
        addresses.iter().any(|(known, at)| *known == address && at.elapsed() < MEMORY)
    }

    fn remember(&self, name: &str, found: impl Iterator<Item = IpAddr>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_NAMES && !seen.contains_key(name) {
            seen.retain(|_, addresses| addresses.iter().any(|(_, at)| at.elapsed() < MEMORY));
            if seen.len() >= MOST_NAMES {
                // They are remembered to be lenient only; all of them again costs a question each.
                seen.clear();
            }
        }
        let addresses = seen.entry(name.to_owned()).or_default();
        for address in found {
            let address = address.to_canonical();
            addresses.retain(|(known, at)| *known != address && at.elapsed() < MEMORY);
            if addresses.len() == MOST_ADDRESSES {
                addresses.remove(0);
            }
            addresses.push((address, Instant::now()));
        }
    }
}

/// One to be asked by UDP, and by TCP where an answer is too long for that.
fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_seen_is_remembered_in_bounds() {
        let names = Names::new(&[]).unwrap();
        let address = |n: usize| IpAddr::from([198, 51, (n / 256) as u8, (n % 256) as u8]);
        assert_eq!(names.belongs("www.example.jp", address(0)).await, Belongs::Unknown);
        names.remember("www.example.jp", (0..MOST_ADDRESSES + 10).map(address));
        assert!(!names.has_seen("www.example.jp", address(9)));
        assert_eq!(names.belongs("www.example.jp", address(10)).await, Belongs::Yes);
        assert_eq!(names.belongs("example.jp", address(10)).await, Belongs::Unknown);
        for name in 0..MOST_NAMES + 5 {
            names.remember(&name.to_string(), [address(0)].into_iter());
        }
        assert!(names.seen.lock().unwrap().len() <= MOST_NAMES);
    }
}
