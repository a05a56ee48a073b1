//! From nothing, or from what a daemon before left in the kernel, to a gateway that judges; and away with it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use anyhow::{Context, bail};
use dataplane::gateway::{self, Config};
use dataplane::install::Shape;
use dataplane::{Gateway, namespaces};
use policy::Source;
use telemetry::{Journal, Output};

use crate::apply;
use crate::audit::AuditFile;
use crate::bypass::Bypass;
use crate::daemon::{Current, Daemon};
use crate::freeze::Freeze;
use crate::inspectors::{self, Inspectors};
use crate::log;
use crate::nat::{self, Records};
use crate::options::Options;
use crate::prepare::{Prepared, Unfit, prepare};
use crate::state::{Record, State};
use crate::watch::{Integrity, Rates};

/// Starts: takes over what is pinned, or attaches anew, and makes sure that a policy judges if there is any.
pub fn start(options: &Options) -> anyhow::Result<Daemon> {
    let state = State::open(&options.state)?;
    let outputs: Vec<Output> = options
        .events
        .iter()
        .map(|path| if path == Path::new("-") { Output::Stdout } else { Output::File(path.clone()) })
        .collect();
    let journal = Journal::open(&outputs).context("cannot open the output for events")?;
    let gateway = Gateway::start(Config {
        pins: options.pins.clone(),
        flow_buckets: options.flow_buckets.next_power_of_two(),
        nat_addresses: options.nat_addresses,
        hash_seed: state.hash_seed(),
    })?;
    let records = Records::open(&options.state.join("nat"), options.nat_records_days.into())?;
    let words = gateway.inspector_words()?;
    let daemon = Daemon {
        state: Mutex::new(state),
        gateway: Mutex::new(gateway),
        records: Mutex::new(records),
        current: RwLock::default(),
        words: RwLock::default(),
        integrity: Mutex::new(Integrity::default()),
        rates: Mutex::new(Rates::default()),
        usage: Mutex::default(),
        attacks: Mutex::default(),
        attacked_zones: Mutex::default(),
        trouble: Mutex::default(),
        inspectors: Inspectors::new(options.inspectors()?, words),
        bypass: Bypass::open(&options.state),
        freeze: Mutex::new(Freeze::open(&options.state)?),
        audit: AuditFile::open(&options.state, &journal)?,
        journal,
        netns_prefix: options.netns_prefix.clone(),
        started: Instant::now(),
        started_at: SystemTime::now(),
    };
    // Blocks of maps that are gone have ended before anybody gets another.
    nat::note(&daemon)?;
    begin(&daemon, options.policy.as_deref())?;
    for warning in daemon.gateway().warnings()? {
        log(&format!("warning: {warning}"));
    }
    Ok(daemon)
}

/// Goes on with the policy that judges or, after a reboot, judged last; on the very first start begins with the one given.
fn begin(daemon: &Daemon, given: Option<&Path>) -> anyhow::Result<()> {
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let generation = daemon.gateway().generation();
    if generation != 0 && !state.generations()?.contains(&generation) {
        // Numbers of another directory would give one municipality's flows to another.
        bail!(
            "generation {generation} judges in the kernel but this state directory does not know it; start with the --state \
             it was applied with, or run `bangasad detach` and start again"
        );
    }
    if generation != 0 || state.last_judged()?.is_some() {
        resume_with(daemon, &mut state);
        return Ok(());
    }
    let Some(directory) = given else {
        log("there is no policy yet: everything is dropped until the first `bangasa apply`");
        return Ok(());
    };
    let record = Record {
        applied_at: telemetry::time::now(),
        who: "bangasad --policy".into(),
        because: Some(format!("first start with `{}`", directory.display())),
        ..Record::default()
    };
    install(daemon, &mut state, control::read_directory(directory)?, record)
}

