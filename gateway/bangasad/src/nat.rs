//! Port blocks over time: what the programs assign is noted on disk, and what nobody uses any more is freed.
//!
//! The kernel's maps are the truth about now and outlive this process; the records are the truth about the past. A block
//! is freed only after its release is on disk, so that whatever happens, no two holders of a port overlap.

mod line;
mod records;
mod who;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use dataplane::clock;
use dataplane::nat::Assigned;
use policy::Numbering;

use crate::daemon::Daemon;
use crate::log;
use line::{Holding, Kind, Line};

pub use records::Records;
pub use who::who;

/// How often new blocks are looked for: what a power failure may cost.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
/// How often unused blocks are looked for.
const FREE_INTERVAL: Duration = Duration::from_secs(30);
/// How long a block is nobody's before somebody else may get it.
const QUARANTINE_S: u32 = 120;
/// Two moments of one assignment differ by less: the wall clock is set now and then.
const SAME_MS: u64 = 10_000;

/// Goes on until the daemon ends.
pub async fn run(daemon: Arc<Daemon>) {
    let mut noting = tokio::time::interval(NOTE_INTERVAL);
    let mut freeing = tokio::time::interval(FREE_INTERVAL);
    let mut trouble = None;
    let mut nearly_full = BTreeSet::new();
    loop {
        let work: fn(&Daemon) -> anyhow::Result<Option<BTreeSet<String>>> = tokio::select! {
            _ = noting.tick() => |daemon| note(daemon).map(|()| None),
            _ = freeing.tick() => |daemon| free(daemon).and_then(|()| self::nearly_full(daemon)).map(Some),
        };
        let daemon = Arc::clone(&daemon);
        let failed = match tokio::task::spawn_blocking(move || work(&daemon)).await {
            Ok(Ok(found)) => {
                if let Some(found) = found {
                    for id in found.difference(&nearly_full) {
                        log(&format!(
                            "four fifths of the NAT pool of `{id}` are in clients' blocks; add addresses to it"
                        ));
                    }
                    nearly_full = found;
                }
                None
            }
            Ok(Err(error)) => Some(format!("port blocks are not recorded: {error:#}")),
            Err(_) => Some("keeping port blocks failed; see above".to_owned()),
        };
        // Said once, not every second; meanwhile nothing is freed.
        if failed != trouble {
            log(failed.as_deref().unwrap_or("port blocks are recorded again"));
            trouble = failed;
        }
    }
}

/// Writes down what has been assigned since, and what is gone with maps that are gone.
pub fn note(daemon: &Daemon) -> anyhow::Result<()> {
    let words = daemon.words();
    let blocks = daemon.gateway().nat().blocks()?;
    let mut records = records_of(daemon);
    let now_ms = now_ms();
    records.begin_day(now_ms)?;
    let lines = differences(&records, &blocks, &words.latest().numbering, now_ms);
    if lines.is_empty() { Ok(()) } else { records.note(now_ms, &lines) }
}

/// Frees what nobody uses, after writing it down.
pub fn free(daemon: &Daemon) -> anyhow::Result<()> {
    note(daemon)?;
    let mut gateway = daemon.gateway();
    let retired = gateway.nat().retire(clock::coarse_seconds(), QUARANTINE_S)?;
    if retired.is_empty() {
        return Ok(());
    }
    let mut records = records_of(daemon);
    let at_ms = now_ms();
    let held = records.held();
    let (known, unknown): (Vec<&Assigned>, Vec<&Assigned>) =
        retired.iter().partition(|block| block.retired_before || held.contains_key(&(block.address, block.first_port)));
    let ended = known.iter().filter_map(|block| held.get(&(block.address, block.first_port)));
    let lines: Vec<Line> =
        ended.map(|holding| Line { kind: Kind::Released, at_ms, holding: holding.clone() }).collect();
    records.note(at_ms, &lines)?;
    // Those whose municipality has no name here wait until it has.
    let known: Vec<Assigned> = known.into_iter().copied().collect();
    if !unknown.is_empty() {
        log(&format!(
            "{} port blocks are of municipalities that this daemon does not know; they are kept",
            unknown.len()
        ));
    }
    Ok(gateway.nat().free(&known)?)
}

