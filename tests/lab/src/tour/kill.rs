//! The daemon dies, `kill -9`, under load; packets do not care. It comes back and finds everything as it was.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use lab::daemon::counted;
use lab::internet::{WEB_V4, WEB_V6};
use lab::load::{Pings, Transfer};
use lab::{Counter, Lab};

use super::{Report, Step, TOWN, VILLAGE, pool, settle};

/// See the module.
pub const STEP: Step =
    Step { name: "kill", title: "kill -9 of the daemon under load", title_ja: "デーモンの強制終了", run };

const PING_EVERY: Duration = Duration::from_millis(2);
const TRANSFER: Duration = Duration::from_secs(6);
const RATE: u64 = 200_000_000;
/// Before the kill, between kill and restart.
const PAUSE: Duration = Duration::from_millis(1_500);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let requests = format!("ip saddr {} icmp type echo-request", pool(lab, TOWN)?);
    let at_server = Counter::start(lab.internet().uplink(), &requests)?;
    let pings = {
        let town = lab.site(TOWN)?;
        [
            Pings::start(town.namespace(), town.v4()?, WEB_V4.into(), PING_EVERY)?,
            Pings::start(town.namespace(), town.v6()?, WEB_V6.into(), PING_EVERY)?,
        ]
    };
    let transfer = {
        let village = lab.site(VILLAGE)?;
        Transfer::start(village.namespace(), village.v4()?, IpAddr::from(WEB_V4), TRANSFER, RATE)?
    };
    thread::sleep(PAUSE);
    let before = lab.daemon()?.status()?;
    let pid = lab.daemon()?.pid().unwrap_or_default();
    lab.daemon_mut()?.kill()?;
    let at_kill = at_server.packets()?;
    thread::sleep(PAUSE);
    let meanwhile = at_server.packets()? - at_kill;
    lab.start_daemon()?;
    let after = lab.daemon()?.status()?;
    let transferred = transfer.finish()?;
    let [v4, v6] = pings.map(Pings::stop);
    let (v4, v6) = (v4?, v6?);
    settle();
    let arrived = at_server.packets()?;
    report.sent(format!(
        "kill -9 {pid}, a new daemon {:.1} s later; {} pings and a TCP transfer meanwhile",
        PAUSE.as_secs_f64(),
        v4.sent + v6.sent
    ));
    report.arrived(format!(
        "{arrived} of {} pings over IPv4 at the server, {meanwhile} of them without a daemon",
        v4.sent
    ));
    report.arrived(format!("{} of {} answers back", v4.received + v6.received, v4.sent + v6.sent));
    report.arrived(format!(
        "{:.0} Mbit/s over one TCP connection, longest silence {} tenths of a second",
        transferred.bits_per_second / 1e6,
        transferred.silent_tenths
    ));
    report.expect_count(arrived, v4.sent, "pings at the server");
    report.expect(meanwhile > 100, "pings went through without a daemon");
    report.expect_count(v4.received, v4.sent, "answers over IPv4");
    report.expect_count(v6.received, v6.sent, "answers over IPv6");
    report.expect(transferred.received > 0 && transferred.silent_tenths < 5, "the transfer never stood still");
    let forwarded = |status| counted(status, Some(TOWN), "egress", "forward", "established");
    report.counted(format!("forward (established): {} before, {} after", forwarded(&before), forwarded(&after)));
    report.counted(format!(
        "adopted: {}, generation {} → {}, flows {} → {}",
        after.adopted, before.generation, after.generation, before.flows, after.flows
    ));
    report.expect(after.adopted, "the new daemon adopted the data path");
    report.expect(forwarded(&after) > forwarded(&before), "counters went on");
    report.expect_count(after.generation, before.generation, "generation");
    report.expect_count(after.guard_drops, before.guard_drops, "guard drops");
    Ok(())
}
