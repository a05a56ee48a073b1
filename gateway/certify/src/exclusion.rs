//! For which names a municipality's authority cannot be used, whoever holds its key.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree};
use x509_parser::extensions::GeneralName;

use crate::name::Name;

/// Names that nobody reaches through the gateway, and for which an authority that clients trust should therefore be
/// worth nothing: names that RFC 6761, RFC 6762, RFC 8375 and ICANN keep for local use, LGWAN, loopback and private
/// addresses. `.lg.jp` is not among them: municipalities publish there, and read each other's pages.
const BY_DEFAULT: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "lgwan.jp",
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// A domain with everything below it, or a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// A domain, without a dot in front.
    Domain(String),
    /// A prefix.
    Prefix {
        /// Its first address.
        address: IpAddr,
        /// How many bits count.
        length: u8,
    },
}

/// A text that is neither a domain nor a prefix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a domain, such as `pref.example.lg.jp`, nor a prefix, such as `192.0.2.0/24`")]
pub struct NotAnExclusion(String);

impl Exclusion {
    /// What every municipality's authority excludes.
    pub fn by_default() -> Vec<Self> {
        BY_DEFAULT.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Whether a certificate for this name would be refused.
    pub(crate) fn covers(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Domain(domain), Name::Host(host)) => {
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Prefix { address, length }, Name::Address(other)) => {
                masked(*other, *length) == Some(*address) && address.is_ipv4() == other.is_ipv4()
            }
            _ => false,
        }
    }

    pub(crate) fn subtree(&self) -> GeneralSubtree {
        match self {
            Self::Domain(domain) => GeneralSubtree::DnsName(domain.clone()),
            Self::Prefix { address: IpAddr::V4(address), length } => {
                GeneralSubtree::IpAddress(CidrSubnet::V4(address.octets(), mask4(*length).to_be_bytes()))
            }
            Self::Prefix { address: IpAddr::V6(address), length } => {
                GeneralSubtree::IpAddress(CidrSubnet::V6(address.octets(), mask6(*length).to_be_bytes()))
            }
        }
    }

    /// Out of a certificate. What is of another kind concerns no server's name.
    pub(crate) fn read(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(domain) => {
                Some(Self::Domain(domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase()))
            }
            GeneralName::IPAddress(bytes) => {
                let (address, mask) = bytes.split_at_checked(bytes.len() / 2)?;
                let length = mask.iter().map(|byte| byte.count_ones() as u8).sum();
                let address = match <[u8; 4]>::try_from(address) {
                    Ok(octets) => IpAddr::from(octets),
                    Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
                };
                Some(Self::Prefix { address, length })
            }
            _ => None,
        }
    }
}

impl FromStr for Exclusion {
    type Err = NotAnExclusion;

    fn from_str(text: &str) -> Result<Self, NotAnExclusion> {
        let wrong = || NotAnExclusion(text.to_owned());
        if let Some((address, length)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let length = length.parse().map_err(|_| wrong())?;
            let address = masked(address, length).ok_or_else(wrong)?;
            return Ok(Self::Prefix { address, length });
        }
        let domain = text.strip_prefix('.').unwrap_or(text);
        match Name::host(domain) {
            Some(Name::Host(domain)) if !domain.starts_with('*') && domain.parse::<IpAddr>().is_err() => {
                Ok(Self::Domain(domain))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Prefix { address, length } => write!(f, "{address}/{length}"),
        }
    }
}

/// The first address of the prefix that holds this one; `None` where the length is longer than addresses are.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) if length <= 32 => Some(Ipv4Addr::from(u32::from(address) & mask4(length)).into()),
        IpAddr::V6(address) if length <= 128 => Some(Ipv6Addr::from(u128::from(address) & mask6(length)).into()),
        _ => None,
    }
}

fn mask4(length: u8) -> u32 {
    !u32::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

fn mask6(length: u8) -> u128 {
    !u128::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_read_and_leave_the_municipalities_pages_alone() {
        let all = Exclusion::by_default();
        assert_eq!(all.len(), BY_DEFAULT.len());
        let excluded = |name: &Name| all.iter().any(|exclusion| exclusion.covers(name));
        let host = |text: &str| Name::host(text).unwrap();
        for name in ["localhost", "printer.local", "portal.asp.lgwan.jp", "*.lgwan.jp"] {
            assert!(excluded(&host(name)), "{name}");
        }
        for name in ["www.city.shiomi.lg.jp", "notlocal", "lgwan.jp.example.com", "xlgwan.jp"] {
            assert!(!excluded(&host(name)), "{name}");
        }
        let address = |text: &str| Name::Address(text.parse().unwrap());
        assert!(excluded(&address("172.31.2.3")) && excluded(&address("fd00::1")) && excluded(&address("::1")));
        assert!(!excluded(&address("172.32.0.1")) && !excluded(&address("2001:db8::1")));
    }

    #[test]
    fn texts_that_are_no_exclusions() {
        for bad in ["", "*.jp", "10.0.0.0/33", "10.0.0.1", "x/8", "::/129", "a b"] {
            assert_eq!(bad.parse::<Exclusion>(), Err(NotAnExclusion(bad.to_owned())));
        }
        assert_eq!("10.1.2.3/8".parse::<Exclusion>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(".Pref.Example.lg.jp".parse::<Exclusion>().unwrap().to_string(), "pref.example.lg.jp");
    }
}
