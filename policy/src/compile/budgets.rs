//! Budgets of the policy, as what a unit costs.

use abi::budget::{
    BYTES, Budgets, EVENTS, NEW_FLOWS, PACKETS, PREFIX_NEW_FLOWS, PREFIX_PACKETS, SMTP, SOURCE_NEW_FLOWS,
    SOURCE_PACKETS, byte_cost, cost, source_cost,
};
use abi::tables::municipality as flag;
use abi::{Direction, Limit, limits};

use crate::checked::{self, Policy, SynCookies};
use crate::numbering::Numbering;

/// By municipality number.
pub(super) fn lay_out(policy: &Policy, numbering: &Numbering) -> Vec<Budgets> {
    let mut all = vec![Budgets::default(); limits::MUNICIPALITIES as usize];
    for municipality in &policy.municipalities {
        let mut budgets = of(&municipality.limits);
        budgets.syn_cookies = policy.syn_cookies_of(municipality).rates();
        all[usize::from(numbering.municipalities[&municipality.id])] = budgets;
    }
    all
}

fn of(limits: &checked::Budgets) -> Budgets {
    let mut budgets = Budgets::default();
    let rate = |limit, direction, price: fn(u64) -> u64| limits.of(limit, direction).map_or(0, price);
    let of_source = |limit, direction| limits.of(limit, direction).map_or(0, source_cost);
    for direction in Direction::ALL {
        let way = direction as usize;
        budgets.costs[NEW_FLOWS | way] = rate(Limit::NewFlows, direction, cost);
        budgets.costs[PACKETS | way] = rate(Limit::Packets, direction, cost);
        budgets.costs[BYTES | way] = rate(Limit::Bits, direction, byte_cost);
        budgets.source_costs[SOURCE_NEW_FLOWS | way] = of_source(Limit::SourceNewFlows, direction);
        budgets.source_costs[SOURCE_PACKETS | way] = of_source(Limit::SourcePackets, direction);
    }
    budgets.costs[SMTP] = rate(Limit::Smtp, Direction::Egress, cost);
    budgets.costs[EVENTS] = rate(Limit::Events, Direction::Egress, cost);
    let inward = Direction::Ingress as usize;
    budgets.source_costs[PREFIX_NEW_FLOWS | inward] = of_source(Limit::PrefixNewFlows, Direction::Ingress);
    budgets.source_costs[PREFIX_PACKETS | inward] = of_source(Limit::PrefixPackets, Direction::Ingress);
    budgets.flows = limits.of(Limit::Flows, Direction::Egress).unwrap_or(0);
    budgets
}

/// Whether SYNs are counted: a bit of `Municipality::flags`.
pub(super) fn guard(policy: &Policy, municipality: &checked::Municipality) -> u32 {
    if policy.syn_cookies_of(municipality) == SynCookies::Off { 0 } else { flag::SYN_COOKIES }
}

/// Which packets have to ask: bits of `Municipality::flags`.
pub(super) fn flags(limits: &checked::Budgets) -> u32 {
    let of = |limit: Limit| match limit {
        Limit::Packets | Limit::Bits | Limit::SourcePackets | Limit::PrefixPackets => flag::METERED,
        Limit::Flows | Limit::NewFlows | Limit::Smtp | Limit::SourceNewFlows | Limit::PrefixNewFlows => flag::LIMITED,
        Limit::Events | Limit::DnsQueries | Limit::DnsNames => 0,
    };
    limits.0.keys().fold(0, |flags, budget| flags | of(budget.limit))
}