/// Makes the machine what the policy in force asks for, now that something may have changed: a port came back, or what
/// stood in the way is gone.
pub fn resume(daemon: &Daemon) {
    resume_with(daemon, &mut daemon.state.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Whatever fails here is told and tried again: a daemon that serves can be given another policy, one that ends cannot.
fn resume_with(daemon: &Daemon, state: &mut State) {
    let generation = daemon.gateway().generation();
    let resumed = match generation {
        0 => reinstall(daemon, state),
        generation => adopt(daemon, state, generation),
    };
    daemon.set_trouble(resumed.err().map(|error| format!("{error:#}")));
}

/// After a reboot: the policy that judged last.
fn reinstall(daemon: &Daemon, state: &mut State) -> anyhow::Result<()> {
    let Some(last) = state.last_judged()? else { return Ok(()) };
    let install_last = |state: &mut State| {
        let (source, record) = state.read(last)?;
        let record = record.repeated(last);
        log(&format!("installing the policy applied last, at {} by {}", record.applied_at, record.who));
        install(daemon, state, source, record)
    };
    install_last(state).context(format!(
        "the policy applied last, generation {last}, cannot be installed, so everything is dropped; mend what follows, or \
         apply another policy"
    ))
}

fn install(daemon: &Daemon, state: &mut State, source: Source, record: Record) -> anyhow::Result<()> {
    let prepared = prepared(source, state)?;
    let record = Record { digest: prepared.compiled.digest.to_string(), ..record };
    let (generation, warnings) = apply::install(daemon, state, prepared, record)?;
    warnings.iter().for_each(|warning| log(warning));
    log(&format!("generation {generation} judges"));
    Ok(())
}

/// A policy judges already: find its words again, put this version's programs in place, and leave its tables alone
/// unless they are not what they should be.
fn adopt(daemon: &Daemon, state: &mut State, generation: u64) -> anyhow::Result<()> {
    let (source, record) = state.read(generation).context(format!(
        "generation {generation} goes on judging, but what was kept of it cannot be read; restore the file, or apply a policy"
    ))?;
    let prepared = prepared(source, state).context(format!(
        "generation {generation} goes on judging, but this version cannot read its policy; start the version that applied \
         it, or apply a policy"
    ))?;
    let Prepared { basis, overlays, compiled, .. } = &prepared;
    let (glossary, digest, shape) = (Arc::clone(&compiled.glossary), compiled.digest, Shape::of(compiled));
    daemon.learn(generation, &glossary);
    if let Err(error) = state.judges(generation) {
        log(&format!("{error:#}"));
    }
    let numbering = &glossary.numbering;
    let installed = {
        let mut gateway = daemon.gateway();
        let installed = gateway.digest(&shape)?;
        daemon.integrity.lock().unwrap_or_else(PoisonError::into_inner).note(digest, installed);
        let (glossary, record) = (Arc::clone(&glossary), record.clone());
        let (basis, overlays, ground) = (Arc::clone(basis), Arc::clone(overlays), Arc::clone(&compiled.ground));
        let (laid, files) = (prepared.laid.clone(), prepared.files);
        let current = Current { generation, basis, overlays, laid, files, ground, glossary, digest, shape, record };
        daemon.set_current(current);
        apply::put_in_place(&mut gateway, &prepared.laid, numbering, &daemon.netns_prefix).context(format!(
            "generation {generation} goes on judging, but not everything it needs is in place; mend what follows, or apply \
             another policy"
        ))?;
        installed
    };
    if installed != digest {
        log(&format!("the tables of generation {generation} are not the intended ones; installing them again"));
        apply::install(daemon, state, prepared, record.repeated(generation))?;
        return Ok(());
    }
    log(&format!("took over; generation {generation} judges, as before"));
    Ok(())
}

fn prepared(source: Source, state: &State) -> anyhow::Result<Prepared> {
    match prepare(source, state.overlays(), state.numbering(), None) {
        Ok(prepared) => Ok(prepared),
        Err(Unfit::TooLarge(message)) => bail!(message),
        Err(Unfit::Invalid(diagnostics)) => {
            let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == "error");
            let text: Vec<&str> = errors.map(|diagnostic| diagnostic.text.trim_end()).collect();
            bail!("the policy is not valid:\n{}", text.join("\n"))
        }
    }
}

/// `bangasad detach`.
pub fn detach(options: &Options) -> anyhow::Result<()> {
    // Whoever holds the state is a running daemon.
    let _state = State::open(&options.state)?;
    gateway::detach(&options.pins)?;
    inspectors::end_all(&options.netns_prefix)?;
    namespaces::remove_all(&options.netns_prefix)?;
    log("detached: no program, map or namespace is left; the ports no longer forward");
    Ok(())
}
