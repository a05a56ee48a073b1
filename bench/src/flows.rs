//! Which flows are measured: random, and the same in every run.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::frame::{Flow, UDP};
use crate::policies::Size;
use crate::prefixes::random;
use crate::rules::{self, Rule, Rules, To};

/// That many flows of all municipalities, allowed by any of their rules alike, no two equal.
pub fn distinct(size: Size, count: usize) -> Vec<Flow> {
    let rules = Rules::new(size.shape, size.rules);
    let allowing: Vec<Vec<Rule>> =
        (0..size.vlans.max(1)).map(|m| rules.of(m).into_iter().filter(|rule| rule.allows).collect()).collect();
    let mut random = random(4);
    let mut seen = HashSet::with_capacity(count);
    let mut flows = Vec::with_capacity(count);
    while flows.len() < count {
        let municipality = random.random_range(0..size.vlans.max(1));
        let Some(rule) = allowing[municipality as usize].choose(&mut random) else { continue };
        let flow = rules.flow(municipality, rule, size.vlan(municipality), &mut random);
        if seen.insert(flow) {
            flows.push(flow);
        }
    }
    flows
}

/// Millions of UDP flows without a memory of each: flow number `n` is made when it is asked for.
pub struct Numbered {
    allowing: Vec<Vec<Rule>>,
    rules: Rules,
    size: Size,
}

/// Client addresses of a municipality, and ports of each, that numbered flows come from.
const CLIENTS: u32 = 2_000;
const FIRST_PORT: u32 = 1_024;
const PORTS: u32 = 60_000;

impl Numbered {
    /// Under a policy of this size.
    pub fn new(size: Size) -> Self {
        let rules = Rules::new(size.shape, size.rules);
        let is_udp = |rule: &Rule| rule.services.iter().all(|(protocol, ..)| *protocol == UDP);
        let wanted =
            |rule: &Rule| rule.allows && rule.section.is_none() && matches!(rule.to, To::Prefix(_)) && is_udp(rule);
        let of = |m| rules.of(m).into_iter().filter(wanted).collect();
        Self { allowing: (0..size.vlans.max(1)).map(of).collect(), rules, size }
    }

    /// Of a municipality: another inside address or port for every number below 120 million.
    pub fn of(&self, municipality: u32, number: u32) -> Flow {
        // Neighbours in number are strangers in address: 0x9e3b_79b1 is odd, so this is one to one.
        let scattered = (number.wrapping_mul(0x9e3b_79b1) >> 4) ^ number << 3;
        let mut random = random(0x1_0000 + u64::from(scattered));
        let allowing = &self.allowing[municipality as usize];
        let rule = &allowing[random.random_range(0..allowing.len())];
        let flow = self.rules.flow(municipality, rule, self.size.vlan(municipality), &mut random);
        let client = number / PORTS % CLIENTS;
        let inside = u32::from(rules::network(municipality)) + 2 + client;
        Flow { inside: Ipv4Addr::from(inside), ports: ((FIRST_PORT + number % PORTS) as u16, flow.ports.1), ..flow }
    }

    /// Of all municipalities in turn.
    pub fn of_all(&self, number: u32) -> Flow {
        let municipalities = self.allowing.len() as u32;
        self.of(number % municipalities, number / municipalities)
    }
}

/// Numbers below `count`, drawn so that the `k`-th most frequent comes in proportion to `k^-s`; 0: all alike.
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// With that exponent.
    pub fn new(count: usize, s: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        });
        Self { cumulated: weights.collect() }
    }

    /// The next.
    pub fn next(&self, random: &mut SmallRng) -> u32 {
        let at = random.random::<f64>() * self.cumulated.last().copied().unwrap_or(0.0);
        let rank = self.cumulated.partition_point(|sum| *sum < at);
        // Which numbers are frequent has nothing to do with where they were put.
        (rank as u64 * 0x9e37_79b1 % self.cumulated.len() as u64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::TAGGED;

    #[test]
    fn numbered_flows_differ() {
        let numbered = Numbered::new(TAGGED);
        let flows: HashSet<_> = (0..100_000).map(|number| numbered.of_all(number)).collect();
        assert_eq!(flows.len(), 100_000);
    }

    #[test]
    fn a_skewed_draw_has_favourites() {
        let (even, skewed) = (Zipf::new(1_000, 0.0), Zipf::new(1_000, 1.1));
        let mut random = random(5);
        let mut most = |zipf: &Zipf| {
            let mut counts = vec![0; 1_000];
            (0..100_000).for_each(|_| counts[zipf.next(&mut random) as usize] += 1);
            counts.into_iter().max()
        };
        assert!(most(&even) < Some(200) && most(&skewed) > Some(10_000));
    }
}
