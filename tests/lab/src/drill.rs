//! Drills: what went wrong elsewhere, repeated here. Each has a lab of its own, real traffic, and counts at the far end.
//!
//! A drill is a file in `drill/` with a [`Drill`], and a line in [`DRILLS`].

mod cut_off;
mod dns_pulses;
mod open_relay;
mod surge;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use lab::Lab;

use crate::tour::report::{self, Form, Report};
use crate::tour::{CITY, Step};

/// One incident.
pub struct Drill {
    /// What happened, where and when.
    pub incident: &'static str,
    /// What must not happen here; its name is what `lab drill` is given.
    pub step: Step,
}

const DRILLS: [Drill; 4] = [cut_off::DRILL, open_relay::DRILL, dns_pulses::DRILL, surge::DRILL];

/// Goes through one drill, or all of them; success only if every promise was kept.
pub fn practise(policy: &Path, name: &str, json: bool) -> Result<ExitCode> {
    let chosen: Vec<&Drill> = DRILLS.iter().filter(|drill| name == "all" || drill.step.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<_> = DRILLS.iter().map(|drill| drill.step.name).collect();
        bail!("there is no drill `{name}`; there are all, {}", names.join(", "));
    }
    let form = if json { Form::Json } else { Form::Text };
    let mut held = 0;
    for (number, drill) in (1..).zip(&chosen) {
        let began = Instant::now();
        let mut lab = Lab::build(policy)?;
        lab.internet_mut().serve()?;
        lab.internet_mut().serve_tls()?;
        lab.issue_authorities(&[CITY])?;
        lab.start_daemon()?;
        report::incident(form, drill.incident, began.elapsed());
        let mut report = Report::default();
        if let Err(error) = (drill.step.run)(&mut lab, &mut report) {
            report.expect(false, format!("{error:#}"));
        }
        crate::signals::wait_if_ending();
        held += usize::from(report.held());
        report.print(form, number, &drill.step);
    }
    report::practised(form, held, chosen.len());
    Ok(if held == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
