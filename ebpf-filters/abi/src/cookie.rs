//! SYN cookies: the sequence number of an answer that nobody remembers. What its client acknowledges proves that it got the
//! answer, and says what it had offered in its SYN.
//!
//! ```text
//! 31                       8 7    5 4      1 0
//! | keyed hash + client's   | MSS  | window | SACK      |
//! | sequence number         | class| scale  | permitted |
//! ```
//! The hash is SipHash-2-4 of both ends, the period and the offer, under a key that lives as long as the maps. A cookie is
//! good in the period in which it was given and in the next one. Whoever guesses hits one in 2^22: two periods, and
//! two sequence numbers that an acknowledgement may have (see [`start_of`]).

use crate::Address;

/// Periods are of `1 << PERIOD_SHIFT` seconds.
pub const PERIOD_SHIFT: u32 = 6;
/// Seconds after which no cookie is good any more.
pub const LIFETIME_S: u32 = 2 << PERIOD_SHIFT;
/// Of programs loaded for replay, and of the reference model.
pub const REPLAY_KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

/// Segment sizes that a cookie can say, ascending: the least of RFC 9293 and of IPv6, tunnels, PPPoE over either family,
/// Ethernet over either.
pub const MSS: [u16; 8] = [536, 1_220, 1_300, 1_360, 1_394, 1_414, 1_440, 1_460];
/// In place of a window scale: the client does not scale.
pub const NO_SCALE: u8 = 15;
/// The window scale that a client is told: enough for windows of 8 MiB, and what Linux servers mostly choose themselves.
pub const TOLD_SCALE: u8 = 7;

/// What a client offers in its SYN, in the lowest byte of a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer(pub u8);

impl Offer {
    /// The largest segment size not above the client's that can be said; a window scale up to 14, or [`NO_SCALE`].
    #[inline(always)]
    pub const fn new(mss: u16, scale: u8, sack: bool) -> Self {
        let mut class = 0;
        let mut next = 1;
        while next < MSS.len() {
            if MSS[next] <= mss {
                class = next as u8;
            }
            next += 1;
        }
        Self(class << 5 | (scale & 15) << 1 | sack as u8)
    }

    /// Largest segment that the client takes.
    #[inline(always)]
    pub const fn mss(self) -> u16 {
        // A choice instead of an index, which the verifier would have to see bounded.
        match self.0 >> 5 {
            0 => MSS[0],
            1 => MSS[1],
            2 => MSS[2],
            3 => MSS[3],
            4 => MSS[4],
            5 => MSS[5],
            6 => MSS[6],
            _ => MSS[7],
        }
    }

    /// Window scale, or [`NO_SCALE`].
    #[inline(always)]
    pub const fn scale(self) -> u8 {
        self.0 >> 1 & 15
    }

    /// Whether it understands selective acknowledgements.
    #[inline(always)]
    pub const fn sack(self) -> bool {
        self.0 & 1 != 0
    }
}

/// Both ends of a connection, as the client's packets have them.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    /// The client.
    pub source: &'a Address,
    /// The service.
    pub destination: &'a Address,
    /// The client's port, host order.
    pub source_port: u16,
    /// The service's port, host order.
    pub destination_port: u16,
}

/// The cookie for a client that begins with this sequence number at this second.
#[inline(always)]
pub const fn cookie(key: [u64; 2], ends: Ends<'_>, sequence: u32, now_s: u32, offer: Offer) -> u32 {
    in_period(key, ends, now_s >> PERIOD_SHIFT, offer).wrapping_add(sequence) << 8 | offer.0 as u32
}

/// The sequence number that a client began with which now sends this one and acknowledges the cookie: none, if the gateway
/// would never have given it this cookie, or too long ago.
///
/// The first segment after the SYN has the number after the SYN's; one that asks whether the window is still closed, because
/// that first one got lost, has the SYN's own.
#[inline(always)]
pub const fn start_of(key: [u64; 2], ends: Ends<'_>, cookie: u32, sequence: u32, now_s: u32) -> Option<u32> {
    let period = now_s >> PERIOD_SHIFT;
    let mut age = 0;
    while age < 2 {
        let hash = in_period(key, ends, period.wrapping_sub(age), Offer(cookie as u8));
        let behind = sequence.wrapping_sub((cookie >> 8).wrapping_sub(hash)) & HASH;
        if behind <= 1 {
            return Some(sequence.wrapping_sub(behind));
        }
        age += 1;
    }
    None
}