/// The records, when nobody else works on them.
fn records_of(daemon: &Daemon) -> MutexGuard<'_, Records> {
    daemon.records.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// What must be written for the records to say what the maps say.
fn differences(records: &Records, blocks: &[Assigned], numbering: &Numbering, now_ms: u64) -> Vec<Line> {
    let names: BTreeMap<u16, &str> =
        numbering.municipalities.iter().map(|(id, number)| (*number, id.as_str())).collect();
    let offset = clock::monotonic_to_wall();
    let mut present = BTreeSet::new();
    let mut lines = Vec::new();
    for block in blocks {
        let place = (block.address, block.first_port);
        present.insert(place);
        let Some(municipality) = names.get(&block.owner.municipality).filter(|_| !block.retired_before) else {
            continue;
        };
        let holding = Holding {
            since_ms: (Duration::from_nanos(block.assigned_ns) + offset).as_millis() as u64,
            address: block.address,
            first_port: block.first_port,
            ports: block.ports,
            municipality: (*municipality).to_owned(),
            client: block.client(),
            part: block.owner.part,
        };
        match records.held().get(&place) {
            Some(known) if is_same(known, &holding) => {}
            known => {
                lines.extend(known.map(|known| released(known, holding.since_ms)));
                lines.push(Line { kind: Kind::Assigned, at_ms: now_ms, holding });
            }
        }
    }
    let gone = records.held().iter().filter(|(place, _)| !present.contains(*place));
    lines.extend(gone.map(|(_, known)| released(known, now_ms)));
    lines
}

fn is_same(known: &Holding, found: &Holding) -> bool {
    known.since_ms.abs_diff(found.since_ms) < SAME_MS
        && Holding { since_ms: 0, ..known.clone() } == Holding { since_ms: 0, ..found.clone() }
}

fn released(known: &Holding, at_ms: u64) -> Line {
    Line { kind: Kind::Released, at_ms: at_ms.max(known.since_ms), holding: known.clone() }
}

/// How much of a municipality's pool is in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blocks that are somebody's.
    pub blocks: u64,
    /// Ports in them, and ports that blocks may have.
    pub ports: u64,
    pub room: u64,
    /// Clients with blocks, and those that have as many as they may.
    pub clients: u64,
    pub clients_at_limit: u64,
}

impl Usage {
    /// Whether it is time for more addresses.
    pub fn is_nearly_full(&self) -> bool {
        self.ports * 100 >= self.room * 80 && self.room > 0
    }
}

/// Municipalities whose pool needs more addresses soon.
fn nearly_full(daemon: &Daemon) -> anyhow::Result<BTreeSet<String>> {
    let Some(current) = daemon.current() else { return Ok(BTreeSet::new()) };
    let usage = usage(&daemon.gateway().nat().blocks()?, current.policy());
    Ok(usage.into_iter().filter(|(_, usage)| usage.is_nearly_full()).map(|(id, _)| id).collect())
}

/// Usage of every municipality with a pool, by id.
pub fn usage(blocks: &[Assigned], policy: &policy::Policy) -> BTreeMap<String, Usage> {
    let mut ports: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    let mut owned: BTreeMap<(Ipv4Addr, u16, u16), Vec<Ipv4Addr>> = BTreeMap::new();
    for block in blocks {
        *ports.entry(block.address).or_default() += u64::from(block.ports);
        let client = (block.client(), block.owner.municipality, block.owner.part);
        owned.entry(client).or_default().push(block.address);
    }
    let of = |town: &policy::checked::Municipality| {
        let is_its = |address: &Ipv4Addr| town.nat_pool.binary_search(address).is_ok();
        let clients = || owned.values().filter(|addresses| addresses.iter().any(is_its));
        let most = town.nat_blocks.per_client as usize;
        Usage {
            blocks: blocks.iter().filter(|block| is_its(&block.address)).count() as u64,
            ports: town.nat_pool.iter().filter_map(|address| ports.get(address)).sum(),
            room: town.nat_pool.len() as u64 * u64::from(65_536 - town.nat_blocks.ports.max(1_024)),
            clients: clients().count() as u64,
            clients_at_limit: clients().filter(|addresses| addresses.len() >= most).count() as u64,
        }
    };
    let towns = policy.municipalities.iter().filter(|town| !town.nat_pool.is_empty());
    towns.map(|town| (town.id.clone(), of(town))).collect()
}
