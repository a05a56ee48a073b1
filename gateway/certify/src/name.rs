//! Whom a certificate is for: host names, wildcards and addresses.

use std::fmt;
use std::net::IpAddr;

use rcgen::SanType;

/// The longest host name of DNS, as text.
const MAX_LENGTH: usize = 253;

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A host name in lower case, or `*.` and one.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// A host name, if clients would all read it alike: letters, digits, `-` and `_` in labels, and at most one
    /// asterisk, as the whole first label.
    ///
    /// What only some clients read, such as `f*.example.jp`, must not get into a minted certificate: one that is meant
    /// to be for another name must be so for every client.
    pub fn host(text: &str) -> Option<Self> {
        let is_name = text.len() <= MAX_LENGTH && text.strip_prefix("*.").unwrap_or(text).split('.').all(is_label);
        is_name.then(|| Self::Host(text.to_ascii_lowercase()))
    }

    /// Whether it is for this host, which is in lower case. An asterisk stands for one label.
    pub(crate) fn covers(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => match name.strip_prefix("*.") {
                Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent == rest),
                None => name == host,
            },
            Self::Address(address) => host.parse() == Ok(*address),
        }
    }

    /// As the encoder wants it.
    pub(crate) fn alternative_name(&self) -> Option<SanType> {
        match self {
            Self::Host(name) => name.as_str().try_into().ok().map(SanType::DnsName),
            Self::Address(address) => Some(SanType::IpAddress(*address)),
        }
    }
}

fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_inside)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_every_client_reads_alike() {
        for good in ["example.jp", "WWW.Example.JP", "*.example.jp", "_x.a-b.jp", "xn--n1aae7f7o.badssl.com", "a"] {
            assert_eq!(Name::host(good), Some(Name::Host(good.to_lowercase())), "{good}");
        }
        let long = format!("{}.jp", "a.".repeat(150));
        for bad in ["", "*", "*.", "f*.jp", "*.*.jp", "a..jp", ".jp", "jp.", "a b.jp", "例え.jp", "a\0.jp", &long] {
            assert_eq!(Name::host(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_asterisk_stands_for_one_label() {
        let covers = |name: &str, host| Name::host(name).unwrap().covers(host);
        assert!(covers("*.example.jp", "www.example.jp") && covers("a.jp", "a.jp"));
        assert!(!covers("*.example.jp", "example.jp") && !covers("*.example.jp", "a.b.example.jp"));
        assert!(Name::Address("2001:db8::1".parse().unwrap()).covers("2001:db8:0::1"));
    }
}
