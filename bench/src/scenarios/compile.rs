//! How long the largest policy takes to be checked, compiled and installed, and in how much memory; and again after a
//! hundredth of its feeds has changed; then how long an indicator and an isolation take that are laid over it. Each round
//! is a process of its own, so that memory is what one apply needs.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use dataplane::{Engine, EngineSize};
use policy::overlay::{Origin, Target};
use policy::{Basis, Ground, Numbering, Overlays, Policy};
use serde::{Deserialize, Serialize};

use super::Bench;
use crate::measure::Figure;
use crate::policies::{self, Fit, Size, TAGGED};
use crate::report::{MIB, SECONDS, Scenario};

/// Sixty municipalities, a thousand rules each, a million prefixes.
pub const LARGEST: Size = Size { rules: 1_000, blocked: 1_000_000, ..TAGGED };
/// Every so-manieth line of a feed changes.
const ONE_IN: usize = 100;
/// Seconds of one round above which three rounds must do.
const LONG: f64 = 10.0;

/// What one process found.
#[derive(Debug, Serialize, Deserialize)]
struct Round {
    first: Steps,
    changed: Steps,
    indicator: f64,
    isolation: f64,
    peak_mib: f64,
}

/// Seconds of each step.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Steps {
    check: f64,
    compile: f64,
    install: f64,
}

impl Steps {
    fn total(&self) -> f64 {
        self.check + self.compile + self.install
    }
}

/// All rounds.
pub fn run(bench: &mut Bench<'_>) -> Result<()> {
    let mut found = Vec::new();
    let mut rounds = bench.rounds;
    while found.len() < rounds {
        match in_a_process()? {
            Ok(round) => {
                if round.first.total() + round.changed.total() > LONG {
                    rounds = rounds.min(3);
                }
                found.push(round);
            }
            Err(why) => {
                bench.report.add(Scenario::new("compile/all", SECONDS, bench.rounds).note(why));
                return Ok(());
            }
        }
    }
    let figure = |of: &dyn Fn(&Round) -> f64| Figure::of(found.iter().map(of).collect());
    let named = |what: &str, unit| Scenario::new(format!("compile/{what}"), unit, rounds);
    bench.report.add(named("check", SECONDS).ours(figure(&|round| round.first.check)));
    bench.report.add(named("compile", SECONDS).ours(figure(&|round| round.first.compile)));
    bench.report.add(named("install", SECONDS).ours(figure(&|round| round.first.install)));
    bench.report.add(named("all", SECONDS).ours(figure(&|round| round.first.total())));
    let note = "check, compile and install again after one line in a hundred of the feeds has changed";
    bench.report.add(named("changed-feeds", SECONDS).ours(figure(&|round| round.changed.total())).note(note));
    let note = "the first prefix that is blocked by a command: tables made and installed";
    bench.report.add(named("indicator", SECONDS).ours(figure(&|round| round.indicator)).note(note));
    let note = "a section that is cut off by a command: tables made and installed";
    bench.report.add(named("isolation", SECONDS).ours(figure(&|round| round.isolation)).note(note));
    let note = "the text of the policy included, the kernel's maps not";
    bench.report.add(named("peak-memory", MIB).ours(figure(&|round| round.peak_mib)).note(note));
    Ok(())
}

/// The word on the command line that makes a process one round.
pub const ROUND: &str = "compile-round";

fn in_a_process() -> Result<Fit<Round>> {
    let output = Command::new(std::env::current_exe()?).arg(ROUND).output()?;
    ensure!(output.status.success(), "a round failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("a round says nothing that can be read")
}

/// What such a process does: it writes a [`Round`], or why there is none.
pub fn round() -> Result<()> {
    let outcome = measured()?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn measured() -> Result<Fit<Round>> {
    let mut source = policies::source(LARGEST);
    let mut engine = None;
    let mut before = None;
    let first = match apply(&source, &mut before, &mut engine, 1)? {
        Ok(steps) => steps,
        Err(why) => return Ok(Err(why)),
    };
    let peak_mib = peak_mib()?;
    policies::change_feeds(&mut source, ONE_IN);
    let changed = match apply(&source, &mut before, &mut engine, 2)? {
        Ok(steps) => steps,
        Err(why) => return Ok(Err(why)),
    };
    let (Some((basis, _)), Some(engine)) = (&before, &mut engine) else { bail!("an apply leaves nothing") };
    Ok(laid_over(basis.policy(), engine)?.map(|[indicator, isolation]| Round {
        first,
        changed,
        indicator,
        isolation,
        peak_mib,
    }))
}

/// Seconds that an indicator and an isolation take, as a daemon lays them over its policy.
fn laid_over(policy: &Policy, engine: &mut Engine) -> Result<Fit<[f64; 2]>> {
    let mut overlays = Overlays::default();
    let mut ground = policy::compile(&overlays.over(policy), &Numbering::default())?.ground;
    let mut seconds = [0.0; 2];
    for (number, seconds) in seconds.iter_mut().enumerate() {
        if number == 0 {
            overlays.block(vec!["192.0.2.66/32".parse()?], Origin::default())?;
        } else {
            let town = policy.municipalities.first().context("nobody can be cut off")?;
            let prefix = *town.prefixes.first().context("nobody can be cut off")?;
            let target = Target::Part { municipality: town.id.clone(), prefix };
            overlays.isolate(target, Origin::default(), policy)?;
        }
        let begun = Instant::now();
        let compiled = match ground.compile(&overlays.over(policy), &Numbering::default()) {
            Ok(compiled) => compiled,
            Err(error) => return Ok(Err(format!("does not fit: {error}"))),
        };
        if let Err(error) = engine.install(&compiled, 3 + number as u64) {
            return Ok(Err(format!("does not fit: {error}")));
        }
        *seconds = begun.elapsed().as_secs_f64();
        ground = compiled.ground;
    }
    Ok(Ok(seconds))
}

/// What a daemon keeps of an apply for the next.
type Before = (Basis, Arc<Ground>);

fn apply(
    source: &policy::Source,
    before: &mut Option<Before>,
    engine: &mut Option<Engine>,
    generation: u64,
) -> Result<Fit<Steps>> {
    let timed = |begun: Instant| begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let checked = before.as_ref().map_or_else(|| policy::check(source), |(basis, _)| basis.check(source));
    let check = timed(begun);
    if let Err(why) = policies::policy_of(&checked) {
        return Ok(Err(why));
    }
    // A daemon has its files already.
    let basis = Basis::new(source.clone(), checked).context("a policy without errors is none")?;
    let begun = Instant::now();
    let compiled = match before {
        Some((_, ground)) => ground.compile(basis.policy(), &Numbering::default()),
        None => policy::compile(basis.policy(), &Numbering::default()),
    };
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(error) => return Ok(Err(format!("does not fit: {error}"))),
    };
    let compile = timed(begun);
    *before = Some((basis, Arc::clone(&compiled.ground)));
    // A daemon's engine is loaded long before.
    let engine = match engine {
        Some(engine) => engine,
        None => engine.insert(Engine::new(EngineSize::fitting(&compiled))?),
    };
    let begun = Instant::now();
    Ok(match engine.install(&compiled, generation) {
        Ok(_) => Ok(Steps { check, compile, install: timed(begun) }),
        Err(error) => Err(format!("does not fit: {error}")),
    })
}

/// The most memory that this process has had.
fn peak_mib() -> Result<f64> {
    let about = std::fs::read_to_string("/proc/self/status")?;
    let line = about.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the kernel does not say")?;
    let kib: f64 = line.split_whitespace().next().context("the kernel does not say")?.parse()?;
    Ok(kib / 1_024.0)
}
