//! The inspectors: one process for each municipality that a rule inspects anything of, or that has a proxy, in its network
//! namespace.
//!
//! This file makes them be there, know the policy in force, and be gone when they are not wanted. They outlive the
//! daemon: one that runs already is not started again, it comes and says so ([`link`]). Whose a process is, its network
//! namespace tells. Not here: how one is started ([`spawn`]), what one is told ([`setting`]), what it tells ([`told`]).

mod end;
mod health;
mod link;
mod process;
mod setting;
mod spawn;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataplane::inspector_words::InspectorWords;
use inspect::wire::{BypassName, Totals};
use policy::Policy;
use policy::checked::{Action, Municipality};
use policy::model::InspectorState;
use tokio::sync::{Notify, mpsc};

use crate::daemon::{Current, Daemon};
use crate::{bypass, log};
use process::{Namespace, Process};

pub use end::end_all;
pub use link::serve;
pub use told::{coverage, status};

/// Between two looks, where nobody asks for one earlier.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at the certificate authorities.
const AUTHORITIES_INTERVAL: Duration = Duration::from_secs(10);
/// For a process that was started to come and say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause before one that keeps failing is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where things are.
#[derive(Clone, Debug)]
pub struct Config {
    /// `bangasa-inspect`.
    pub program: PathBuf,
    /// The user that they run as.
    pub user: String,
    /// Where they find the daemon.
    pub socket: PathBuf,
    /// Certificate authorities: a directory for each municipality.
    pub authorities: PathBuf,
    /// Certificates that the machine trusts.
    pub roots: PathBuf,
    /// Threads of each.
    pub workers: u16,
    /// What the names of network namespaces begin with.
    pub netns_prefix: String,
}

/// All of them.
pub struct Inspectors {
    config: Config,
    by_id: Mutex<BTreeMap<String, Inspector>>,
    /// By which the fast path knows whether they serve.
    words: InspectorWords,
    wake: Notify,
}

/// One municipality's. What is not known of a process that this daemon did not start is empty.
#[derive(Default)]
struct Inspector {
    /// Started by this daemon, and not seen to have ended.
    child: Option<Child>,
    started_at: Option<Instant>,
    /// The process that has called, or was started and is to call.
    process: Option<Process>,
    /// Processes that were told to end, and when.
    dismissed: Vec<(Process, Instant)>,
    /// The network namespace that it has called from.
    namespace: Option<Namespace>,
    /// Since when it should call.
    silent_since: Option<Instant>,
    /// Pings since its last answer, and when the last one was sent.
    unanswered: u32,
    pinged_at: Option<Instant>,
    /// It was sent a setting and has not said what became of it.
    owes_answer: bool,
    /// What the fast path is told; none: nothing is known that it could be.
    state: Option<InspectorState>,
    /// The conversation.
    orders: Option<mpsc::Sender<Arc<Vec<u8>>>>,
    conversation: u64,
    /// Digest of what the setting was made of that was sent in this conversation.
    sent: Option<blake3::Hash>,
    /// Names that it was told in this conversation to pass on unopened.
    bypassed: Option<Vec<BypassName>>,
    /// Where it listens.
    places: Places,
    /// Processes that were told to end, and have not been seen to.
    leaving: Vec<Child>,
    /// Generation that it has said to be in force.
    accepted: Option<u64>,
    /// What stands in its way.
    trouble: Option<String>,
    /// What an operator should know of what it was told.
    warning: Option<String>,
    failures: u32,
    retry_at: Option<Instant>,
    /// Counters of this process, and when it started.
    totals: Totals,
    process_ns: u64,
    /// Counters of those before it.
    before: Totals,
}

impl Inspectors {
    /// None yet.
    pub fn new(config: Config, words: InspectorWords) -> Self {
        Self { config, by_id: Mutex::default(), words, wake: Notify::new() }
    }

