//! Senders are told: packets too far and packets too big are answered from the municipality's own gateway address.

use anyhow::Result;
use lab::Lab;
use lab::internet::{WEB_V4, WEB_V6};
use lab::prefecture::UPLINK_MTU;
use lab::process::text;
use std::net::IpAddr;

use super::{CITY, Report, Step, TOWN};

/// See the module.
pub const STEP: Step = Step {
    name: "told",
    title: "too far, too big: the sender hears it from its own gateway",
    title_ja: "TTL超過とMTU超過",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let before = lab.daemon()?.status()?;
    // Both have 10.10.0.1 as their gateway: each must hear it from its own.
    for id in [TOWN, CITY] {
        let site = lab.site(id)?;
        for server in [IpAddr::from(WEB_V4), WEB_V6.into()] {
            let source = if server.is_ipv4() { site.v4()? } else { site.v6()? };
            let gateway = site.gateway(source)?;
            let headers = if server.is_ipv4() { 28 } else { 48 };
            let size = UPLINK_MTU - headers + 1;
            let far = text(&site.namespace().attempt(&format!("ping -n -c 1 -W 2 -t 1 {server}"))?.stdout);
            let heard_far =
                far.lines().any(|line| line.contains(&from(gateway)) && line.to_lowercase().contains("exceeded"));
            report.expect(heard_far, format!("{id} hears “time exceeded” for {server} from {gateway}"));
            let big = site.namespace().attempt(&format!("ping -n -c 1 -W 2 -M do -s {size} {server}"))?;
            let big = text(&big.stdout);
            let mtu = format!("mtu = {UPLINK_MTU}");
            let mtu_v6 = format!("mtu={UPLINK_MTU}");
            let heard_big = big
                .lines()
                .any(|line| line.contains(&from(gateway)) && (line.contains(&mtu) || line.contains(&mtu_v6)));
            report
                .expect(heard_big, format!("{id} hears “too big” for {server} from {gateway}: {}", first_answer(&big)));
            report.sent(format!("{id} pings {server} with hop limit 1, then with {size} bytes and “do not fragment”"));
            if heard_far && heard_big {
                report.arrived(format!("time exceeded and too big (MTU {UPLINK_MTU}), both from {gateway}"));
            }
            // The host has learned; the next run must hear it again.
            site.namespace().run(&format!("ip {} route flush cache", lab::link::family(server)))?;
        }
    }
    let after = lab.daemon()?.status()?;
    for reason in ["hop_limit", "too_big"] {
        let count = |status| lab::daemon::counted(status, None, "egress", "local", reason);
        let counted = count(&after) - count(&before);
        report.counted(format!("local ({reason}): {counted} packets"));
        report.expect_count(counted, 4, reason);
    }
    Ok(())
}

fn from(gateway: IpAddr) -> String {
    format!("From {gateway}")
}

fn first_answer(output: &str) -> &str {
    output.lines().nth(1).unwrap_or("nothing")
}
