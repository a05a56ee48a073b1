//! Two municipalities with the same addresses: both are served at once, and neither reaches the other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;

use anyhow::{Result, anyhow};
use lab::internet::{DNS_V4, WEB_NAME, WEB_V4};
use lab::process::text;
use lab::{Counter, Lab, frame, wire};

use super::{CITY, Report, Step, TOWN, explain, frame_of, pool, settle};

/// See the module.
pub const STEP: Step = Step {
    name: "twins",
    title: "two municipalities with equal addresses, at the same time",
    title_ja: "同じアドレスの二つの自治体",
    run,
};

const PORT: u16 = 40_000;
const QUESTIONS: usize = 5;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (city, town) = (lab.site(CITY)?, lab.site(TOWN)?);
    let source = city.v4()?;
    report.expect(source == town.v4()?, "both use the same address");
    let arrivals = [CITY, TOWN].map(|id| -> Result<Counter> {
        Counter::start(lab.internet().uplink(), &format!("ip saddr {} ip daddr {DNS_V4} udp dport 53", pool(lab, id)?))
    });
    let ask = format!("dig +short +tries=1 +time=5 -b {source}#{PORT} @{DNS_V4} {WEB_NAME} A");
    report.sent(format!("from both at once, {QUESTIONS} times: dig -b {source}#{PORT} @{DNS_V4} {WEB_NAME}"));
    let answers = thread::scope(|scope| -> Result<Vec<usize>> {
        let asking = [city, town].map(|site| {
            let ask = &ask;
            scope.spawn(move || -> Result<usize> {
                let mut right = 0;
                for _ in 0..QUESTIONS {
                    let answer = site.namespace().attempt(ask)?;
                    right += usize::from(text(&answer.stdout).trim() == WEB_V4.to_string());
                }
                Ok(right)
            })
        });
        asking.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?).collect()
    })?;
    for ((id, counter), right) in [CITY, TOWN].iter().zip(arrivals).zip(answers) {
        let arrived = counter?.packets()?;
        report.arrived(format!("{arrived} questions from {id}'s pool at the DNS server, {right} answers back at {id}"));
        report.expect_count(arrived, QUESTIONS as u64, &format!("questions from {id}"));
        report.expect_count(right as u64, QUESTIONS as u64, &format!("answers at {id}"));
    }

    keep_apart(lab, report, CITY, TOWN, Ipv4Addr::new(10, 10, 77, 77))?;
    keep_apart(lab, report, TOWN, CITY, Ipv4Addr::new(10, 10, 88, 88))
}

/// Gives `there` an address, and lets `here` try for it: on its own segment, and through the gateway.
fn keep_apart(lab: &Lab, report: &mut Report, here: &str, there: &str, address: Ipv4Addr) -> Result<()> {
    let (from, to) = (lab.site(here)?, lab.site(there)?);
    to.own(address.into())?;
    let arrivals = Counter::start(to.device(), &format!("ip daddr {address}"))?;
    let solicitations = Counter::start(to.device(), &format!("arp daddr ip {address}"))?;
    let since = lab.daemon()?.events().mark();
    report.sent(format!("{here} pings {address}, which is {there}'s, and pushes a SYN for it through the gateway"));
    let ping = from.namespace().attempt(&format!("ping -n -c 2 -i 0.2 -W 1 {address}"))?;
    report.expect(text(&ping.stdout).contains(" 0 received"), format!("{here} gets no answer"));
    let (source, target) = (SocketAddr::new(from.v4()?, 40_001), SocketAddr::new(address.into(), 80));
    let syn = frame::tcp(source, target, frame::flags::SYN, 1, 0);
    wire::send(from.device(), &[frame_of(lab, from, &syn)?])?;
    settle();
    let crossed = arrivals.packets()? + solicitations.packets()?;
    report.arrived(format!("{crossed} frames for {address} at {there}"));
    report.expect_count(crossed, 0, "frames that crossed");
    let is_it = |line: &lab::Line| line.municipality.as_deref() == Some(here) && meant(line, address.into());
    let line = explain(lab, report, since, is_it)?;
    report.expect(line.is_some_and(|line| line.verdict == "drop"), "the gateway dropped it");
    Ok(())
}

fn meant(line: &lab::Line, destination: IpAddr) -> bool {
    line.destination.as_deref() == Some(&destination.to_string())
}
