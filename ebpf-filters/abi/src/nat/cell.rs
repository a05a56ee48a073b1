//! One mapping.

/// What an inside port becomes: an entry of array `NAT_CELLS`, one word, which is only ever exchanged as a whole.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell(pub u64);

impl Cell {
    const SHARED: u64 = 1 << 24;

    /// A mapping of an inside port, or echo identifier, that lives through the second `expires_s`.
    #[inline(always)]
    pub const fn new(inside_port: u16, protocol: u8, shared: bool, expires_s: u32) -> Self {
        let shared = if shared { Self::SHARED } else { 0 };
        Self((expires_s as u64) << 32 | shared | (protocol as u64) << 16 | inside_port as u64)
    }

    /// Port or echo identifier inside, host order.
    #[inline(always)]
    pub const fn inside_port(self) -> u16 {
        self.0 as u16
    }

    /// IP protocol.
    #[inline(always)]
    pub const fn protocol(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Whether more than one flow has used it: then it lives as long as the longest of them would.
    #[inline(always)]
    pub const fn is_shared(self) -> bool {
        self.0 & Self::SHARED != 0
    }

    /// Its last second.
    #[inline(always)]
    pub const fn expires_s(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether a flow may be using it.
    #[inline(always)]
    pub const fn is_live(self, now_s: u32) -> bool {
        now_s <= self.expires_s()
    }

    /// Whether another inside port may have it.
    #[inline(always)]
    pub const fn is_free(self, now_s: u32) -> bool {
        now_s.saturating_sub(self.expires_s()) > crate::flow::REUSE_GRACE_S
    }

    /// Whether it is this inside port's.
    #[inline(always)]
    pub const fn is_of(self, inside_port: u16, protocol: u8) -> bool {
        self.inside_port() == inside_port && self.protocol() == protocol
    }

    /// The same for a further flow that would keep it until `expires_s`.
    #[inline(always)]
    pub const fn joined(self, now_s: u32, expires_s: u32) -> Self {
        let (inside_port, protocol) = (self.inside_port(), self.protocol());
        if self.is_live(now_s) {
            Self::new(inside_port, protocol, true, later(self.expires_s(), expires_s))
        } else {
            Self::new(inside_port, protocol, false, expires_s)
        }
    }

    /// The same while its flow keeps it until `expires_s`.
    #[inline(always)]
    pub const fn kept(self, expires_s: u32) -> Self {
        let until = if self.is_shared() { later(self.expires_s(), expires_s) } else { expires_s };
        Self::new(self.inside_port(), self.protocol(), self.is_shared(), until)
    }

    /// The same when one of its flows has ended before its time.
    #[inline(always)]
    pub const fn let_go(self, now_s: u32) -> Self {
        if self.is_shared() || !self.is_live(now_s) { self } else { self.kept(now_s.saturating_sub(1)) }
    }
}

const fn later(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_ends_with_its_only_flow_or_with_the_longest() {
        let alone = Cell::new(5_000, 6, false, 130);
        assert_eq!(alone.kept(110).expires_s(), 110);
        assert!(!alone.let_go(100).is_live(100) && !alone.let_go(100).is_free(100));
        let shared = alone.joined(100, 120);
        assert!(shared.is_shared());
        assert_eq!((shared.expires_s(), shared.kept(110).expires_s(), shared.let_go(100)), (130, 130, shared));
        assert!(!alone.joined(131, 200).is_shared());
        assert!(!alone.is_free(132) && alone.is_free(133));
    }
}
