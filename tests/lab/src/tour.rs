//! The tour: one lab, one gateway, and a step per promise. Each step sends real traffic, counts at the far end what
//! arrived, and asks the gateway why.

mod blocked;
mod change;
mod download;
mod fragments;
mod inspected;
mod kill;
mod left_closed;
mod names;
mod neighbours;
mod outside;
pub mod report;
mod scan;
mod segments;
mod spoofed;
mod told;
mod twins;
mod web;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lab::events::{Line, Mark};
use lab::{Lab, Site};

use report::{Form, Report};

/// The example's municipality whose web traffic is inspected, and which publishes a site.
pub const CITY: &str = "shiomi";
/// The example's municipality that has the same private addresses as [`CITY`].
pub const TOWN: &str = "shirakaba";
/// The example's small municipality.
pub const VILLAGE: &str = "tsukihara";
/// The example's municipality behind two VLAN tags.
pub const HARBOUR: &str = "kazahaya";

/// One step of the tour.
pub struct Step {
    /// For `--only`, and in JSON.
    pub name: &'static str,
    /// What a visitor sees.
    pub title: &'static str,
    /// The same, in Japanese.
    pub title_ja: &'static str,
    /// Does it. An error counts as "not held".
    pub run: fn(&mut Lab, &mut Report) -> Result<()>,
}

const STEPS: [Step; 16] = [
    web::STEP,
    names::STEP,
    download::STEP,
    segments::STEP,
    twins::STEP,
    scan::STEP,
    spoofed::STEP,
    blocked::STEP,
    outside::STEP,
    fragments::STEP,
    neighbours::STEP,
    told::STEP,
    inspected::STEP,
    left_closed::STEP,
    change::STEP,
    kill::STEP,
];

/// Builds a lab and walks through it; success only if every step held.
pub fn take(policy: &Path, only: &[String], json: bool, keep: bool) -> Result<ExitCode> {
    let chosen = choose(only)?;
    let form = if json { Form::Json } else { Form::Text };
    let began = Instant::now();
    report::welcome(form);
    let mut lab = Lab::build(policy)?;
    lab.internet_mut().serve()?;
    lab.internet_mut().serve_tls()?;
    lab.issue_authorities(&[CITY])?;
    lab.start_daemon()?;
    report::built(form, &lab, began.elapsed());
    let mut held = 0;
    for (number, step) in &chosen {
        let mut report = Report::default();
        if let Err(error) = (step.run)(&mut lab, &mut report) {
            report.expect(false, format!("{error:#}"));
        }
        crate::signals::wait_if_ending();
        held += usize::from(report.held());
        report.print(form, *number, step);
    }
    report::status(form, &lab)?;
    report::farewell(form, held, chosen.len(), began.elapsed());
    if keep {
        crate::keep(&mut lab)?;
    }
    Ok(if held == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to try next in a lab that is kept.
pub fn invitation(lab: &Lab) -> Result<String> {
    report::invitation(lab)
}

fn choose(only: &[String]) -> Result<Vec<(usize, &'static Step)>> {
    let numbered = || STEPS.iter().enumerate().map(|(index, step)| (index + 1, step));
    if let Some(unknown) = only.iter().find(|wanted| !numbered().any(|step| is_wanted(step, wanted))) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step `{unknown}`; the steps are {}", names.join(", "));
    }
    Ok(numbered().filter(|step| only.is_empty() || only.iter().any(|wanted| is_wanted(*step, wanted))).collect())
}

fn is_wanted((number, step): (usize, &Step), wanted: &str) -> bool {
    wanted == step.name || wanted == number.to_string()
}

/// Waits for the event that tells of a packet, and puts it into the report.
pub fn explain(lab: &Lab, report: &mut Report, since: Mark, wanted: impl Fn(&Line) -> bool) -> Result<Option<Line>> {
    let line = lab.daemon()?.events().wait(since, wanted)?;
    match &line {
        Some(line) => report.verdict(line),
        None => report.expect(false, "the gateway says why, in an event"),
    }
    Ok(line)
}

/// Whether an event tells of a drop for this reason, at this municipality.
pub fn dropped<'a>(municipality: &'a str, reason: &'a str) -> impl Fn(&Line) -> bool + 'a {
    move |line| line.verdict == "drop" && line.reason == reason && line.municipality.as_deref() == Some(municipality)
}

/// Whether an event tells of a new flow of this municipality towards a destination.
pub fn began<'a>(municipality: &'a str, destination: &'a str) -> impl Fn(&Line) -> bool + 'a {
    move |line| {
        line.new_flow == Some(true)
            && line.municipality.as_deref() == Some(municipality)
            && line.destination.as_deref() == Some(destination)
    }
}

/// Time for frames that are under way: nothing in the lab takes longer than a few milliseconds, and what must not
/// arrive is only known not to after waiting.
pub fn settle() {
    std::thread::sleep(Duration::from_millis(250));
}

/// The MAC address that a site's frames for the gateway go to: the trunk's own.
pub fn gateway_mac(lab: &Lab) -> Result<pnet::util::MacAddr> {
    lab::link::mac(lab.trunk())
}

/// A frame from a site to the gateway around an IP packet.
pub fn frame_of(lab: &Lab, site: &Site, packet: &[u8]) -> Result<Vec<u8>> {
    Ok(lab::frame::ethernet(lab::link::mac(site.device())?, gateway_mac(lab)?, &[], packet))
}

/// A frame from the router to the gateway around an IP packet.
pub fn frame_from_outside(lab: &Lab, packet: &[u8]) -> Result<Vec<u8>> {
    let source = lab::link::mac(lab.internet().uplink())?;
    Ok(lab::frame::ethernet(source, lab::link::mac(lab.uplink())?, &[], packet))
}

/// A nftables expression for addresses of a municipality's NAT pool.
pub fn pool(lab: &Lab, municipality: &str) -> Result<String> {
    let town = lab.policy().municipalities.iter().find(|town| town.id == municipality);
    let addresses: Vec<String> = town.iter().flat_map(|town| &town.nat_pool).map(ToString::to_string).collect();
    if addresses.is_empty() {
        bail!("municipality `{municipality}` has no NAT pool in this policy");
    }
    Ok(format!("{{ {} }}", addresses.join(", ")))
}
