//! Sets of addresses as sorted, disjoint ranges, from and back to prefixes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Addresses of both families. After [`Ranges::normalize`] the ranges are sorted and neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ranges {
    pub v4: Vec<(u32, u32)>,
    pub v6: Vec<(u128, u128)>,
}

impl Ranges {
    pub fn of<'p>(prefixes: impl IntoIterator<Item = &'p IpNet>) -> Self {
        let mut ranges = Ranges::default();
        prefixes.into_iter().for_each(|&prefix| ranges.add_prefix(prefix));
        ranges.normalize();
        ranges
    }

    pub fn add_prefix(&mut self, prefix: IpNet) {
        match prefix {
            IpNet::V4(prefix) => self.v4.push((prefix.network().to_bits(), prefix.broadcast().to_bits())),
            IpNet::V6(prefix) => self.v6.push((prefix.network().to_bits(), prefix.broadcast().to_bits())),
        }
    }

    /// Both of one family, the first not after the last.
    pub fn add_range(&mut self, first: IpAddr, last: IpAddr) {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => self.v4.push((first.to_bits(), last.to_bits())),
            (IpAddr::V6(first), IpAddr::V6(last)) => self.v6.push((first.to_bits(), last.to_bits())),
            _ => {}
        }
    }

    pub fn extend(&mut self, other: &Ranges) {
        self.v4.extend_from_slice(&other.v4);
        self.v6.extend_from_slice(&other.v6);
    }

    pub fn normalize(&mut self) {
        merge(&mut self.v4, |last| last.checked_add(1));
        merge(&mut self.v6, |last| last.checked_add(1));
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Ranges of both families.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    pub fn covers(&self, other: &Ranges) -> bool {
        covers(&self.v4, &other.v4) && covers(&self.v6, &other.v6)
    }

    pub fn intersects(&self, other: &Ranges) -> bool {
        intersects(&self.v4, &other.v4) || intersects(&self.v6, &other.v6)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => covers(&self.v4, &[(address.to_bits(), address.to_bits())]),
            IpAddr::V6(address) => covers(&self.v6, &[(address.to_bits(), address.to_bits())]),
        }
    }

    /// The fewest prefixes that hold exactly these addresses, sorted, IPv4 first.
    pub fn prefixes(&self) -> Vec<IpNet> {
        let mut prefixes = Vec::with_capacity(self.len());
        for &(first, last) in &self.v4 {
            split(u128::from(first), u128::from(last), 32, |network, length| {
                let address = Ipv4Addr::from_bits(u32::try_from(network).unwrap_or(u32::MAX));
                prefixes.extend(Ipv4Net::new(address, length).map(IpNet::V4));
            });
        }
        for &(first, last) in &self.v6 {
            split(first, last, 128, |network, length| {
                prefixes.extend(Ipv6Net::new(Ipv6Addr::from_bits(network), length).map(IpNet::V6));
            });
        }
        prefixes
    }
}

