//! 2022 Hiroshima and 2023 Mie: DNS floods in pulses every 30 to 60 minutes for two and a half weeks, which is about a
//! thousand of them. Here: a thousand pulses in a minute; who asks in between is answered, and afterwards everything is as
//! it was.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use control::status::Status;
use lab::daemon::counted;
use lab::dns::{self, Answered, SERVER_V4, SERVER_V6};
use lab::internet::{WEB_V4, WEB_V6};
use lab::wire::wait_until;
use lab::{Counter, Lab};

use super::{Drill, Report, Step};
use crate::tour::{CITY, settle};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2022 Hiroshima, 2023 Mie: DNS floods in pulses every 30 to 60 minutes for two and a half weeks",
    step: Step {
        name: "dns-pulses",
        title: "a thousand pulses of random names wear nothing out",
        title_ja: "DNS フラッドの波状攻撃",
        run,
    },
};

const PULSES: usize = 1_000;
/// Queries of a pulse.
const PULSE: usize = 48;
/// Between two pulses.
const PAUSE: Duration = Duration::from_millis(10);
/// Pulses after which somebody asks.
const ASK_EVERY: usize = 50;
/// What the daemon may have more of in the end, for good: what its allocator keeps.
const MEMORY_SLACK_KIB: u64 = 8 * 1_024;
/// Flows of UDP end two minutes after their last packet.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let _server = dns::serve(lab)?;
    let clients = [(WEB_V4.into(), SERVER_V4.into()), (WEB_V6.into(), SERVER_V6.into())];
    for (client, server) in clients {
        report.expect(dns::ask(lab, client, server)? == Answered::Directly, format!("{server} answers over UDP"));
    }
    let queries = Counter::start(lab.site(CITY)?.device(), "udp dport 53")?;
    let (flows, memory) = (lab.daemon()?.status()?.flows, memory_kib(lab)?);
    let frames = dns::flood(lab, 0..(PULSES * PULSE) as u32)?;
    report.sent(format!("{PULSES} pulses of {PULSE} queries for names and from addresses that nobody has"));
    let began = Instant::now();
    let (mut asked, mut answered) = (0, 0);
    let mut most_flows = 0;
    for (number, pulse) in frames.chunks(PULSE).enumerate() {
        dns::send(lab, pulse)?;
        std::thread::sleep(PAUSE);
        if number % ASK_EVERY == ASK_EVERY - 1 {
            let (client, server) = clients[number / ASK_EVERY % 2];
            asked += 1;
            answered += u64::from(dns::ask(lab, client, server)? != Answered::Not);
            most_flows = most_flows.max(lab.daemon()?.status()?.flows);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    settle();
    let arrived = queries.packets()?;
    let status = lab.daemon()?.status()?;
    report.arrived(format!("{arrived} of {} at the city's server, in {seconds:.0} s", frames.len()));
    report.counted(format!("{} were answered by the gateway", guarded(&status)));
    report.expect_count(answered, asked, "questions in between are answered");
    // Each of its windows of four seconds lets so many names pass at most.
    let limit = limit(lab)?;
    report.expect(most_flows <= flows + 2 * limit + asked, format!("at most {most_flows} flows, {flows} before"));
    report.expect(wait_until(PATIENCE, || Ok(!dns::is_attacked(lab)?))?, "the attack is over when it is over");
    for (client, server) in clients {
        report.expect(dns::ask(lab, client, server)? == Answered::Directly, format!("{server} answers over UDP again"));
    }
    let grown = memory_kib(lab)?.saturating_sub(memory);
    report.expect(grown <= MEMORY_SLACK_KIB, format!("the daemon's memory is what it was, but for {grown} KiB"));
    report.expect(wait_until(PATIENCE, || Ok(rate(&lab.daemon()?.status()?) < 10.0))?, "and so are the city's rates");
    Ok(())
}

/// Different names within a window that begin an attack.
fn limit(lab: &Lab) -> Result<u64> {
    let city = lab.policy().municipalities.iter().find(|it| it.id == CITY);
    Ok(city.and_then(|city| city.dns.as_ref()).context("the policy guards no DNS server of the city")?.enter)
}

fn guarded(status: &Status) -> u64 {
    counted(status, Some(CITY), "ingress", "drop", "dns_guard")
}

/// Packets a second towards the city.
fn rate(status: &Status) -> f64 {
    let city = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(CITY));
    let rates = city.into_iter().flat_map(|city| &city.rates);
    rates.filter(|rate| rate.direction == "ingress").map(|rate| rate.packets_per_second).sum()
}

/// What the daemon has in memory of its own: pages of maps that it looks at are not counted.
fn memory_kib(lab: &Lab) -> Result<u64> {
    let pid = lab.daemon()?.pid().context("the daemon does not run")?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
