//! 2018, floods in Hiroshima: three times the usual access, of people who need to know. Here: three times as many
//! visitors as usual at the city's web site while its name server is flooded; all of them are served, and asked nothing.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};
use lab::daemon::counted;
use lab::dns::{self, Answered, SERVER_V4};
use lab::internet::WEB_V4;
use lab::responder::Responder;
use lab::{Counter, Lab};

use super::{Drill, Report, Step};
use crate::tour::{CITY, settle};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2018, floods in Hiroshima: three times the usual access to the sites that people needed",
    step: Step {
        name: "surge",
        title: "three times as many visitors as usual pass while a flood is stopped",
        title_ja: "アクセス集中と攻撃の同時発生",
        run,
    },
};

/// The city's web site.
const SITE: &str = "203.0.113.10";
const PORT: u16 = 80;
/// Visits of a usual moment; the surge is [`TIMES`] as many, of as many more people.
const USUAL: usize = 60;
const TIMES: u8 = 3;
/// Visits at one time from one address.
const TOGETHER: &str = "12";
/// Last octet of the first visitor's address.
const FIRST_VISITOR: u8 = 120;
/// Queries of the flood between two lots of visits.
const FLOOD: usize = 1_500;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let _server = dns::serve(lab)?;
    let _site = Responder::start(lab.site(CITY)?.namespace(), PORT)?;
    let usual = Instant::now();
    report.expect_count(visit(lab, 1)?, USUAL as u64, "visits of a usual moment are served");
    let usual = usual.elapsed().as_secs_f64();
    let frames = dns::flood(lab, 0..(FLOOD * usize::from(TIMES)) as u32)?;
    let queries = Counter::start(lab.site(CITY)?.device(), "udp dport 53")?;
    let before = lab.daemon()?.status()?;
    report.sent(format!(
        "{} visits to {SITE}, and {} queries for random names to {SERVER_V4}",
        USUAL * usize::from(TIMES),
        frames.len()
    ));
    let began = Instant::now();
    let mut served = 0;
    std::thread::scope(|scope| -> Result<()> {
        let lab = &*lab;
        let flood = scope.spawn(|| dns::send(lab, &frames));
        served = visit(lab, TIMES)?;
        flood.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the flood broke off")))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    settle();
    let arrived = queries.packets()?;
    report.arrived(format!("{served} visits in {seconds:.1} s ({USUAL} took {usual:.2} s before), {arrived} queries"));
    report.expect_count(served, USUAL as u64 * u64::from(TIMES), "visits of the surge are served");
    let after = lab.daemon()?.status()?;
    let dropped = |reason| {
        counted(&after, Some(CITY), "ingress", "drop", reason) - counted(&before, Some(CITY), "ingress", "drop", reason)
    };
    report.expect_count(dropped("limited"), 0, "packets of the surge were dropped for a budget");
    report.expect(
        dropped("dns_guard") + arrived >= frames.len() as u64,
        "the rest of the flood was answered by the gateway",
    );
    report.expect(arrived * 2 < frames.len() as u64, "most of the flood never reached the server");
    let asked = dns::ask(lab, WEB_V4.into(), SERVER_V4.into())?;
    report.expect(asked != Answered::Not, "who asks for the site's name is answered meanwhile");
    Ok(())
}

/// [`USUAL`] visits from each of so many addresses, at the same time: how many were served.
fn visit(lab: &Lab, addresses: u8) -> Result<u64> {
    let start = |number: u8| {
        let mut curl = lab.internet().namespace().command("curl");
        curl.args(["--silent", "--max-time", "10", "--parallel", "--parallel-immediate", "--parallel-max", TOGETHER]);
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code}\n", "--no-keepalive"]);
        curl.arg("--interface").arg(Ipv4Addr::new(198, 51, 100, FIRST_VISITOR + number).to_string());
        curl.arg(format!("http://{SITE}/[1-{USUAL}]"));
        curl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        curl.spawn().context("cannot start curl; is it installed")
    };
    let visitors = (0..addresses).map(start).collect::<Result<Vec<_>>>()?;
    let mut served = 0;
    for visitor in visitors {
        let said = lab::process::text(&visitor.wait_with_output()?.stdout);
        served += said.lines().filter(|line| *line == "200").count() as u64;
    }
    Ok(served)
}