fn merge<T: Copy + Ord>(ranges: &mut Vec<(T, T)>, after: impl Fn(T) -> Option<T>) {
    // Merging makes no difference between ranges that begin together, and many feeds are sorted by address.
    if !ranges.is_sorted_by_key(|range| range.0) {
        ranges.sort_unstable_by_key(|range| range.0);
    }
    ranges.dedup_by(|next, kept| {
        let touches = after(kept.1).is_none_or(|after| next.0 <= after);
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
}

/// Both normal.
pub(crate) fn covers<T: Copy + Ord>(outer: &[(T, T)], inner: &[(T, T)]) -> bool {
    inner.iter().all(|&(first, last)| {
        let at = outer.partition_point(|range| range.0 <= first);
        at > 0 && outer[at - 1].1 >= last
    })
}

fn intersects<T: Copy + Ord>(one: &[(T, T)], other: &[(T, T)]) -> bool {
    let (small, large) = if one.len() < other.len() { (one, other) } else { (other, one) };
    small.iter().any(|&(first, last)| {
        let at = large.partition_point(|range| range.1 < first);
        large.get(at).is_some_and(|range| range.0 <= last)
    })
}

/// Cuts a range into aligned powers of two, the largest that fit, from the left.
fn split(first: u128, last: u128, bits: u32, mut emit: impl FnMut(u128, u8)) {
    let mut first = first;
    loop {
        // All of IPv6 has one address more than fits.
        let fits = (last - first).checked_add(1).map_or(128, u128::ilog2);
        let size = first.trailing_zeros().min(fits).min(bits);
        emit(first, u8::try_from(bits - size).unwrap_or(0));
        let after = 1_u128.checked_shl(size).and_then(|addresses| first.checked_add(addresses));
        match after {
            Some(next) if next <= last => first = next,
            _ => return,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small generator of its own: the point is many cases, not good randomness.
    pub(crate) struct Dice(pub u64);

    impl Dice {
        pub fn roll(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % below
        }

        /// Prefixes crowded into 256 addresses, so that they nest, touch and repeat; at either end of the family.
        pub fn prefixes(&mut self) -> Vec<IpNet> {
            let count = self.roll(12);
            let base_v4 = if self.roll(2) == 0 { 0 } else { u32::MAX - 255 };
            let base_v6 = if self.roll(2) == 0 { 0 } else { u128::MAX - 255 };
            let mut prefixes = Vec::new();
            for _ in 0..count {
                let (at, size) = (self.roll(256), u8::try_from(self.roll(9)).expect("it is below 9"));
                let prefix = match self.roll(2) {
                    0 => IpNet::new(
                        IpAddr::V4((base_v4 + u32::try_from(at).expect("it is below 256")).into()),
                        32 - size,
                    ),
                    _ => IpNet::new(IpAddr::V6((base_v6 + u128::from(at)).into()), 128 - size),
                };
                prefixes.push(prefix.expect("the length is in range").trunc());
            }
            prefixes
        }
    }

    fn universe() -> impl Iterator<Item = IpAddr> {
        let v4 =
            [0, u32::MAX - 255].into_iter().flat_map(|base| (0..256).map(move |at| IpAddr::V4((base + at).into())));
        let v6 =
            [0, u128::MAX - 255].into_iter().flat_map(|base| (0..256).map(move |at| IpAddr::V6((base + at).into())));
        v4.chain(v6)
    }

    #[test]
    fn aggregation_keeps_the_addresses_in_the_fewest_prefixes() {
        let mut dice = Dice(1);
        for round in 0..2_000 {
            let written = dice.prefixes();
            let ranges = Ranges::of(&written);
            let united = ranges.prefixes();
            for address in universe() {
                let inside = written.iter().any(|prefix| prefix.contains(&address));
                assert_eq!(inside, ranges.contains(address), "round {round}: {address} of {written:?}");
                assert_eq!(usize::from(inside), united.iter().filter(|prefix| prefix.contains(&address)).count());
            }
            // ipnet aggregates by another method, to the same result.
            let mut other = IpNet::aggregate(&written);
            other.sort_unstable();
            assert_eq!(united, other, "round {round}");
            assert_eq!(Ranges::of(&united), ranges, "round {round}");
        }
    }

    #[test]
    fn covering_and_meeting_are_what_they_say() {
        let mut dice = Dice(2);
        let (mut covered, mut met) = (0, 0);
        for round in 0..2_000 {
            let (one, other) = (Ranges::of(&dice.prefixes()), Ranges::of(&dice.prefixes()));
            let covers = universe().all(|address| one.contains(address) || !other.contains(address));
            let meets = universe().any(|address| one.contains(address) && other.contains(address));
            assert_eq!(one.covers(&other), covers, "round {round}");
            assert_eq!(one.intersects(&other), meets, "round {round}");
            covered += usize::from(covers && !other.is_empty());
            met += usize::from(meets);
        }
        assert!(covered > 50 && met > 50, "the rounds are about something: {covered}, {met}");
    }

    #[test]
    fn whole_families_are_one_prefix() {
        let all: Vec<IpNet> =
            ["0.0.0.0/1", "128.0.0.0/1", "::/0"].iter().map(|text| text.parse().expect("well-formed")).collect();
        let prefixes: Vec<String> = Ranges::of(&all).prefixes().iter().map(ToString::to_string).collect();
        assert_eq!(prefixes, ["0.0.0.0/0", "::/0"]);
    }
}
