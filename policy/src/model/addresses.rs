//! Which addresses a list of prefixes holds, and which prefix is the most specific. Plain containment, on purpose:
//! nothing here knows how the kernel's tables are laid out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// The addresses of some prefixes, as sorted disjoint ranges for each family.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressSet {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl AddressSet {
    /// Unites the prefixes, in any order, overlapping or not.
    pub(crate) fn new<'a>(prefixes: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let mut set = Self::default();
        for prefix in prefixes {
            let range = (number(prefix.network()), number(prefix.broadcast()));
            match prefix {
                IpNet::V4(_) => set.v4.push(range),
                IpNet::V6(_) => set.v6.push(range),
            }
        }
        set.v4 = united(set.v4);
        set.v6 = united(set.v6);
        set
    }

    /// Whether one of the prefixes contains the address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let ranges = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let wanted = number(address);
        let after = ranges.partition_point(|&(first, _)| first <= wanted);
        after.checked_sub(1).is_some_and(|at| wanted <= ranges[at].1)
    }
}

/// Ranges sorted, with those that overlap made one.
fn united(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Whose address it is, seen from the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This municipality's.
    One(Arc<str>),
    /// Claimed equally by several, so nobody's.
    Several,
}

/// Claims of municipalities to prefixes: the most specific wins, a tie makes the prefix nobody's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    claims: HashMap<IpNet, Owner>,
    /// Prefix lengths in use, longest first, for each family.
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
}

impl Owners {
    /// Adds the claim of a municipality.
    pub(crate) fn claim(&mut self, prefix: IpNet, municipality: &Arc<str>) {
        let lengths = match prefix {
            IpNet::V4(_) => &mut self.lengths_v4,
            IpNet::V6(_) => &mut self.lengths_v6,
        };
        if !lengths.contains(&prefix.prefix_len()) {
            lengths.push(prefix.prefix_len());
            lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        self.claims
            .entry(prefix.trunc())
            .and_modify(|owner| {
                if *owner != Owner::One(municipality.clone()) {
                    *owner = Owner::Several;
                }
            })
            .or_insert_with(|| Owner::One(municipality.clone()));
    }

    /// The claim of the most specific prefix that contains the address.
    pub(crate) fn of(&self, address: IpAddr) -> Option<(IpNet, &Owner)> {
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        lengths.iter().find_map(|&length| {
            let prefix = IpNet::new(address, length).ok()?.trunc();
            Some((prefix, self.claims.get(&prefix)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a prefix")).collect()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_set_holds_first_and_last_address_and_not_the_neighbours() {
        let set = AddressSet::new(&nets(&["10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/32", "255.0.0.0/8", "2001:db8::/32"]));
        for inside in ["10.1.0.0", "10.1.255.255", "0.0.0.0", "255.255.255.255", "2001:db8::", "2001:db8:ffff::1"] {
            assert!(set.contains(address(inside)), "{inside}");
        }
        for outside in ["10.0.255.255", "10.2.0.0", "0.0.0.1", "254.255.255.255", "2001:db7:ffff::", "::a01:1"] {
            assert!(!set.contains(address(outside)), "{outside}");
        }
    }

    #[test]
    fn everything_and_nothing() {
        let all = AddressSet::new(&nets(&["::/0"]));
        assert!(all.contains(address("ffff::1")) && !all.contains(address("10.0.0.1")));
        assert!(!AddressSet::default().contains(address("10.0.0.1")));
    }

    #[test]
    fn the_most_specific_claim_wins_and_a_tie_is_nobodys() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut owners = Owners::default();
        for (prefix, who) in
            [("10.0.0.0/8", &a), ("10.1.0.0/16", &b), ("10.2.0.0/16", &a), ("10.2.0.0/16", &b), ("10.2.3.4/32", &a)]
        {
            owners.claim(prefix.parse().expect("a prefix"), who);
        }
        owners.claim("10.0.0.0/8".parse().expect("a prefix"), &a);
        let owner = |text| owners.of(address(text)).map(|(_, owner)| owner.clone());
        assert_eq!(owner("10.9.9.9"), Some(Owner::One(a.clone())));
        assert_eq!(owner("10.1.9.9"), Some(Owner::One(b)));
        assert_eq!(owner("10.2.9.9"), Some(Owner::Several));
        assert_eq!(owner("10.2.3.4"), Some(Owner::One(a)));
        assert_eq!(owner("11.0.0.1"), None);
    }
}
