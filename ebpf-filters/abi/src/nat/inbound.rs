//! Published services behind a public address: ports that stand for an inside server's, whoever calls.

use crate::plain;

/// Entry of array `INBOUND`, one run of ports, ascending by [`Self::begins`]; those after the last are all zeros.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// [Where](place) the run begins.
    pub begins: u64,
    /// IPv4 address of the server, in network order.
    pub inside: u32,
    /// Ports of the run beyond the first.
    pub more: u16,
    /// The server's port, host order, that the first stands for; the others follow in step.
    pub inside_port: u16,
}
plain!(Inbound, 16);

/// A public IPv4 address (host order), protocol and port as one number, so that a run of ports is a run of numbers.
#[inline(always)]
pub const fn place(public: u32, protocol: u8, port: u16) -> u64 {
    (public as u64) << 32 | (protocol as u64) << 16 | port as u64
}

impl Inbound {
    /// Whether the run is there and begins at a place or before it.
    #[inline(always)]
    pub const fn is_by(&self, place: u64) -> bool {
        self.begins != 0 && self.begins <= place
    }

    /// The server's port that a place in the run stands for.
    #[inline(always)]
    pub const fn inside_port_of(&self, place: u64) -> Option<u16> {
        let step = place.wrapping_sub(self.begins);
        if self.begins != 0 && step <= self.more as u64 {
            Some(self.inside_port.wrapping_add(step as u16))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_its_last_port() {
        let public = 0xcb00_710c;
        let run = Inbound { begins: place(public, 6, 8_000), inside: 1, more: 10, inside_port: 9_000 };
        let of = |protocol, port| run.inside_port_of(place(public, protocol, port));
        assert_eq!((of(6, 8_000), of(6, 8_010)), (Some(9_000), Some(9_010)));
        assert_eq!((of(6, 7_999), of(6, 8_011), of(17, 8_000)), (None, None, None));
        assert_eq!(Inbound::default().inside_port_of(0), None);
        assert!(run.is_by(place(public, 17, 0)) && !run.is_by(place(public, 6, 7_999)) && !Inbound::default().is_by(1));
        let all = Inbound { begins: place(public, 6, 0), inside: 1, more: u16::MAX, inside_port: 0 };
        assert_eq!(all.inside_port_of(place(public, 6, u16::MAX)), Some(u16::MAX));
    }
}
