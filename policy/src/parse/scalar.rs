//! The small words of the format: prefixes, slugs, services. Each says what is wrong and what to write instead.

mod http;
mod nat;
mod tls;

use std::net::IpAddr;

use ipnet::IpNet;

use super::raw::Item;
use crate::checked::Service;
pub(crate) use http::{directory, method, path, size, tenant};
pub(crate) use nat::{public, server};
pub(crate) use tls::{alpn, ja4, resolver, span};

/// Why a word is not what it should be: code, message and help.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

fn wrong(code: &'static str, message: String, help: impl Into<Option<String>>) -> Wrong {
    Wrong { code, message, help: help.into() }
}

/// A prefix or an address, which then is a prefix of full length.
pub(crate) fn prefix(text: &str) -> Result<IpNet, Wrong> {
    let (address, length) = split_prefix(text)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = new_prefix(text, address, length.unwrap_or(most))?;
    if prefix.addr() != prefix.network() {
        let message = format!("`{text}` has bits set after its /{}", prefix.prefix_len());
        return Err(wrong(
            "host-bits",
            message,
            format!("did you mean `{}`, or the single address `{address}`?", prefix.trunc()),
        ));
    }
    Ok(prefix)
}

/// An address with the length of the segment it stands on.
pub(crate) fn interface_address(text: &str) -> Result<IpNet, Wrong> {
    let (address, length) = split_prefix(text)?;
    let Some(length) = length else {
        let example = if address.is_ipv4() { 24 } else { 64 };
        let message = format!("`{text}` lacks the length of its segment");
        return Err(wrong(
            "bad-prefix",
            message,
            format!("write it as `{address}/{example}`, with the segment's own length"),
        ));
    };
    let prefix = new_prefix(text, address, length)?;
    let most = prefix.max_prefix_len();
    if address == prefix.network() && length + 1 < most {
        let first = prefix.hosts().next().unwrap_or(address);
        let message = format!("`{text}` is the segment itself, not an address on it");
        return Err(wrong(
            "bad-address",
            message,
            format!("write the gateway's own address, such as `{first}/{length}`"),
        ));
    }
    if address == prefix.broadcast() && address.is_ipv4() && length + 1 < most {
        return Err(wrong(
            "bad-address",
            format!("`{text}` is the broadcast address of its segment"),
            "write the gateway's own address".to_owned(),
        ));
    }
    Ok(prefix)
}

/// A bare address.
pub(crate) fn address(text: &str) -> Result<IpAddr, Wrong> {
    match split_prefix(text)? {
        (address, None) => Ok(address),
        (address, Some(_)) => {
            Err(wrong("bad-address", format!("`{text}` is a prefix, not an address"), format!("write `{address}`")))
        }
    }
}

fn split_prefix(text: &str) -> Result<(IpAddr, Option<u8>), Wrong> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Err(wrong(
            "bad-prefix",
            format!("`{text}` is neither an address nor a prefix"),
            repair_address(address),
        ));
    };
    if let IpAddr::V6(v6) = parsed
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(wrong(
            "bad-prefix",
            format!("`{text}` is an IPv4 address in IPv6 clothes"),
            format!("write `{v4}`"),
        ));
    }
    let Some(length) = length else {
        return Ok((parsed, None));
    };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let most = if parsed.is_ipv4() { 32 } else { 128 };
    match length.parse::<u8>().ok().filter(|&length| digits && length <= most) {
        Some(length) => Ok((parsed, Some(length))),
        None => Err(wrong(
            "bad-prefix",
            format!("`/{length}` is not a prefix length"),
            format!("a length is a number from 0 to {most}"),
        )),
    }
}

fn new_prefix(text: &str, address: IpAddr, length: u8) -> Result<IpNet, Wrong> {
    IpNet::new(address, length).map_err(|_| wrong("bad-prefix", format!("`{text}` is not a prefix"), None))
}

fn repair_address(address: &str) -> Option<String> {
    let octets: Vec<&str> = address.split('.').collect();
    let decimal = octets.iter().all(|octet| !octet.is_empty() && octet.bytes().all(|byte| byte.is_ascii_digit()));
    if octets.len() < 2 || !decimal {
        return Some("an address looks like `192.0.2.1` or `2001:db8::1`, a prefix like `192.0.2.0/24`".to_owned());
    }
    if let Some(large) = octets.iter().find(|octet| octet.parse::<u8>().is_err()) {
        return Some(format!("`{large}` is larger than 255"));
    }
    if octets.len() != 4 {
        return Some(format!("an IPv4 address has four numbers, this has {}", octets.len()));
    }
    let plain: Vec<String> =
        octets.iter().filter_map(|octet| octet.parse::<u8>().ok()).map(|octet| octet.to_string()).collect();
    Some(format!("numbers have no leading zeros: `{}`", plain.join(".")))
}

/// An id: what names a prefecture, municipality, section or set.
pub(crate) fn slug(text: &str) -> Result<(), Wrong> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let good = text.chars().all(inside) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 63;
    if good {
        return Ok(());
    }
    let kept = |c: char| if inside(c) { c } else { '-' };
    let fixed: String = text.to_ascii_lowercase().chars().map(kept).collect();
    let fixed = fixed.trim_matches(['-', '_']);
    let help = if !fixed.is_empty() && text.is_ascii() && fixed.len() <= 63 {
        format!("did you mean `{fixed}`?")
    } else {
        "ids are up to 63 of a-z, 0-9, hyphen and underscore, beginning with a letter or digit; `name` may be in any script".to_owned()
    };
    Err(wrong("bad-slug", format!("`{text}` is not an id"), help))
}

