//! What outlives the daemon besides the kernel's maps: numbers, and the policies that were applied.
//!
//! ```text
//! lock                        held while a daemon runs; its process id
//! numbers.json                numbering of municipalities, sets, ports, attachments; seed of the flow table's hash
//! generations/12/record.json  who, when, why, digest
//! generations/12/policy/…     the files
//! generations/12/pending      until the kernel has switched to it
//! isolations.json             who is cut off by a command, indicators.json: what is blocked, freeze.json
//! audit.jsonl                 who did what
//! ```
//! Everything is written beside its place and renamed into it. A generation is written before the kernel switches to
//! it: which one judges is the kernel's word, never this directory's.

mod files;
pub mod sealed;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use control::Trial;
use dataplane::gateway::lock_patiently;
use policy::{Numbering, Overlays, Source};
use serde::{Deserialize, Serialize};

use crate::log;
use files::{random, read_files, remove, sound};
pub use files::{sync_directory, write_durably};

/// Generations that are kept.
const KEPT: usize = 50;
/// File in a generation: who, when, why.
const RECORD: &str = "record.json";
/// File in a generation that has not judged yet.
const PENDING: &str = "pending";
/// Who is cut off by a command.
const ISOLATIONS: &str = "isolations.json";
/// What is blocked by a command.
const INDICATORS: &str = "indicators.json";

/// The state directory, locked.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    numbers: Numbers,
    overlays: Arc<Overlays>,
    _lock: File,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Numbers {
    hash_seed: u32,
    numbering: Numbering,
}

/// What is known of an applied policy besides its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, RFC 3339.
    pub applied_at: String,
    /// Who.
    pub who: String,
    /// Why.
    pub because: Option<String>,
    /// Digest of its tables.
    pub digest: String,
    /// The generation that brought the policy, where this one repeats it: with something else laid over it, or after a
    /// start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u64>,
    /// What was laid over the policy of the generation before, which this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<String>,
    /// The generation whose policy this one brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// Until when it waits to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
    /// Why it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<String>,
}

impl Record {
    /// The record of another generation with the policy of `generation`, whose record this is.
    #[must_use]
    pub fn repeated(&self, generation: u64) -> Self {
        Self { base: Some(self.base.unwrap_or(generation)), ..self.clone() }
    }
}

