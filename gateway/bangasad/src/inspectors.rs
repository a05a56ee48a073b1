//! The inspectors: one process for each municipality that a rule inspects anything of, or that has a proxy, in its network
//! namespace.
//!
//! This file makes them be there, know the policy in force, follow one another where the program or the places change, and
//! be gone when they are not wanted. They outlive the daemon: one that runs already is not started again, it comes and says
//! so ([`link`]). Whose a process is, its network namespace tells. Not here: who of several has the post ([`post`]), how one
//! is started ([`spawn`]), what one is told ([`setting`]), what it tells ([`told`]).

mod end;
mod health;
mod inspector;
mod link;
mod namespace;
mod places;
mod post;
mod process;
mod setting;
mod sockets;
mod spawn;
mod tell;
mod told;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dataplane::inspector_words::InspectorWords;
use policy::model::InspectorState;
use tokio::sync::Notify;

use crate::daemon::Daemon;
use crate::{bypass, log};
use inspector::Inspector;
use namespace::Namespace;
use places::{Places, wanted};
use post::Post;
use process::Program;
use sockets::Sockets;

pub use end::end_all;
pub use link::serve;
pub use told::{coverage, status};

/// Between two looks, where nobody asks for one earlier.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at the certificate authorities.
const AUTHORITIES_INTERVAL: Duration = Duration::from_secs(10);
/// For a process that was started to come and say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// For whoever was started by a daemon before this one to come and say so.
const CALLS: Duration = Duration::from_secs(3);
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
    by_id: Mutex<BTreeMap<String, Post>>,
    /// By which the fast path knows whether they serve.
    words: InspectorWords,
    wake: Notify,
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Post>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    let program = Program::at(&inspectors.config.program);
    bypass::tend(daemon);
    for (id, places) in &wanted {
        let namespace = Namespace::named(&format!("{}{id}", inspectors.config.netns_prefix));
        take_sockets(inspectors, id, namespace);
        tidy(inspectors, id, namespace, places);
        start_if_needed(inspectors, id, (namespace, places), program);
        // Before its first setting, by which it begins to serve.
        tell::bypassed(inspectors, id, &bypass::names(daemon, id));
        if reads_authorities || tell::is_setting_due(inspectors, id) {
            tell::setting(inspectors, &current, id);
        }
    }
    dismiss_others(inspectors, &wanted);
    health::tell_fast_path(inspectors, &current, None);
}

/// Takes the sockets of an inspector that was found, for those that are to follow it.
fn take_sockets(inspectors: &Inspectors, id: &str, namespace: Option<Namespace>) {
    let untaken: Vec<_> = {
        let mut by_id = inspectors.lock();
        let Some(post) = by_id.get_mut(id) else { return };
        let untaken = post.all_mut().filter(|inspector| !inspector.untaken.is_empty());
        untaken.map(|it| (Arc::clone(&it.process), std::mem::take(&mut it.untaken), it.namespace)).collect()
    };
    for (process, numbers, theirs) in untaken {
        // Not under the lock: nobody knows what is behind the numbers.
        let Some(namespace) = namespace.filter(|namespace| theirs == Some(*namespace)) else { continue };
        let sockets = Sockets::taken_from(&process, &numbers, namespace);
        if let Some(post) = inspectors.lock().get_mut(id) {
            post.namespace = Some(namespace);
            post.sockets.extend(sockets);
        }
    }
}

/// Looks after what there is, and lets go of what is in a namespace of before, as when the municipality left the policy for a
/// moment, or is not wanted any more.
fn tidy(inspectors: &Inspectors, id: &str, namespace: Option<Namespace>, places: &Places) {
    let mut by_id = inspectors.lock();
    let Some(post) = by_id.get_mut(id) else { return };
    let is_elsewhere = |inspector: &Inspector| inspector.namespace.is_some() && inspector.namespace != namespace;
    if post.holder.iter().chain(&post.successor).any(is_elsewhere) {
        log(&format!("{id}: the network namespace has changed; the inspector is started anew"));
        post.dismiss();
        (post.failures, post.retry_at) = (0, None);
    }
    if post.namespace != namespace {
        post.namespace = namespace;
        post.sockets = Sockets::default();
    }
    post.sockets.retain(places);
    post.look_after(id);
}

/// Starts an inspector where there is none, or where another one should follow.
fn start_if_needed(
    inspectors: &Inspectors,
    id: &str,
    (namespace, places): (Option<Namespace>, &Places),
    program: Option<Program>,
) {
    let (mut sockets, follows) = {
        let mut by_id = inspectors.lock();
        let post = by_id.entry(id.to_owned()).or_default();
        if post.successor.is_some() || post.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let follows = match &post.holder {
            None => None,
            Some(holder) => match reason_to_follow(holder, places, program) {
                None => return,
                reason => reason,
            },
        };
        (post.sockets.clone(), follows)
    };
    // Not under the lock: a process takes a while to start.
    let started = spawn::spawn(&inspectors.config, id, places, &mut sockets);
    let mut by_id = inspectors.lock();
    let post = by_id.entry(id.to_owned()).or_default();
    match started.and_then(|child| Inspector::started(child).map_err(spawn::Failed::Lost)) {
        Ok(inspector) => {
            match follows {
                Some(reason) => log(&format!("{id}: {reason}; another inspector is started and takes over")),
                None => post.state = Some(InspectorState::Down),
            }
            post.namespace = namespace;
            post.sockets.extend(sockets);
            post.arrive(inspector);
        }
        Err(spawn::Failed::AlreadyThere) if follows.is_some() => {
            // It has what the next one needs, and it could not be taken.
            log(&format!("{id}: the inspector's sockets cannot be taken from it; it is ended, and started anew"));
            post.dismiss();
        }
        Err(error) => {
            // One that is there already holds its sockets, and will come.
            let comes = matches!(error, spawn::Failed::AlreadyThere) && post.failures == 0;
            post.pause();
            if follows.is_some() {
                let trouble = format!("no inspector can take the place of the one that serves: {error:#}");
                post.set_trouble(id, trouble);
            } else if !comes {
                // Who comes now is refused, and does not wait for somebody who may never come.
                post.sockets = Sockets::default();
                post.state = Some(InspectorState::Down);
                post.set_trouble(id, format!("inspected connections of `{id}` do not come about: {error:#}"));
            }
        }
    }
}

/// Why another inspector should follow this one; none: it may stay.
fn reason_to_follow(holder: &Inspector, wanted: &Places, program: Option<Program>) -> Option<&'static str> {
    // Beside one that was found there may be another, which follows it already.
    let is_alone = holder.child.is_some() || holder.known_since.elapsed() > CALLS;
    let is_known = holder.conversation.is_some() && is_alone;
    let is_another = is_known && program.is_some() && holder.program.is_some() && holder.program != program;
    if is_another {
        return Some("the inspector's program has changed");
    }
    (is_known && !holder.places.are_enough_for(wanted)).then_some("the proxy's addresses or QUIC's ports have changed")
}

fn dismiss_others(inspectors: &Inspectors, wanted: &BTreeMap<&str, Places>) {
    for (id, post) in inspectors.lock().iter_mut().filter(|(id, _)| !wanted.contains_key(id.as_str())) {
        post.dismiss();
        post.look_after(id);
        post.trouble = None;
    }
}
