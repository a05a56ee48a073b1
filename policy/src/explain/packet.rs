//! The text of a packet: `tcp 10.4.20.7:51000 > 198.51.100.4:443`.

use std::net::{IpAddr, SocketAddr};

/// A packet to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) carried: Carried,
}

/// What it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    Tcp {
        source: u16,
        destination: u16,
        flags: Flags,
    },
    Udp {
        source: u16,
        destination: u16,
    },
    /// An ICMP or ICMPv6 echo request, by the addresses' family.
    Echo,
    Protocol(u8),
}

/// TCP flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
}

/// What is wrong with the text, with an example of what is right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketTextError {
    /// Not of the form `PROTOCOL SOURCE > DESTINATION`.
    #[error("a packet is written as protocol, source, `>`, destination, like `tcp 10.4.20.7:51000 > 198.51.100.4:443`")]
    Form,
    /// The first word is no protocol.
    #[error("`{0}` is not a protocol; write tcp, udp, icmp, icmpv6 or a number, like `47 10.4.20.7 > 198.51.100.4`")]
    Protocol(String),
    /// After `tcp/` stands no flag.
    #[error(
        "`{0}` is not a TCP flag; write syn, ack, fin or rst, several joined by `+`, like `tcp/syn+ack 10.4.20.7:51000 > 198.51.100.4:443`"
    )]
    Flag(String),
    /// Flags after a protocol that has none.
    #[error("only tcp has flags; write `{0}` without them")]
    FlagsWithoutTcp(String),
    /// No address, or no port where one is needed.
    #[error("`{0}` is not an address with a port; write one like `10.4.20.7:51000` or `[2001:db8::1]:5353`")]
    Endpoint(String),
    /// No address.
    #[error("`{0}` is not an address; this protocol has no ports, so write one like `10.4.20.7` or `2001:db8::1`")]
    Address(String),
    /// One IPv4, one IPv6 address.
    #[error("`{0}` and `{1}` are of different families; write two IPv4 or two IPv6 addresses")]
    Families(IpAddr, IpAddr),
    /// ICMP between IPv6 addresses, or the other way round.
    #[error(
        "{0} is not used between such addresses; write `icmp 10.1.1.1 > 8.8.8.8` or `icmpv6 2001:db8::1 > 2001:db8::2`"
    )]
    Icmp(&'static str),
}

/// Reads the text.
pub(super) fn parse(text: &str) -> Result<Asked, PacketTextError> {
    let (head, destination) = text.split_once('>').ok_or(PacketTextError::Form)?;
    let mut words = head.split_whitespace();
    let (Some(protocol), Some(source), None) = (words.next(), words.next(), words.next()) else {
        return Err(PacketTextError::Form);
    };
    let destination = destination.trim();
    if destination.is_empty() || destination.contains(char::is_whitespace) {
        return Err(PacketTextError::Form);
    }
    let (protocol, flags) = match protocol.split_once('/') {
        Some((protocol, flags)) => (protocol, Some(flags)),
        None => (protocol, None),
    };
    let kind = kind(protocol)?;
    if flags.is_some() && kind != Kind::Tcp {
        return Err(PacketTextError::FlagsWithoutTcp(protocol.to_owned()));
    }
    match kind {
        Kind::Tcp | Kind::Udp => {
            let (source, destination) = (endpoint(source)?, endpoint(destination)?);
            let ports = (source.port(), destination.port());
            let carried = match kind {
                Kind::Tcp => Carried::Tcp { source: ports.0, destination: ports.1, flags: tcp_flags(flags)? },
                _ => Carried::Udp { source: ports.0, destination: ports.1 },
            };
            between(source.ip(), destination.ip(), carried)
        }
        Kind::Icmp | Kind::Icmpv6 => {
            let asked = between(address(source)?, address(destination)?, Carried::Echo)?;
            match (kind, asked.source) {
                (Kind::Icmp, IpAddr::V6(_)) => Err(PacketTextError::Icmp("icmp")),
                (Kind::Icmpv6, IpAddr::V4(_)) => Err(PacketTextError::Icmp("icmpv6")),
                _ => Ok(asked),
            }
        }
        Kind::Number(number) => between(address(source)?, address(destination)?, Carried::Protocol(number)),
    }
}

/// The first word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Icmp,
    Icmpv6,
    Number(u8),
}