    /// Looks again soon: the policy has changed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Inspector>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an inspector listens besides its place for connections that the gateway hands over.
#[derive(Clone, Debug, Default)]
struct Places {
    /// As the municipality's proxy: the gateway's own addresses, in order.
    proxy: Vec<SocketAddr>,
    /// For datagrams that the gateway hands over: their ports, in order.
    udp: Vec<u16>,
}

impl Places {
    /// Whether who listens here does so wherever `wanted`. A UDP port too many hears nothing.
    fn are_enough_for(&self, wanted: &Self) -> bool {
        self.proxy == wanted.proxy && wanted.udp.iter().all(|port| self.udp.contains(port))
    }
}

/// Municipalities of which a rule inspects anything, or that have a proxy, and where they listen.
fn wanted(policy: &Policy) -> BTreeMap<&str, Places> {
    let inspects = |rules: &[policy::checked::Rule]| rules.iter().any(|rule| rule.action == Action::Inspect);
    let all = inspects(&policy.baseline);
    let towns = policy.municipalities.iter();
    let towns = towns
        .filter(|town| all || town.proxy.is_some() || inspects(&town.egress.rules) || inspects(&town.ingress.rules));
    let places = |town| {
        let mut udp = policy.inspected_udp_ports(town);
        // There in any case, so that a rule about QUIC's own port takes no new process.
        udp.insert(QUIC);
        Places { proxy: proxy(town), udp: udp.into_iter().collect() }
    };
    towns.map(|town| (town.id.as_str(), places(town))).collect()
}

/// QUIC's own port.
const QUIC: u16 = 443;

/// Where a municipality's proxy listens, in order.
fn proxy(town: &Municipality) -> Vec<SocketAddr> {
    let Some(proxy) = &town.proxy else { return Vec::new() };
    let addresses = town.attachments.iter().flat_map(|attachment| &attachment.addresses);
    let all: BTreeSet<_> = addresses.map(|address| SocketAddr::new(address.addr(), proxy.port)).collect();
    all.into_iter().collect()
}

/// Goes on until the daemon ends.
pub async fn run(daemon: Arc<Daemon>) {
    let mut read_at = None::<Instant>;
    loop {
        let reads = read_at.is_none_or(|at| at.elapsed() >= AUTHORITIES_INTERVAL);
        if reads {
            read_at = Some(Instant::now());
        }
        let tended = Arc::clone(&daemon);
        if tokio::task::spawn_blocking(move || tend(&tended, reads)).await.is_err() {
            log("looking after the inspectors failed; see above");
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = daemon.inspectors.wake.notified() => read_at = None,
        }
    }
}

/// Makes every inspector be what the policy in force wants.
fn tend(daemon: &Daemon, reads_authorities: bool) {
    let Some(current) = daemon.current() else { return };
    let wanted = wanted(current.policy());
    let inspectors = &daemon.inspectors;
    bypass::tend(daemon);
    for (id, places) in &wanted {
        dismiss_if_elsewhere(inspectors, id, places);
        look_after(inspectors, id);
        start_if_needed(inspectors, id, places);
        // Before its first setting, by which it begins to serve.
        tell_bypassed(inspectors, id, bypass::names(daemon, id));
        if reads_authorities || needs_setting(inspectors, id) {
            tell_setting(inspectors, &current, id);
        }
    }
    dismiss_others(inspectors, &wanted);
    health::tell_fast_path(inspectors, &current, None);
}

/// Notices what has ended, and ends what hangs.
fn look_after(inspectors: &Inspectors, id: &str) {
    let mut by_id = inspectors.lock();
    let Some(inspector) = by_id.get_mut(id) else { return };
    inspector.reap(id);
    inspector.notice_end();
    inspector.end_if_hung(id);
    inspector.ping();
}

fn needs_setting(inspectors: &Inspectors, id: &str) -> bool {
    inspectors.lock().get(id).is_some_and(|inspector| inspector.orders.is_some() && inspector.sent.is_none())
}

fn start_if_needed(inspectors: &Inspectors, id: &str, places: &Places) {
    {
        let mut by_id = inspectors.lock();
        let inspector = by_id.entry(id.to_owned()).or_default();
        let waits = inspector.started_at.is_some_and(|at| at.elapsed() < PATIENCE) && inspector.child.is_some();
        let pauses = inspector.retry_at.is_some_and(|at| Instant::now() < at);
        if inspector.orders.is_some() || waits || pauses {
            return;
        }
    }
    // Not under the lock: a process takes a while to start.
    let started = spawn::spawn(&inspectors.config, id, places);
    let mut by_id = inspectors.lock();
    let inspector = by_id.entry(id.to_owned()).or_default();
    match started {
        Ok(child) => {
            inspector.process = Process::of(child.id()).ok();
            inspector.child = Some(child);
            inspector.started_at = Some(Instant::now());
            inspector.silent_since = inspector.started_at;
            inspector.state = Some(InspectorState::Down);
        }
        Err(error) => {
            // One that is there already holds its sockets, and will come.
            let comes = matches!(error, spawn::Failed::AlreadyThere) && inspector.failures == 0;
            inspector.pause();
            if !comes {
                inspector.state = Some(InspectorState::Down);
                inspector.set_trouble(id, format!("inspected connections of `{id}` do not come about: {error:#}"));
            }
        }
    }
}

/// Sends the setting if it is another than the one that was sent.
fn tell_setting(inspectors: &Inspectors, current: &Current, id: &str) {
    let materials = setting::Materials::read(&inspectors.config, id);
    let digest = materials.digest(current.generation);
    {
        let mut by_id = inspectors.lock();
        let Some(inspector) = by_id.get_mut(id) else { return };
        if inspector.warning != materials.warning {
            materials.warning.iter().for_each(|warning| log(&format!("{id}: {warning}")));
            inspector.warning.clone_from(&materials.warning);
        }
        if inspector.orders.is_none() || inspector.sent == Some(digest) {
            return;
        }
    }
    // Not under the lock: it may be large.
    let made = materials.order(current, id);
    let mut by_id = inspectors.lock();
    let Some(inspector) = by_id.get_mut(id) else { return };
    match made {
        Err(error) => inspector.set_trouble(id, format!("the inspector of `{id}` cannot be told: {error:#}")),
        Ok(order) => {
            if let Some(orders) = &inspector.orders
                && orders.try_send(Arc::new(order)).is_ok()
            {
                inspector.sent = Some(digest);
                inspector.owes_answer = true;
            }
        }
    }
}

/// Sends the names to pass on unopened if they are others than those that were sent.
fn tell_bypassed(inspectors: &Inspectors, id: &str, names: Vec<BypassName>) {
    let mut by_id = inspectors.lock();
    let Some(inspector) = by_id.get_mut(id).filter(|inspector| inspector.bypassed.as_ref() != Some(&names)) else {
        return;
    };
    let Some(orders) = &inspector.orders else { return };
    match setting::bypassed(&names).map(|order| orders.try_send(Arc::new(order))) {
        Ok(Ok(())) => inspector.bypassed = Some(names),
        // One that does not read is told with the next look.
        Ok(Err(_)) => {}
        Err(error) => inspector.set_trouble(id, format!("the inspector of `{id}` cannot be told: {error:#}")),
    }
}

fn dismiss_others(inspectors: &Inspectors, wanted: &BTreeMap<&str, Places>) {
    for (id, inspector) in inspectors.lock().iter_mut().filter(|(id, _)| !wanted.contains_key(id.as_str())) {
        inspector.reap(id);
        inspector.trouble = None;
        inspector.dismiss();
    }
}

/// Ends an inspector that listens elsewhere than the policy has it, or in a namespace of before, as when its municipality
/// left the policy for a moment: sockets are given to a process when it starts. It lets go of them at once, so that the next
/// one may have them, and what it serves has a few seconds to end.
fn dismiss_if_elsewhere(inspectors: &Inspectors, id: &str, wanted: &Places) {
    let namespace = Namespace::named(&format!("{}{id}", inspectors.config.netns_prefix));
    let is_elsewhere =
        |it: &&mut Inspector| it.orders.is_some() && (!it.places.are_enough_for(wanted) || it.namespace != namespace);
    if let Some(inspector) = inspectors.lock().get_mut(id).filter(is_elsewhere) {
        let what = if inspector.namespace == namespace {
            "proxy's addresses or QUIC's ports have"
        } else {
            "network namespace has"
        };
        log(&format!("{id}: the {what} changed; the inspector is started anew"));
        inspector.dismiss();
        inspector.leaving.extend(inspector.child.take());
        inspector.started_at = None;
        inspector.failures = 0;
        inspector.retry_at = None;
    }
}

impl Inspector {
    /// Tells it to end.
    fn dismiss(&mut self) {
        self.accepted = None;
        self.dismissed.extend(self.process.take().map(|process| (process, Instant::now())));
        self.silent_since = None;
        self.state = Some(InspectorState::Down);
        if let Some(orders) = self.orders.take() {
            let _ = orders.try_send(Arc::new(setting::end()));
        }
    }

    /// Notices that the process has ended.
    fn reap(&mut self, id: &str) {
        self.leaving.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        self.end_dismissed();
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.child = None;
            self.state = Some(InspectorState::Down);
            self.pause();
            self.trouble = None;
            self.set_trouble(id, format!("the inspector has ended ({status}); it is started again"));
        }
    }

    /// Before the next attempt to start it.
    fn pause(&mut self) {
        let pause = Duration::from_millis(250).saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(Instant::now() + pause);
    }

    fn set_trouble(&mut self, id: &str, trouble: String) {
        if self.trouble.as_ref() != Some(&trouble) {
            log(&format!("{id}: {trouble}"));
            self.trouble = Some(trouble);
        }
    }
}
