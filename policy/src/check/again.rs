//! A check that builds on an earlier one. Feeds change every hour, what people write does not: where nothing differs
//! but the lines of feeds, those are read and everything else is taken over.

use std::collections::{BTreeMap, HashSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::lists;
use super::ranges::Ranges;
use super::{Checked, check};
use crate::checked::{Policy, Prefixes};
use crate::diagnostic::{Diagnostic, Report};
use crate::parse::{document, lines};
use crate::source::Source;

/// Threads that read feeds, at most.
const THREADS: usize = 4;

/// Files of which nothing depends but the contents of one set, and whose sets are named in `[block]` only, or nowhere.
///
/// No such set is empty or equal to another list, so that nothing is said about it and no rule shares its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feeds {
    /// Path → name of the set.
    pub(super) sets: BTreeMap<String, String>,
    /// Fingerprints of all lists of addresses, theirs included.
    pub(super) lists: HashSet<u64>,
}

/// Files that were checked and found good.
#[derive(Clone, Debug)]
pub struct Basis {
    source: Source,
    policy: Policy,
    diagnostics: Vec<Diagnostic>,
    feeds: Feeds,
}

impl Basis {
    /// Of files and what [`check`] or [`Basis::check`] found in them; none if it found an error.
    pub fn new(source: Source, checked: Checked) -> Option<Self> {
        let Checked { policy, diagnostics, feeds } = checked;
        Some(Self { source, policy: policy?, diagnostics, feeds })
    }

    /// The files.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What they say.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What [`check`] finds in a policy directory, sooner the less of it has changed.
    pub fn check(&self, source: &Source) -> Checked {
        self.quickly(source).unwrap_or_else(|| check(source))
    }

    /// None where more than the lines of feeds has changed, or where a line of them needs a word.
    fn quickly(&self, source: &Source) -> Option<Checked> {
        let (before, now) = (&self.source.files, &source.files);
        if !before.keys().eq(now.keys()) {
            return None;
        }
        let changed = before.values().zip(now).filter(|(before, (_, now))| before != now);
        let changed: Vec<(&str, &[u8], &str)> = changed
            .map(|(_, (path, bytes))| Some((path.as_str(), bytes.as_slice(), self.feeds.sets.get(path)?.as_str())))
            .collect::<Option<_>>()?;
        let read = on_threads(&changed, |&(path, bytes, _)| read(path, bytes));
        let mut policy = self.policy.clone();
        let mut feeds = self.feeds.clone();
        for ((_, _, name), read) in changed.iter().zip(read) {
            let (fingerprint, prefixes) = read?;
            let set = policy.sets.get_mut(*name)?;
            if set.prefixes == prefixes {
                continue;
            }
            // The fingerprints of lists that are gone stay: that costs a whole check at worst.
            if !feeds.lists.insert(fingerprint) {
                return None;
            }
            set.prefixes = prefixes;
        }
        Some(Checked { policy: Some(policy), diagnostics: self.diagnostics.clone(), feeds })
    }
}

/// The prefixes of a feed and their fingerprint, if there is any and nothing to be said about it.
fn read(path: &str, bytes: &[u8]) -> Option<(u64, Prefixes)> {
    let mut report = Report::default();
    let (file, text) = document::text(path, bytes, &mut report)?;
    let (ranges, complete): (Ranges, bool) = lines::set_file(file, text, &mut report);
    let silent = complete && report.finish().is_empty() && !ranges.is_empty();
    silent.then(|| (lists::fingerprint(&ranges), ranges.prefixes().into()))
}

/// Does the same with each of some items, in their order.
fn on_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(at)
        {
            done.push((at, work(item)));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(items.len().max(1));
    let mut done = thread::scope(|scope| {
        let start = || thread::Builder::new().name("feed".into()).spawn_scoped(scope, some).ok();
        let others: Vec<_> = (1..threads).filter_map(|_| start()).collect();
        let mut done = some();
        done.extend(others.into_iter().flat_map(|it| it.join().unwrap_or_else(|panic| resume_unwind(panic))));
        done
    });
    done.sort_unstable_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}