/// The name of a network interface.
pub(crate) fn interface(text: &str) -> Result<(), Wrong> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.len() <= 15 && text.chars().all(inside) {
        return Ok(());
    }
    let help = match text.split_once('.') {
        Some((port, vlan))
            if interface(port).is_ok() && vlan.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            format!("name the trunk, `{port}`; its VLANs are named by each municipality in `attach`")
        }
        _ => "names of interfaces are up to 15 letters, digits, hyphens and underscores".to_owned(),
    };
    Err(wrong("bad-port-name", format!("`{text}` is not the name of a network interface"), help))
}

/// `tcp/80`, `udp/3478-3481`, `tcp`.
pub(crate) fn port(text: &str) -> Result<Service, Wrong> {
    let bad = |help: String| Err(wrong("bad-port", format!("`{text}` is not a port"), help));
    let (protocol, ports) = match text.split_once('/') {
        Some((protocol, ports)) => (protocol, Some(ports)),
        None => (text, None),
    };
    let number = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "icmp" | "icmpv6" => {
            return bad(format!("`{protocol}` has no ports: write `protocols = [\"{protocol}\"]`"));
        }
        _ if ports.is_none() && parse_ports(text).is_some() => {
            return bad(format!("write `tcp/{text}` or `udp/{text}`"));
        }
        _ if parse_ports(protocol).is_some() && matches!(ports, Some("tcp" | "udp")) => {
            return bad(format!("write `{}/{protocol}`", ports.unwrap_or_default()));
        }
        _ => {
            return bad(crate::diagnostic::near(protocol, ["tcp", "udp"]).map_or_else(
                || "ports look like `tcp/443`, `udp/3478-3481` or `tcp`".to_owned(),
                |near| format!("did you mean `{}`?", ports.map_or(near.to_owned(), |ports| format!("{near}/{ports}"))),
            ));
        }
    };
    let Some(ports) = ports else {
        return Ok(Service { protocol: number, ports: None });
    };
    match parse_ports(ports) {
        Some((first, last)) if first <= last => Ok(Service { protocol: number, ports: Some((first, last)) }),
        Some((first, last)) => bad(format!("the smaller port comes first: `{protocol}/{last}-{first}`")),
        None => bad("ports are numbers from 0 to 65535, or ranges such as `tcp/8000-8099`".to_owned()),
    }
}

fn parse_ports(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    match text.split_once('-') {
        Some((first, last)) => Some((number(first)?, number(last)?)),
        None => number(text).map(|port| (port, port)),
    }
}

/// Protocols that people know by name, with their numbers; only the first four may be written by name.
const PROTOCOLS: [(&str, u8); 12] = [
    ("tcp", 6),
    ("udp", 17),
    ("icmpv6", 58),
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
];

/// `tcp`, `udp`, `icmp`, `icmpv6` or a number.
pub(crate) fn protocol(text: &str) -> Result<Service, Wrong> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let known = PROTOCOLS.iter().position(|&(name, _)| name == text.to_ascii_lowercase());
    let number = match known {
        Some(at) if at < 4 && PROTOCOLS[at].0 == text => Some(PROTOCOLS[at].1),
        _ if digits => text.parse().ok(),
        _ => None,
    };
    if let Some(protocol) = number {
        return Ok(Service { protocol, ports: None });
    }
    let help = match known {
        Some(at) if at < 4 => format!("write `{}`", PROTOCOLS[at].0),
        Some(at) => format!("write its number, {}", PROTOCOLS[at].1),
        None if text.contains('/') => format!("ports belong into `ports = [\"{text}\"]`"),
        None => crate::diagnostic::near(text, PROTOCOLS[..4].iter().map(|&(name, _)| name)).map_or_else(
            || "protocols are `tcp`, `udp`, `icmp`, `icmpv6` or a number from 0 to 255".to_owned(),
            |near| format!("did you mean `{near}`?"),
        ),
    };
    Err(wrong("bad-protocol", format!("`{text}` is not a protocol"), help))
}

/// `@set`, an address, a prefix, or a section.
pub(crate) fn item(text: &str) -> Result<Item, Wrong> {
    if let Some(set) = text.strip_prefix('@') {
        return slug(set).map(|()| Item::Set(set.to_owned()));
    }
    if text.contains(['.', ':', '/']) {
        return prefix(text).map(Item::Prefix);
    }
    match slug(text) {
        Ok(()) => Ok(Item::Section(text.to_owned())),
        Err(_) => Err(wrong(
            "bad-reference",
            format!("`{text}` is neither a prefix, a set nor a section"),
            "write a prefix such as `192.0.2.0/24`, a set as `@name`, or a section by its name".to_owned(),
        )),
    }
}

/// Two capital letters.
pub(crate) fn country(text: &str) -> Result<(), Wrong> {
    if text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(());
    }
    let upper = text.to_ascii_uppercase();
    let help = if upper != text && country(&upper).is_ok() {
        format!("write `{upper}`")
    } else {
        "countries are two capital letters, such as `JP`".to_owned()
    };
    Err(wrong("bad-country", format!("`{text}` is not a country code"), help))
}
