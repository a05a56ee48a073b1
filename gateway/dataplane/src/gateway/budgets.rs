//! What municipalities have used up of their budgets, as the kernel counts it.

use std::mem::{offset_of, size_of};

use abi::budget::{BUCKETS, Pool, REFUSAL_SLOTS};

use super::Gateway;
use crate::error::Error;
use crate::{clock, sweep};

/// Of one municipality, summed over CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetReading {
    /// Its number.
    pub municipality: u16,
    /// By bucket: nanoseconds ever drawn; a second's worth a second is the whole budget.
    pub drawn_ns: [u64; BUCKETS],
    /// By [`abi::budget::refusal_slot`]: packets dropped.
    pub refused: [u64; REFUSAL_SLOTS],
    /// Entries of the flow table that are flows of it.
    pub flows: u64,
}

impl Gateway {
    /// Budgets of these municipalities.
    pub fn read_budgets(&self, municipalities: impl IntoIterator<Item = u16>) -> Result<Vec<BudgetReading>, Error> {
        municipalities.into_iter().map(|municipality| self.budget(municipality)).collect()
    }

    fn budget(&self, municipality: u16) -> Result<BudgetReading, Error> {
        let number = u32::from(municipality);
        let values = self.maps.budget_use.get(&number, 0).map_err(|error| Error::map("BUDGET_USE", error))?;
        let flows = self.pools.load(usize::from(municipality) * size_of::<Pool>() + offset_of!(Pool, flows));
        let mut reading = BudgetReading { municipality, drawn_ns: [0; BUCKETS], refused: [0; REFUSAL_SLOTS], flows };
        for cpu in values.iter() {
            let drawn = reading.drawn_ns.iter_mut().zip(cpu.0.drawn_ns);
            let refused = reading.refused.iter_mut().zip(cpu.0.refused);
            drawn.chain(refused).for_each(|(sum, one)| *sum = sum.wrapping_add(one));
        }
        Ok(reading)
    }

    /// Ends flows whose time is over, so that they no longer count against a budget.
    pub fn sweep_flows(&self) -> Result<(), Error> {
        sweep::sweep(&self.flows.map()?, &self.pools, clock::coarse_seconds(), sweep::Grace::Reuse);
        Ok(())
    }
}