fn kind(word: &str) -> Result<Kind, PacketTextError> {
    match word.to_ascii_lowercase().as_str() {
        "tcp" | "6" => Ok(Kind::Tcp),
        "udp" | "17" => Ok(Kind::Udp),
        "icmp" | "1" => Ok(Kind::Icmp),
        "icmpv6" | "58" => Ok(Kind::Icmpv6),
        other => other.parse().map(Kind::Number).map_err(|_| PacketTextError::Protocol(word.to_owned())),
    }
}

fn tcp_flags(text: Option<&str>) -> Result<Flags, PacketTextError> {
    let Some(text) = text else {
        return Ok(Flags { syn: true, ..Flags::default() });
    };
    let mut flags = Flags::default();
    for word in text.split('+') {
        let flag = match word.to_ascii_lowercase().as_str() {
            "syn" => &mut flags.syn,
            "ack" => &mut flags.ack,
            "fin" => &mut flags.fin,
            "rst" => &mut flags.rst,
            _ => return Err(PacketTextError::Flag(word.to_owned())),
        };
        *flag = true;
    }
    Ok(flags)
}

fn endpoint(text: &str) -> Result<SocketAddr, PacketTextError> {
    text.parse().map_err(|_| PacketTextError::Endpoint(text.to_owned()))
}

fn address(text: &str) -> Result<IpAddr, PacketTextError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| PacketTextError::Address(text.to_owned()))
}

fn between(source: IpAddr, destination: IpAddr, carried: Carried) -> Result<Asked, PacketTextError> {
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(PacketTextError::Families(source, destination));
    }
    Ok(Asked { source, destination, carried })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let asked = parse("tcp 10.4.20.7:51000 > 198.51.100.4:443").expect("a packet");
        assert_eq!(asked.source.to_string(), "10.4.20.7");
        let flags = Flags { syn: true, ..Flags::default() };
        assert_eq!(asked.carried, Carried::Tcp { source: 51000, destination: 443, flags });
        let asked = parse(" TCP/syn+ack 10.0.0.1:1>10.0.0.2:2 ").expect("a packet");
        let flags = Flags { ack: true, ..flags };
        assert_eq!(asked.carried, Carried::Tcp { source: 1, destination: 2, flags });
        let asked = parse("udp [2001:db8::1]:5353 > [2001:db8::2]:53").expect("a packet");
        assert_eq!(asked.carried, Carried::Udp { source: 5353, destination: 53 });
        assert_eq!(parse("icmp 10.1.1.1 > 8.8.8.8").expect("a packet").carried, Carried::Echo);
        assert_eq!(parse("icmpv6 [2001:db8::1] > 2001:db8::2").expect("a packet").carried, Carried::Echo);
        assert_eq!(parse("47 10.1.1.1 > 8.8.8.8").expect("a packet").carried, Carried::Protocol(47));
    }

    #[test]
    fn every_mistake_has_a_sentence_with_an_example() {
        let mistakes = [
            ("", "like `tcp"),
            ("tcp 10.0.0.1:1", "like `tcp"),
            ("tcp 10.0.0.1:1 10.0.0.2:2", "like `tcp"),
            ("tcp 10.0.0.1:1 > 10.0.0.2:2 x", "like `tcp"),
            ("sctp 10.0.0.1 > 10.0.0.2", "`sctp` is not a protocol"),
            ("256 10.0.0.1 > 10.0.0.2", "`256` is not a protocol"),
            ("tcp/psh 10.0.0.1:1 > 10.0.0.2:2", "`psh` is not a TCP flag"),
            ("udp/syn 10.0.0.1:1 > 10.0.0.2:2", "only tcp has flags"),
            ("tcp 10.0.0.1 > 10.0.0.2:2", "`10.0.0.1` is not an address with a port"),
            ("udp 10.0.0.1:1 > 10.0.0.2:65536", "`10.0.0.2:65536` is not an address with a port"),
            ("icmp 10.0.0.1:1 > 10.0.0.2", "`10.0.0.1:1` is not an address;"),
            ("tcp 10.0.0.1:1 > [2001:db8::1]:2", "different families"),
            ("icmp 2001:db8::1 > 2001:db8::2", "icmp is not used"),
            ("icmpv6 10.0.0.1 > 10.0.0.2", "icmpv6 is not used"),
        ];
        for (text, part) in mistakes {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
