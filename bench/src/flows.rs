//! Which flows are measured: random, and the same in every run.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::frame::Flow;
use crate::policies;

/// That many flows of the first municipality, each allowed by a rule, no two alike.
pub fn distinct_flows(count: usize, rules: u32) -> Vec<Flow> {
    let mut seen = HashSet::new();
    let mut random = random();
    while seen.len() < count {
        seen.insert(any_flow(&mut random, rules));
    }
    let mut flows: Vec<_> = seen.into_iter().collect();
    // A set's order depends on the process; that of the flows must not.
    flows.sort_unstable();
    flows.shuffle(&mut random);
    flows
}

/// A flow of the first municipality to what one of its rules allows.
pub fn any_flow(random: &mut SmallRng, rules: u32) -> Flow {
    let rule = random.random_range(0..rules);
    Flow {
        inside: Ipv4Addr::new(10, 0, random.random(), random.random_range(2..255)),
        outside: Ipv4Addr::from(u32::from(policies::destination(rule)) | random.random_range(1..15)),
        ports: (random.random_range(1_024..=u16::MAX), policies::service(rule)),
    }
}

/// The same in every run.
pub fn random() -> SmallRng {
    SmallRng::seed_from_u64(0x0062_616e_6761_7361)
}

/// A flow of the first municipality to an address in the block set of so many prefixes.
pub fn any_blocked(random: &mut SmallRng, prefixes: u32) -> Flow {
    let prefix = u32::from(policies::blocked(random.random_range(0..prefixes)));
    Flow { outside: Ipv4Addr::from(prefix | random.random_range(0..256)), ..any_flow(random, 10) }
}
