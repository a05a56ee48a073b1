//! One line of the records of port blocks: `released 1764061300000 1764061200123 203.0.113.16 1024 512 sendai 10.4.20.7 0
//! 8c1f02ab`.
//!
//! In order: what, when, since when (ms since 1970), public address, lowest port, number of ports, municipality, inside
//! client, part of an inspector's ports or 0, and the beginning of a BLAKE3 hash of what stands before it.

use std::fmt;
use std::net::Ipv4Addr;

/// Who had a block, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub since_ms: u64,
    pub address: Ipv4Addr,
    pub first_port: u16,
    pub ports: u16,
    /// Municipality id.
    pub municipality: String,
    pub client: Ipv4Addr,
    /// 0: a client; else the inspector, and which part of its ports.
    pub part: u16,
}

impl Holding {
    /// Where the block is.
    pub fn place(&self) -> Place {
        (self.address, self.first_port)
    }

    /// Whether a public address and port are of this block.
    pub fn covers(&self, address: Ipv4Addr, port: u16) -> bool {
        self.address == address && (self.first_port..=self.last_port()).contains(&port)
    }

    /// Highest port.
    pub fn last_port(&self) -> u16 {
        self.first_port.saturating_add(self.ports.saturating_sub(1))
    }
}

/// Public address and lowest port of a block.
pub type Place = (Ipv4Addr, u16);

/// What a line says of a holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It began.
    Assigned,
    /// It went on when the day's file began.
    Held,
    /// It ended.
    Released,
}

impl Kind {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Assigned, "assigned"), (Self::Held, "held"), (Self::Released, "released")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub at_ms: u64,
    pub holding: Holding,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holding { since_ms, address, first_port, ports, municipality, client, part } = &self.holding;
        let (kind, at_ms) = (self.kind.word(), self.at_ms);
        let text = format!("{kind} {at_ms} {since_ms} {address} {first_port} {ports} {municipality} {client} {part}");
        write!(f, "{text} {}", checksum(&text))
    }
}

impl Line {
    /// Reads a line; none if it is damaged.
    pub fn parse(line: &str) -> Option<Self> {
        let (text, sum) = line.rsplit_once(' ')?;
        if sum != checksum(text) {
            return None;
        }
        let mut words = text.split(' ');
        let word = words.next()?;
        let kind = Kind::ALL.iter().find(|(_, known)| *known == word)?.0;
        let at_ms = words.next()?.parse().ok()?;
        let holding = Holding {
            since_ms: words.next()?.parse().ok()?,
            address: words.next()?.parse().ok()?,
            first_port: words.next()?.parse().ok()?,
            ports: words.next()?.parse().ok()?,
            municipality: words.next()?.to_owned(),
            client: words.next()?.parse().ok()?,
            part: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(Self { kind, at_ms, holding })
    }
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_written_and_not_at_all_when_damaged() {
        let holding = Holding {
            since_ms: 1_764_061_200_123,
            address: [203, 0, 113, 16].into(),
            first_port: 1_024,
            ports: 512,
            municipality: "sendai".into(),
            client: [10, 4, 20, 7].into(),
            part: 0,
        };
        for (kind, _) in Kind::ALL {
            let line = Line { kind, at_ms: 1_764_061_300_000, holding: holding.clone() };
            let text = line.to_string();
            assert_eq!(Line::parse(&text), Some(line));
            for cut in 0..text.len() {
                assert_eq!(Line::parse(&text[..cut]), None);
            }
            assert_eq!(Line::parse(&text.replace("10.4.20.7", "10.4.20.8")), None);
        }
        assert!(holding.covers(holding.address, 1_535) && !holding.covers(holding.address, 1_536));
    }
}