impl State {
    /// Opens or makes the directory; refuses if another daemon has it.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let generations = directory.join("generations");
        // Who owns which address, and what flows are hashed with, is nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&generations)
            .with_context(|| format!("cannot make `{}`", generations.display()))?;
        let lock = lock(directory)?;
        let path = directory.join("numbers.json");
        let (numbers, is_new) = match fs::read(&path) {
            Ok(bytes) => (
                serde_json::from_slice(&bytes).with_context(|| {
                    format!("`{}` is damaged; restore it from a backup, or detach and remove it", path.display())
                })?,
                false,
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                (Numbers { hash_seed: random()?, numbering: Numbering::default() }, true)
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        let isolations = sealed::read(&directory.join(ISOLATIONS), "releases everybody who was cut off by a command")?;
        let indicators = sealed::read(&directory.join(INDICATORS), "unblocks what was blocked by a command")?;
        let overlays =
            Overlays { isolations: isolations.unwrap_or_default(), indicators: indicators.unwrap_or_default() };
        let state = Self { directory: directory.into(), numbers, overlays: Arc::new(overlays), _lock: lock };
        // A start changes nothing else: it works on a disk that is full.
        if is_new {
            state.write_numbers(&state.numbers)?;
        }
        Ok(state)
    }

    /// Numbers given so far.
    pub fn numbering(&self) -> &Numbering {
        &self.numbers.numbering
    }

    /// Chosen at random once.
    pub fn hash_seed(&self) -> u32 {
        self.numbers.hash_seed
    }

    /// Keeps new numbers.
    pub fn set_numbering(&mut self, numbering: &Numbering) -> anyhow::Result<()> {
        if self.numbers.numbering != *numbering {
            let numbers = Numbers { numbering: numbering.clone(), ..self.numbers };
            // What the disk does not have must not count as kept: a number would be given twice.
            self.write_numbers(&numbers)?;
            self.numbers = numbers;
        }
        Ok(())
    }

    /// What lies over the policy.
    pub fn overlays(&self) -> &Arc<Overlays> {
        &self.overlays
    }

    /// Keeps what lies over the policy from now on.
    pub fn set_overlays(&mut self, overlays: &Arc<Overlays>) -> anyhow::Result<()> {
        if self.overlays.isolations != overlays.isolations {
            sealed::write(&self.directory.join(ISOLATIONS), &overlays.isolations)?;
            // One after the other, so that what was written is known when the other cannot be.
            Arc::make_mut(&mut self.overlays).isolations.clone_from(&overlays.isolations);
        }
        if self.overlays.indicators != overlays.indicators {
            sealed::write(&self.directory.join(INDICATORS), &overlays.indicators)?;
        }
        self.overlays = Arc::clone(overlays);
        Ok(())
    }

    /// Every generation that is kept, ascending.
    pub fn generations(&self) -> anyhow::Result<Vec<u64>> {
        let directory = self.directory.join("generations");
        let entries = fs::read_dir(&directory).with_context(|| format!("cannot read `{}`", directory.display()))?;
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut generations: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        generations.sort_unstable();
        Ok(generations)
    }

    /// The latest generation that ever judged, as far as is known.
    pub fn last_judged(&self) -> anyhow::Result<Option<u64>> {
        let is_pending = |generation: &u64| self.generation(*generation).join(PENDING).exists();
        Ok(self.generations()?.into_iter().rfind(|generation| !is_pending(generation)))
    }

    /// Notes that a generation judges. Whatever is kept above it is left from an apply that was stopped before the
    /// kernel switched over.
    pub fn judges(&self, generation: u64) -> anyhow::Result<()> {
        let pending = self.generation(generation).join(PENDING);
        // Only removed, never written: this works on a full disk.
        match fs::remove_file(&pending) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{}`", pending.display()));
            }
            Err(_) => {}
            Ok(()) => sync_directory(&self.generation(generation))?,
        }
        let leftovers = self.generations()?.into_iter().filter(|kept| *kept > generation);
        leftovers.into_iter().try_for_each(|leftover| self.forget(leftover))
    }

    /// A generation's files and record.
    pub fn read(&self, generation: u64) -> anyhow::Result<(Source, Record)> {
        let record = self.record(generation)?;
        let mut source = Source::default();
        read_files(&self.generation(generation).join("policy"), "", &mut source)?;
        Ok((source, record))
    }

    /// A generation's record.
    pub fn record(&self, generation: u64) -> anyhow::Result<Record> {
        let path = self.generation(generation).join(RECORD);
        let record = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_slice(&record).with_context(|| format!("`{}` is damaged", path.display()))
    }

    /// Writes something into a generation's record that was not known when it began.
    pub fn amend(&self, generation: u64, change: impl FnOnce(&mut Record)) -> anyhow::Result<()> {
        let mut record = self.record(generation)?;
        change(&mut record);
        let directory = self.generation(generation);
        let (parts, place) = (directory.join("record.json.new"), directory.join(RECORD));
        write_durably(&parts, &serde_json::to_vec_pretty(&record)?)?;
        fs::rename(&parts, &place).with_context(|| format!("cannot write `{}`", place.display()))?;
        sync_directory(&directory)
    }

    /// Keeps a generation, pending, and drops the oldest beyond those that are kept. Files that are as they were in
    /// the generation before share its space.
    pub fn write(&self, generation: u64, source: &Source, record: &Record) -> anyhow::Result<()> {
        let parts = self.directory.join("generations/.new");
        remove(&parts)?;
        fs::create_dir(&parts).with_context(|| format!("cannot make `{}`", parts.display()))?;
        let before = self.generations()?.into_iter().rfind(|before| *before < generation);
        let before = before.map(|before| self.generation(before).join("policy"));
        let mut directories = BTreeSet::from([parts.clone()]);
        for (name, contents) in &source.files {
            let relative = sound(name)?;
            let path = parts.join("policy").join(relative);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
                directories.extend(parent.ancestors().take_while(|above| *above != parts).map(Path::to_path_buf));
            }
            let twin = before.as_ref().map(|before| before.join(relative));
            let is_same = twin.as_ref().is_some_and(|twin| fs::read(twin).is_ok_and(|theirs| theirs == *contents));
            if !(is_same && twin.is_some_and(|twin| fs::hard_link(twin, &path).is_ok())) {
                write_durably(&path, contents)?;
            }
        }
        write_durably(&parts.join(RECORD), &serde_json::to_vec_pretty(record)?)?;
        write_durably(&parts.join(PENDING), b"")?;
        directories.iter().try_for_each(|directory| sync_directory(directory))?;
        let place = self.generation(generation);
        // A leftover of an apply that never reached the kernel.
        remove(&place)?;
        fs::rename(&parts, &place).with_context(|| format!("cannot make `{}`", place.display()))?;
        sync_directory(&self.directory.join("generations"))?;
        let kept = self.generations()?;
        for old in kept.iter().take(kept.len().saturating_sub(KEPT)) {
            if let Err(error) = remove(&self.generation(*old)) {
                log(&format!("an old policy cannot be dropped: {error:#}"));
            }
        }
        Ok(())
    }

    /// Forgets a generation that did not come to be.
    pub fn forget(&self, generation: u64) -> anyhow::Result<()> {
        remove(&self.generation(generation))
    }

    fn generation(&self, generation: u64) -> PathBuf {
        self.directory.join("generations").join(generation.to_string())
    }

    fn write_numbers(&self, numbers: &Numbers) -> anyhow::Result<()> {
        let parts = self.directory.join("numbers.json.new");
        let place = self.directory.join("numbers.json");
        write_durably(&parts, &serde_json::to_vec_pretty(numbers)?)?;
        fs::rename(&parts, &place).with_context(|| format!("cannot write `{}`", place.display()))?;
        sync_directory(&self.directory)
    }
}

fn lock(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join("lock");
    let cannot = || format!("cannot open `{}`", path.display());
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).with_context(cannot)?;
    match lock_patiently(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "another bangasad (process {}) uses `{}`; stop it first, or give this one a --state of its own",
                holder.trim(),
                directory.display()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    // For people only, and a full disk is no reason not to start.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

#[cfg(test)]
mod tests;
