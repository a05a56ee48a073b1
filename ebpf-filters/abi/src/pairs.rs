//! Entries of `PAIRS`: the rules that a source and a destination satisfy together, where they are few, with the services
//! that they ask for. A rulebook has a table of them, one entry for each pair of a source and a destination that it
//! tells apart; index: `Rulebook::pairs + View::source_number * Rulebook::destinations + View::destination_number`.

/// What an entry is: its two highest bits.
pub mod kind {
    /// No rule.
    pub const NONE: u64 = 0;
    /// One candidate: see [`super::candidate`].
    pub const ONE: u64 = 1;
    /// Where a list of candidates begins in `PAIRS`, and above it how many they are.
    pub const LIST: u64 = 2;
    /// Too many candidates for a list: the rows tell.
    pub const ROWS: u64 = 3;
}

/// Candidates of one pair, at most; one for each protocol or range of ports of a rule.
pub const CANDIDATES: u32 = 16;

/// The entry of too many candidates.
pub const ROWS: u64 = kind::ROWS << 62;

/// Bits of a [`crate::tables::service_index`].
const SERVICE_BITS: u32 = 18;
const SERVICE: u64 = (1 << SERVICE_BITS) - 1;
/// Bits of a rule in its rulebook.
const RULE: u64 = (1 << 14) - 1;

const _: () = assert!(crate::tables::SERVICES <= 1 << SERVICE_BITS);
const _: () = assert!(crate::limits::RULEBOOK_RULES as u64 == RULE + 1);

/// A rule, by its bit in the rulebook, for services from `first` to `last`, by index.
#[inline(always)]
pub const fn candidate(rule: u32, first: u32, last: u32) -> u64 {
    kind::ONE << 62 | (rule as u64) << (2 * SERVICE_BITS) | (last as u64) << SERVICE_BITS | first as u64
}

/// So many candidates, from this place on.
#[inline(always)]
pub const fn list(begins: u32, count: u32) -> u64 {
    kind::LIST << 62 | (count as u64) << 32 | begins as u64
}

/// Its [`kind`].
#[inline(always)]
pub const fn kind_of(entry: u64) -> u64 {
    entry >> 62
}

/// Where a list begins.
#[inline(always)]
pub const fn begins(list: u64) -> u32 {
    list as u32
}

/// How many candidates a list has.
#[inline(always)]
pub const fn count(list: u64) -> u32 {
    (list >> 32) as u32 & 0xff
}

/// Whether a candidate is for a service.
#[inline(always)]
pub const fn admits(candidate: u64, service: u32) -> bool {
    candidate & SERVICE <= service as u64 && service as u64 <= candidate >> SERVICE_BITS & SERVICE
}

/// The rule of a candidate.
#[inline(always)]
pub const fn rule(candidate: u64) -> u32 {
    (candidate >> (2 * SERVICE_BITS) & RULE) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::SERVICES;

    #[test]
    fn a_candidate_keeps_its_rule_and_its_services() {
        for (number, first, last) in [(0, 0, 0), (16_383, 0, SERVICES - 1), (77, 443, 443), (1, 65_536, SERVICES - 1)] {
            let it = candidate(number, first, last);
            assert_eq!((kind_of(it), rule(it)), (kind::ONE, number));
            for service in [0, 1, 442, 443, 444, 65_535, 65_536, SERVICES - 1] {
                assert_eq!(admits(it, service), (first..=last).contains(&service), "{service} in {first} to {last}");
            }
        }
    }

    #[test]
    fn a_list_keeps_its_place_and_its_length() {
        let it = list(u32::MAX, CANDIDATES);
        assert_eq!((kind_of(it), begins(it), count(it)), (kind::LIST, u32::MAX, CANDIDATES));
    }
}
