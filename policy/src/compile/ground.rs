//! What a compile leaves for the next: everything that block sets have no part in. Where a policy differs from the one
//! before in the prefixes of its block sets only, and these make the classes that they made before, only the prefix
//! tables are made anew. The result is that of a compile from scratch, to the byte.

use std::sync::Arc;

use super::{CompileError, CompiledPolicy, compile};
use crate::blocked::{Blocked, Numbers, Unblocked};
use crate::checked::{Flood, Municipalities, Policy, Rule};
use crate::describe::Glossary;
use crate::numbering::Numbering;
use crate::prefix_table;
use crate::tables::{Others, Tables};
use ipnet::IpNet;

/// Of a compiled policy.
pub struct Ground {
    pub(super) parts: Parts,
    pub(super) unblocked: Unblocked,
    pub(super) numbers: Numbers,
    pub(super) others: Arc<Others>,
    pub(super) glossary: Arc<Glossary>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("classes", &self.numbers.len()).finish_non_exhaustive()
    }
}

/// All of a policy that tables depend on, but for the prefixes of sets: those that rules name are in the rules.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts {
    municipalities: Municipalities,
    baseline: Vec<Rule>,
    essential: Vec<IpNet>,
    flood: Flood,
    block: Vec<String>,
    sets: Vec<String>,
    uplinks: Vec<String>,
    accesses: Vec<String>,
}

impl Parts {
    pub fn of(policy: &Policy) -> Self {
        Self {
            municipalities: policy.municipalities.clone(),
            baseline: policy.baseline.clone(),
            essential: policy.essential.clone(),
            flood: policy.flood,
            block: policy.block.clone(),
            sets: policy.sets.keys().cloned().collect(),
            uplinks: policy.uplinks.clone(),
            accesses: policy.accesses.clone(),
        }
    }
}

impl Ground {
    /// What [`compile`] makes of a policy, sooner the less of it has changed.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn compile(self: &Arc<Self>, policy: &Policy, numbering: &Numbering) -> Result<CompiledPolicy, CompileError> {
        let is_known = self.parts == Parts::of(policy) && numbering.extend(policy)? == self.glossary.numbering;
        let laid = is_known.then(|| self.unblocked.under_as_before(&Blocked::of(policy), &self.numbers)).flatten();
        let Some(laid) = laid else { return compile(policy, numbering) };
        let tables = Tables::new(prefix_table::build(&laid.v4, &laid.v6)?, Arc::clone(&self.others));
        let digest = tables.digest();
        Ok(CompiledPolicy { tables, glossary: Arc::clone(&self.glossary), digest, ground: Arc::clone(self) })
    }
}