const HASH: u32 = (1 << 24) - 1;

#[inline(always)]
const fn in_period(key: [u64; 2], ends: Ends<'_>, period: u32, offer: Offer) -> u32 {
    let Address([a, b, c, d]) = *ends.source;
    let Address([e, f, g, h]) = *ends.destination;
    let ports = (ends.source_port as u64) << 48 | (ends.destination_port as u64) << 32;
    let rest = ports | ((period & HASH) as u64) << 8 | offer.0 as u64;
    siphash(key, [join(a, b), join(c, d), join(e, f), join(g, h), rest]) as u32
}

#[inline(always)]
const fn join(first: u32, second: u32) -> u64 {
    (first as u64) << 32 | second as u64
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of whole words.
#[inline(always)]
const fn siphash<const N: usize>([k0, k1]: [u64; 2], words: [u64; N]) -> u64 {
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut at = 0;
    while at < N {
        state = absorb(state, words[at]);
        at += 1;
    }
    state = absorb(state, (8 * N as u64) << 56);
    state[2] ^= 0xff;
    let mut rounds = 0;
    while rounds < 4 {
        state = round(state);
        rounds += 1;
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[inline(always)]
const fn absorb(mut state: [u64; 4], word: u64) -> [u64; 4] {
    state[3] ^= word;
    state = round(round(state));
    state[0] ^= word;
    state
}

#[inline(always)]
const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Address = Address([0, 0, 0xffff, 0x0400_00c0]);
    const SERVICE: Address = Address([0, 0, 0xffff, 0x0a71_00cb]);

    fn ends(source_port: u16) -> Ends<'static> {
        Ends { source: &CLIENT, destination: &SERVICE, source_port, destination_port: 443 }
    }

    #[test]
    fn the_hash_is_siphash() {
        // Of the authors' vectors, the ones for eight bytes 0, 1, … and for none.
        assert_eq!(siphash(REPLAY_KEY, [0x0706_0504_0302_0100]), 0x93f5_f579_9a93_2462);
        assert_eq!(siphash(REPLAY_KEY, []), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    fn a_cookie_says_what_was_offered() {
        for mss in [0, 535, 536, 1_219, 1_220, 1_459, 1_460, 65_535] {
            for scale in 0..=NO_SCALE {
                let offer = Offer::new(mss, scale, scale % 2 == 0);
                assert_eq!((offer.scale(), offer.sack()), (scale, scale % 2 == 0));
                assert!(offer.mss() <= mss.max(MSS[0]) && MSS.contains(&offer.mss()));
            }
        }
        assert_eq!(Offer::new(1_459, 0, false).mss(), 1_440);
    }

    #[test]
    fn a_cookie_is_good_for_two_periods_its_ends_and_its_number() {
        let (offer, begins) = (Offer::new(1_460, 7, true), 640);
        for sequence in [0, 1, 0xffff_ffff, 0x1234_5678] {
            let given = cookie(REPLAY_KEY, ends(5_000), sequence, begins, offer);
            assert_eq!(Offer(given as u8), offer);
            let good = |port, cookie, begun: u32, now| {
                let ends = ends(port);
                start_of(REPLAY_KEY, ends, cookie, begun.wrapping_add(1), now) == Some(begun)
            };
            assert!(good(5_000, given, sequence, begins) && good(5_000, given, sequence, begins + 127));
            assert!(!good(5_000, given, sequence, begins + 128) && !good(5_000, given, sequence, begins - 1));
            assert!(!good(5_001, given, sequence, begins) && !good(5_000, given, sequence.wrapping_add(1), begins));
            assert!(!good(5_000, given ^ 1, sequence, begins) && !good(5_000, given ^ 256, sequence, begins));
            let asks_again = start_of(REPLAY_KEY, ends(5_000), given, sequence, begins);
            assert_eq!(asks_again, Some(sequence), "with the SYN's own number");
            assert_eq!(start_of([1, 2], ends(5_000), given, sequence, begins), None);
        }
    }
}
