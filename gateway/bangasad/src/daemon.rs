//! What the daemon's tasks share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use dataplane::Gateway;
use dataplane::install::Shape;
use policy::{Basis, Digest, Glossary, Ground, Overlays, Policy};
use telemetry::{Journal, Words};

use crate::audit::AuditFile;
use crate::budgets::Usage;
use crate::bypass::Bypass;
use crate::dns::Attacked;
use crate::flood::Attacks;
use crate::freeze::Freeze;
use crate::inspectors::Inspectors;
use crate::log;
use crate::nat::Records;
use crate::state::{Record, State};
use crate::watch::{Integrity, Rates};

/// The daemon. Locks are taken in the order of the fields, and never across an await.
pub struct Daemon {
    /// What only one apply at a time may touch.
    pub state: Mutex<State>,
    /// The data path.
    pub gateway: Mutex<Gateway>,
    /// Who had which block of ports.
    pub records: Mutex<Records>,
    /// What is installed; none before the first policy.
    pub current: RwLock<Option<Arc<Current>>>,
    /// Names for what the kernel reports.
    pub words: RwLock<Arc<Words>>,
    /// The latest comparison of installed and intended tables.
    pub integrity: Mutex<Integrity>,
    /// The latest rates.
    pub rates: Mutex<Rates>,
    /// How much of budgets is used.
    pub usage: Mutex<Usage>,
    /// What is under attack.
    pub attacks: Mutex<Attacks>,
    /// Zones of DNS servers that are under attack.
    pub attacked_zones: Mutex<Attacked>,
    /// Why the policy that was applied last is not, or not wholly, in force; tried again from time to time.
    pub trouble: Mutex<Option<String>>,
    /// Processes that look into connections.
    pub inspectors: Inspectors,
    /// What inspectors pass on unopened, and why.
    pub bypass: Bypass,
    /// Whether policy may change.
    pub freeze: Mutex<Freeze>,
    /// Where events go.
    pub journal: Journal,
    /// What was done to the gateway.
    pub audit: AuditFile,
    /// Prefix of namespaces.
    pub netns_prefix: String,
    /// When this process started.
    pub started: Instant,
    /// The same by the wall clock.
    pub started_at: SystemTime,
}

/// An installed policy. Its tables are in the kernel and its files in the state directory; what is kept of both serves the
/// next apply only, and a restart makes it again.
#[derive(Clone, Debug)]
pub struct Current {
    /// Its generation.
    pub generation: u64,
    /// Its files as they were checked: what has not changed since is not checked again.
    pub basis: Arc<Basis>,
    /// What operators laid over it.
    pub overlays: Arc<Overlays>,
    /// What comes of both: the tables are made of that.
    pub laid: Policy,
    /// Digest of its files.
    pub files: Digest,
    /// Nor compiled.
    pub ground: Arc<Ground>,
    /// Its numbers in words.
    pub glossary: Arc<Glossary>,
    /// Digest of its tables.
    pub digest: Digest,
    /// How much of each table that uses.
    pub shape: Shape,
    /// Who, when, why.
    pub record: Record,
}

impl Current {
    /// What judges: what its files say, with what was laid over it.
    pub fn policy(&self) -> &Policy {
        &self.laid
    }

    /// The generation that brought it: its own, unless it repeats that one's.
    pub fn brought_by(&self) -> u64 {
        self.record.base.unwrap_or(self.generation)
    }
}

impl Daemon {
    /// The data path, when nobody else works on it.
    pub fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is installed.
    pub fn current(&self) -> Option<Arc<Current>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names.
    pub fn words(&self) -> Arc<Words> {
        self.words.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names of a policy that is about to be installed, so that its first event finds them.
    pub fn learn(&self, generation: u64, glossary: &Arc<Glossary>) {
        let mut words = self.words.write().unwrap_or_else(PoisonError::into_inner);
        *words = Arc::new(words.with(generation, Arc::clone(glossary)));
    }

    /// What keeps the policy from being in force as it should.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes trouble, or that there is none; says so once.
    pub fn set_trouble(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != trouble {
            log(trouble.as_deref().unwrap_or("the trouble is over"));
            *known = trouble;
        }
    }

    /// Notes what is installed from now on.
    pub fn set_current(&self, current: Current) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(current));
        self.inspectors.wake();
    }
}
