//! 2022 Hiroshima, 2023 Mie: DNS floods in pulses every 30 to 60 seconds, for two and a half weeks.
//! Here: pulses at the published site, one after the other; each is cut to its budget, the city itself notices none of
//! them, and when it is over everything is as it was. A thousand of them, by a clock of their own, are in the tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::frame::{self, flags};
use lab::internet::WEB_V4;
use lab::load::Pings;
use lab::{Lab, wire};

use super::{Drill, Report, Step};
use crate::tour::outside::SITE;
use crate::tour::{CITY, dropped, explain, frame_from_outside, settle};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2022 Hiroshima, 2023 Mie: floods in pulses, for two and a half weeks",
    step: Step {
        name: "pulses",
        title: "pulses of a flood from everywhere are cut to the budget, and leave nothing behind",
        title_ja: "断続的な大量アクセス",
        run,
    },
};

const PULSES: u16 = 20;
/// New connections in each; beyond the second's worth that may come at once.
const FLOOD: u16 = 6_000;
const REST: Duration = Duration::from_millis(400);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let city = lab.site(CITY)?;
    let daemon = lab.daemon()?;
    let since = daemon.events().mark();
    let memory = || -> Result<u64> {
        let pid = daemon.pid().context("the daemon does not run")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
    };
    let pings = Pings::start(city.namespace(), city.v4()?, WEB_V4.into(), Duration::from_millis(20))?;
    report.sent(format!("{PULSES} pulses of {FLOOD} connections from as many addresses to {SITE}"));
    let mut after_first = 0;
    for pulse in 0..PULSES {
        let syn = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let from = IpAddr::V4(Ipv4Addr::new(20 + pulse as u8, 7, high, low));
            frame_from_outside(
                lab,
                &frame::tcp(SocketAddr::new(from, 40_000), SocketAddr::new(SITE.into(), 80), flags::SYN, 9, 0),
            )
        };
        for some in (0..FLOOD).map(syn).collect::<Result<Vec<_>>>()?.chunks(128) {
            wire::send(lab.internet().uplink(), some)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(REST);
        if pulse == 0 {
            after_first = memory()?;
        }
    }
    let answered = pings.stop()?;
    report.arrived(format!(
        "{} of {} echo requests of {CITY} itself were answered meanwhile",
        answered.received, answered.sent
    ));
    report.expect_count(answered.received, answered.sent, "answers");
    explain(lab, report, since, |line| dropped(CITY, "limited")(line))?;
    settle();
    report.counted(format!(
        "memory of the daemon: {after_first} KiB after the first pulse, {} after the last",
        memory()?
    ));
    let flows = || -> Result<u64> { Ok(daemon.status()?.flows) };
    let busy = flows()?;
    // Half-open connections live for thirty seconds.
    let rested = wire::wait_until(Duration::from_secs(60), || Ok(flows()? < 100))?;
    report.counted(format!("flows: {busy} after the last pulse, {} when half-open ones had ended", flows()?));
    report.expect(rested, "no flow of the flood is left");
    Ok(())
}
