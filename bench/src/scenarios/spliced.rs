//! What a connection costs that is passed on unopened: by its bytes, and when it comes about. Ours reads the client's first
//! message and asks the rules; the peer does not look.

use anyhow::Result;

use super::Bench;
use super::inspected::{per_gigabyte, race, spent};
use crate::passage::Way;
use crate::report::{CPU_PER_CONNECTION, CPU_PER_GB};

const SPLICERS: [Way; 2] = [Way::Spliced, Way::HaproxyTcp];
/// Threads of the load, and new connections of each a round.
const THREADS: usize = 8;
const VISITS: usize = 60;

/// Large bodies.
pub fn bodies(bench: &mut Bench<'_>) -> Result<()> {
    race(bench, "spliced/bodies", CPU_PER_GB, &SPLICERS, per_gigabyte)
}

/// New connections, with one small request each, which goes on inside.
pub fn connections(bench: &mut Bench<'_>) -> Result<()> {
    race(bench, "spliced/new", CPU_PER_CONNECTION, &SPLICERS, |running| {
        let seconds = spent(running, || running.client.visit(running.way, THREADS, VISITS))?;
        Ok(seconds / (THREADS * VISITS) as f64 * 1e3)
    })
}
