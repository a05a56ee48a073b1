//! A port scan from inside: only what rules allow leaves, each SYN is accounted for.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::Result;
use lab::daemon::counted;
use lab::internet::WEB_V4;
use lab::{Counter, Lab, frame, wire};

use super::{Report, Step, TOWN, dropped, explain, frame_of, pool, settle};

/// See the module.
pub const STEP: Step = Step { name: "scan", title: "a port scan from inside", title_ja: "ポートスキャン", run };

/// Ports 1 to this.
const PORTS: u16 = 1_024;
/// What the town's rules let out to any address, over TCP.
const OPEN: [u16; 3] = [53, 80, 443];
/// What the prefecture forbids whatever the town says.
const MAIL: u16 = 25;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(TOWN)?;
    let source = site.v4()?;
    let before = lab.daemon()?.status()?;
    let since = lab.daemon()?.events().mark();
    let syns = format!("ip saddr {} ip daddr {WEB_V4} tcp flags & (syn | ack) == syn", pool(lab, TOWN)?);
    let arrivals = Counter::start(lab.internet().uplink(), &syns)?;
    let open: BTreeSet<String> = OPEN.iter().map(ToString::to_string).collect();
    let open = open.into_iter().collect::<Vec<_>>().join(", ");
    let expected = Counter::start(lab.internet().uplink(), &format!("{syns} tcp dport {{ {open} }}"))?;
    let frames: Result<Vec<_>> = (1..=PORTS)
        .map(|port| {
            let (from, to) = (SocketAddr::new(source, 50_000), SocketAddr::new(WEB_V4.into(), port));
            frame_of(lab, site, &frame::tcp(from, to, frame::flags::SYN, 1_000, 0))
        })
        .collect();
    report.sent(format!("{PORTS} SYNs from {source} to {WEB_V4}, ports 1 to {PORTS}"));
    wire::send(site.device(), &frames?)?;
    settle();
    let (arrived, expected) = (arrivals.packets()?, expected.packets()?);
    report.arrived(format!("{arrived} SYNs, at ports {open}"));
    report.expect_count(arrived, OPEN.len() as u64, "SYNs at the server");
    report.expect_count(expected, OPEN.len() as u64, "SYNs at the ports that rules allow");
    let after = lab.daemon()?.status()?;
    for (reason, wanted) in [("default_deny", u64::from(PORTS) - OPEN.len() as u64 - 1), ("baseline_rule", 1)] {
        let count = |status| counted(status, Some(TOWN), "egress", "drop", reason);
        let found = count(&after) - count(&before);
        report.counted(format!("drop ({reason}): {found} packets"));
        report.expect_count(found, wanted, &format!("drops for {reason}"));
    }
    let is_mail = |line: &lab::Line| dropped(TOWN, "baseline_rule")(line) && line.destination_port == Some(MAIL);
    explain(lab, report, since, is_mail)?;
    explain(lab, report, since, dropped(TOWN, "default_deny"))?;
    Ok(())
}
