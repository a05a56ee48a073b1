//! Isolations and indicators: ordered, taken back, ended by the clock. Each change makes the tables anew from the policy
//! as it was checked and installs them as the next generation, one change at a time.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control::{Audit, Overlaid, OverlayChange, Response, Who};
use policy::overlay::{Expired, Moment, Objection, Origin, Target, objections};
use policy::{Overlays, Policy};

use crate::daemon::{Current, Daemon};
use crate::{apply, audit, freeze, log, trial};

/// Between two looks at what has ended.
const INTERVAL: Duration = Duration::from_secs(1);
/// The same after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// Objections that a message spells out.
const SHOWN: usize = 8;

/// The time now.
pub fn now() -> Moment {
    Moment(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// The digest of overlays, which the tables are made of beside the policy.
pub fn digest(overlays: &Overlays) -> String {
    // Nothing in them fails to serialise.
    blake3::hash(&serde_json::to_vec(overlays).unwrap_or_default()).to_string()
}

/// Answers `overlays`.
pub fn list(daemon: &Daemon) -> Response {
    let state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    Response::Overlays { overlays: Overlays::clone(state.overlays()) }
}

/// What a change comes to.
struct Done {
    target: String,
    municipality: Option<String>,
    until: Option<Moment>,
    warnings: Vec<String>,
}

/// Answers `overlay`.
pub fn change(daemon: &Daemon, change: OverlayChange, because: String, who: Who) -> Response {
    let started = Instant::now();
    let did = match &change {
        OverlayChange::Isolate { .. } => "isolate",
        OverlayChange::Release { .. } => "release",
        OverlayChange::Block { .. } => "block",
        OverlayChange::Unblock { .. } => "unblock",
    };
    let asked = asked(&change);
    let origin = Origin { who: who.to_string(), since: now(), because: because.clone(), until: None };
    let deed = Audit { who, did: did.into(), because: Some(because.clone()), ..Audit::default() };
    let mut done = None;
    let changed = install(daemon, &format!("{did} {asked}: {because}"), |overlays, policy| {
        let result = carry_out(overlays, policy, change, origin)?;
        done = Some(result);
        Ok(())
    });
    let Done { target, municipality, until, mut warnings } =
        done.unwrap_or(Done { target: asked, municipality: None, until: None, warnings: Vec::new() });
    let result = changed.as_ref().map_or_else(|message| format!("refused: {message}"), |_| "done".into());
    let generation = changed.as_ref().ok().map(|(generation, _)| *generation);
    let audit = Audit { target: Some(target.clone()), until, generation, result, ..deed };
    let unkept = daemon.audit.record(&daemon.journal, municipality.as_deref(), &audit);
    match changed {
        Ok((generation, told)) => {
            warnings.extend(told);
            warnings.extend(unkept);
            let took_ms = started.elapsed().as_millis() as u64;
            Response::Overlaid(Overlaid { generation, done: format!("{did} {target}"), until, warnings, took_ms })
        }
        Err(message) => Response::Failed { message },
    }
}

/// What was asked for, as far as it is known before anybody has looked at it.
fn asked(change: &OverlayChange) -> String {
    match change {
        OverlayChange::Isolate { target, .. } | OverlayChange::Release { target } => target.clone(),
        OverlayChange::Block { prefixes, .. } | OverlayChange::Unblock { prefixes } => match &prefixes[..] {
            [] => "nothing".into(),
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        },
    }
}

fn carry_out(overlays: &mut Overlays, policy: &Policy, change: OverlayChange, origin: Origin) -> Result<Done, String> {
    let until = |seconds: Option<u64>| seconds.map(|seconds| origin.since.after(Duration::from_secs(seconds)));
    let target = asked(&change);
    match change {
        OverlayChange::Isolate { target, for_seconds } => {
            let target = Target::parse(&target, policy).map_err(|error| error.to_string())?;
            let origin = Origin { until: until(for_seconds), ..origin };
            let before = overlays.isolate(target.clone(), origin, policy).map_err(|error| error.to_string())?;
            let holds = overlays.isolations.last().and_then(|isolation| isolation.origin.until);
            let again = before.map(|before| format!("it was isolated already, {before}; the later end counts"));
            Ok(done(&target, holds, again.into_iter().collect()))
        }
        OverlayChange::Release { target } => {
            let known = overlays.isolations.iter().map(|isolation| isolation.target.clone());
            let target = Target::parse_known(&target, known, policy).map_err(|error| error.to_string())?;
            let still = overlays.release(&target, policy).map_err(|error| error.to_string())?;
            let still = still.iter().map(|still| format!("it, or a part of it, is cut off still: {still}"));
            Ok(done(&target, None, still.collect()))
        }
        OverlayChange::Block { prefixes, for_seconds, force } => {
            let found = objections(&prefixes, policy, &own_addresses());
            if !found.is_empty() && !force {
                return Err(objected(&found));
            }
            let until = until(for_seconds);
            let count = prefixes.len();
            let new = overlays.block(prefixes, Origin { until, ..origin }).map_err(|error| error.to_string())?;
            let known = count.saturating_sub(new);
            let mut warnings = Vec::new();
            if known > 0 {
                warnings.push(format!("{known} of {count} prefixes were blocked already, or given twice"));
            }
            warnings.extend((!found.is_empty()).then(|| format!("done all the same: {}", spelled_out(&found))));
            Ok(Done { target, municipality: None, until, warnings })
        }
        OverlayChange::Unblock { prefixes } => {
            overlays.unblock(&prefixes).map_err(|error| error.to_string())?;
            Ok(Done { target, municipality: None, until: None, warnings: Vec::new() })
        }
    }
}

fn done(target: &Target, until: Option<Moment>, warnings: Vec<String>) -> Done {
    Done { target: target.to_string(), municipality: target.municipality().map(str::to_owned), until, warnings }
}

/// Indicators that block what this policy needs, be it that they were forced, or that the policy is newer.
pub fn in_the_way(overlays: &Overlays, policy: &Policy) -> Option<String> {
    let prefixes: Vec<_> = overlays.indicators.iter().flat_map(|batch| &batch.prefixes).copied().collect();
    let found = objections(&prefixes, policy, &[]);
    (!found.is_empty()).then(|| format!("blocked by a command are {}", spelled_out(&found)))
}

fn objected(objections: &[Objection]) -> String {
    format!("{}; --force blocks all the same", spelled_out(objections))
}

fn spelled_out(objections: &[Objection]) -> String {
    let shown = objections.iter().take(SHOWN).map(|it| format!("`{}`: {}", it.prefix, it.because));
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let Some(more) = objections.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// Addresses of the gateway's interfaces, its uplinks' among them, of which the policy does not know.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|interface| interface.address);
    let ip = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    interfaces.filter_map(ip).collect()
}

/// Makes a change and installs what comes of it. Answers the generation, and what went wrong after the switch.
fn install(
    daemon: &Daemon,
    what: &str,
    edit: impl FnOnce(&mut Overlays, &Policy) -> Result<(), String>,
) -> Result<(u64, Vec<String>), String> {
    // Held to the end: one change at a time, those of policy included.
    let mut state = daemon.state.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(current) = daemon.current() else {
        let trouble = daemon.trouble().map(|trouble| format!("; {trouble}")).unwrap_or_default();
        return Err(format!("there is no policy in force that this could lie over{trouble}"));
    };
    let mut overlays = Overlays::clone(state.overlays());
    edit(&mut overlays, current.basis.policy())?;
    let changed = apply::lay_over(daemon, &mut state, &current, Arc::new(overlays), what);
    changed.map_err(|error| format!("{error:#}; everything is as before"))
}

/// Ends what has ended by itself, until the daemon ends.
pub async fn run(daemon: Arc<Daemon>) {
    loop {
        let tended = Arc::clone(&daemon);
        let ended = tokio::task::spawn_blocking(move || {
            freeze::end(&tended);
            trial::end(&tended).and(expire(&tended))
        });
        let pause = match ended.await {
            Ok(Ok(())) => INTERVAL,
            Ok(Err(message)) => {
                log(&format!("what has ended by itself is in force still, and tried again: {message}"));
                PAUSE
            }
            Err(_) => PAUSE,
        };
        tokio::time::sleep(pause).await;
    }
}

fn expire(daemon: &Daemon) -> Result<(), String> {
    let due = |current: &Arc<Current>| current.overlays.next_end().is_some_and(|end| end <= now());
    if !daemon.current().as_ref().is_some_and(due) {
        return Ok(());
    }
    let mut ended = Expired::default();
    let (generation, warnings) = install(daemon, "what has ended by itself", |overlays, _| {
        ended = overlays.expire(now());
        Ok(())
    })?;
    warnings.iter().for_each(|warning| log(warning));
    let isolations =
        ended.isolations.iter().map(|it| ("release", it.target.municipality(), it.target.to_string(), &it.origin));
    let indicators = ended
        .indicators
        .iter()
        .map(|it| ("unblock", None, asked(&OverlayChange::Unblock { prefixes: it.prefixes.clone() }), &it.origin));
    for (did, municipality, target, origin) in isolations.chain(indicators) {
        let audit = Audit {
            who: audit::daemon(),
            did: did.into(),
            target: Some(target),
            because: Some(format!("its time is over, {origin}")),
            until: None,
            generation: Some(generation),
            result: "done".into(),
        };
        daemon.audit.record(&daemon.journal, municipality, &audit);
    }
    Ok(())
}
