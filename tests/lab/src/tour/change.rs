//! The policy changes, again and again, under load; nobody notices.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::internet::{WEB_V4, WEB_V6};
use lab::load::{Pings, Transfer};
use lab::{Counter, Lab};

use super::{Report, Step, TOWN, VILLAGE, pool, settle};

/// See the module.
pub const STEP: Step =
    Step { name: "change", title: "policy changes under load", title_ja: "負荷中のポリシー変更", run };

/// How often the policy changes.
const CHANGES: usize = 20;
const PING_EVERY: Duration = Duration::from_millis(2);
/// At least this long, and longer if changes take their time.
const TRANSFER: Duration = Duration::from_secs(5);
const RATE: u64 = 200_000_000;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let policies = alternatives(lab)?;
    let (town, village) = (lab.site(TOWN)?, lab.site(VILLAGE)?);
    let requests = format!("ip saddr {} icmp type echo-request", pool(lab, TOWN)?);
    let at_server = Counter::start(lab.internet().uplink(), &requests)?;
    let at_site = Counter::start(town.device(), "icmp type echo-reply")?;
    // The load must outlast the changes, on slow machines too.
    let rehearsal = Instant::now();
    lab.daemon()?.apply_files(policies[1].clone())?;
    let lasting = TRANSFER.max(rehearsal.elapsed() * 2 * u32::try_from(CHANGES)?);
    let generation = lab.daemon()?.status()?.generation;
    let pings = Pings::start(town.namespace(), town.v4()?, WEB_V4.into(), PING_EVERY)?;
    let pings_v6 = Pings::start(town.namespace(), town.v6()?, WEB_V6.into(), PING_EVERY)?;
    let transfer = Transfer::start(village.namespace(), village.v4()?, IpAddr::from(WEB_V4), lasting, RATE)?;
    let began = Instant::now();
    for change in 0..CHANGES {
        let files = &policies[change % policies.len()];
        lab.daemon()?.apply_files(files.clone()).with_context(|| format!("change {} of {CHANGES}", change + 1))?;
        // Spread over the transfer, so that every change meets traffic.
        let due = lasting.mul_f64((change + 1) as f64 / (CHANGES + 2) as f64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let took = began.elapsed();
    let transferred = transfer.finish()?;
    let (v4, v6) = (pings.stop()?, pings_v6.stop()?);
    settle();
    let (arrived, answered) = (at_server.packets()?, at_site.packets()?);
    report.sent(format!(
        "{CHANGES} policies within {:.1} s, during {} pings and a TCP transfer",
        took.as_secs_f64(),
        v4.sent + v6.sent
    ));
    report
        .arrived(format!("{arrived} of {} pings over IPv4 at the server, {answered} answers back at {TOWN}", v4.sent));
    report.arrived(format!("{} of {} answers over IPv6", v6.received, v6.sent));
    report.arrived(format!(
        "{:.0} Mbit/s over TCP, longest silence {} tenths of a second",
        transferred.bits_per_second / 1e6,
        transferred.silent_tenths
    ));
    report.expect_count(arrived, v4.sent, "pings at the server");
    report.expect_count(v4.received, v4.sent, "answers over IPv4");
    report.expect_count(v6.received, v6.sent, "answers over IPv6");
    report.expect(v4.sent > 500, "the load was one");
    report.expect(transferred.received > 0 && transferred.silent_tenths < 5, "the transfer never stood still");
    let after = lab.daemon()?.status()?;
    report.counted(format!(
        "generation {generation} → {}, digest {}",
        after.generation,
        if after.digest_matches { "matches" } else { "DIFFERS" }
    ));
    report.expect_count(after.generation - generation, CHANGES as u64, "generations");
    report.expect(after.digest_matches, "what is installed is what was intended");
    Ok(())
}

/// The example, and the example with a rule and a blocked network more. Ends with the example itself.
fn alternatives(lab: &Lab) -> Result<[policy::Source; 2]> {
    let original = control::read_directory(lab.policy_directory())?;
    let mut changed = original.clone();
    let threats = changed.files.get_mut("sets/threats.netset").context("the example has no sets/threats.netset")?;
    threats.extend_from_slice(b"\n198.18.77.0/24\n");
    let prefecture = changed.files.get_mut("prefecture.toml").context("the policy has no prefecture.toml")?;
    prefecture.extend_from_slice(
        b"\n[[baseline]]\nname = \"no-telnet\"\ndirection = \"egress\"\nports = [\"tcp/23\"]\naction = \"deny\"\n",
    );
    Ok([changed, original])
}
