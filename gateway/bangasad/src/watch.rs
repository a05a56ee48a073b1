//! Looked at from time to time, off the packets' path: whether the installed tables are still the intended ones, and
//! how fast counters move.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use abi::Direction;
use control::status::Rate;
use policy::Digest;

use crate::daemon::Daemon;
use crate::{budgets, dns, flood, log, start};

/// Between two comparisons of the tables: 15 ms of hashing for each 64 MiB, and some 50 ms to map them.
const INTEGRITY_INTERVAL: Duration = Duration::from_secs(60);
/// Between two looks at what is in the way of the policy, and at ports that came back.
const MEND_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks at what is under attack.
const ATTACK_INTERVAL: Duration = Duration::from_secs(1);
/// Between two readings of the counters.
const RATE_INTERVAL: Duration = Duration::from_secs(5);

/// What was found when the installed tables were last read.
#[derive(Debug, Default)]
pub struct Integrity {
    /// What should be there.
    pub intended: Option<Digest>,
    /// What is.
    pub installed: Option<Digest>,
    /// When, RFC 3339.
    pub checked_at: Option<String>,
}

impl Integrity {
    /// Keeps a comparison.
    pub fn note(&mut self, intended: Digest, installed: Digest) {
        *self = Self { intended: Some(intended), installed: Some(installed), checked_at: Some(telemetry::time::now()) };
    }

    /// Whether what should be there is. Nothing at all is as intended before the first policy.
    pub fn matches(&self) -> bool {
        self.intended == self.installed
    }
}

/// How fast counters moved between the last two readings.
#[derive(Debug, Default)]
pub struct Rates {
    last: Option<(Instant, Totals)>,
    /// By municipality number and direction.
    pub rates: BTreeMap<(u16, u8), Rate>,
}

type Totals = BTreeMap<(u16, u8), (u64, u64)>;

impl Rates {
    fn update(&mut self, now: Instant, totals: Totals) {
        if let Some((then, before)) = &self.last {
            let seconds = now.duration_since(*then).as_secs_f64().max(0.001);
            let rates = totals.iter().map(|(key, (packets, bytes))| {
                let (packets_before, bytes_before) = before.get(key).copied().unwrap_or((0, 0));
                let rate = Rate {
                    direction: Direction::ALL[usize::from(key.1 & 1)].name().into(),
                    packets_per_second: packets.saturating_sub(packets_before) as f64 / seconds,
                    bits_per_second: 8.0 * bytes.saturating_sub(bytes_before) as f64 / seconds,
                };
                (*key, rate)
            });
            self.rates = rates.collect();
        }
        self.last = Some((now, totals));
    }
}

/// Goes on until the daemon ends.
pub async fn run(daemon: Arc<Daemon>) {
    let mut integrity = tokio::time::interval(INTEGRITY_INTERVAL);
    let mut rates = tokio::time::interval(RATE_INTERVAL);
    let mut mending = tokio::time::interval(MEND_INTERVAL);
    let mut budgets = tokio::time::interval(budgets::INTERVAL);
    let mut attacks = tokio::time::interval(ATTACK_INTERVAL);
    let mut dns = tokio::time::interval(dns::INTERVAL);
    let mut sweeps = tokio::time::interval(budgets::SWEEP_INTERVAL);
    // Whoever started or installed has just compared.
    integrity.reset();
    mending.reset();
    loop {
        let look: fn(&Daemon) = tokio::select! {
            _ = integrity.tick() => check_integrity,
            _ = rates.tick() => measure,
            _ = mending.tick() => mend,
            _ = budgets.tick() => budgets::measure,
            _ = attacks.tick() => flood::measure,
            _ = dns.tick() => dns::measure,
            _ = sweeps.tick() => budgets::sweep,
        };
        let daemon = Arc::clone(&daemon);
        if tokio::task::spawn_blocking(move || look(&daemon)).await.is_err() {
            log("a periodic check failed; see above");
        }
    }
}

/// Compares the tables in the kernel with those compiled.
pub fn check_integrity(daemon: &Daemon) {
    let gateway = daemon.gateway();
    let Some(current) = daemon.current() else { return };
    match gateway.digest(&current.shape) {
        Ok(digest) => {
            let mut integrity = daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner);
            integrity.note(current.digest, digest);
            if !integrity.matches() {
                log(
                    "the installed tables are not the ones that were compiled; apply the policy again and find out who wrote to the maps",
                );
            }
        }
        Err(error) => log(&format!("the installed tables cannot be read: {error}")),
    }
}

/// Tries again what failed, and takes up ports that were unplugged and are back.
fn mend(daemon: &Daemon) {
    // Kept out of the condition: `resume` takes this lock itself.
    let is_any_port_new = daemon.gateway().is_any_port_new();
    if is_any_port_new || daemon.trouble().is_some() {
        start::resume(daemon);
    }
}

fn measure(daemon: &Daemon) {
    let words = daemon.words();
    let highest = words.latest().numbering.municipalities.values().max().copied().unwrap_or(0);
    let Ok(readings) = daemon.gateway().read(highest, 0) else {
        return;
    };
    let mut totals = Totals::new();
    for exit in &readings.exits {
        let (packets, bytes) = totals.entry((exit.municipality, exit.direction as u8)).or_default();
        *packets += exit.counter.packets;
        *bytes += exit.counter.bytes;
    }
    daemon.rates.lock().unwrap_or_else(PoisonError::into_inner).update(Instant::now(), totals);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences_over_time() {
        let mut rates = Rates::default();
        let start = Instant::now();
        rates.update(start, [((1, 0), (100, 1_000))].into());
        rates.update(start + Duration::from_secs(2), [((1, 0), (300, 2_000)), ((2, 1), (10, 10))].into());
        assert_eq!(rates.rates[&(1, 0)].packets_per_second, 100.0);
        assert_eq!(rates.rates[&(1, 0)].bits_per_second, 4_000.0);
        assert_eq!(rates.rates[&(2, 1)].direction, "ingress");
    }
}
